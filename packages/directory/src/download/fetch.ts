import { hash } from "node:crypto";
import {
  type CertificateName,
  type Consensus,
  encodeBase64,
  type Fingerprint,
  parseAuthorityCertificatesSteps,
  parseMicrodescriptorsSteps,
  type Rejection,
} from "@allium/netdoc";
import { Clock, Effect } from "effect";
import type { DirectoryFetchError } from "../errors.ts";
import { type DirectorySource, DirectorySources } from "../sources/source.ts";
import type { DocumentWorker } from "../worker/document-worker.ts";
import type { ActivityLog } from "./activity.ts";
import { type AskContext, ask } from "./ask.ts";
import { fetchBatches } from "./batches.ts";
import { downloadConsensus, type OfferedConsensus } from "./consensus.ts";
import type { Holdings } from "./holdings.ts";
import { judge, read, sift } from "./judge.ts";
import { batchSize, type FetchPolicy } from "./policy.ts";
import { certificatesPath, LIMITS, microdescriptorsPath } from "./resources.ts";

/** What every fetch needs to know. */
export interface FetchContext extends AskContext {
  readonly activity: ActivityLog;
  /** The identities of the authorities whose signatures count. */
  readonly trusted: ReadonlyArray<Fingerprint>;
  readonly holdings: Holdings;
  readonly policy: FetchPolicy;
  /** Whether the certificates of authorities that are not trusted here are kept too, for clients that trust them. */
  readonly strangers: boolean;
}

/**
 * Fetches a consensus from a directory, the certificates that its signatures need from the same one and, if it lacks them,
 * from another, and takes it if it is good.
 *
 * @param diff whether a diff from the one that is held would do
 */
export const fetchConsensus = Effect.fn("directory.fetchConsensus")(function* (
  context: FetchContext,
  source: DirectorySource,
  diff: boolean,
): Effect.fn.Return<Consensus, DirectoryFetchError, DirectorySources | DocumentWorker> {
  const { holdings, trusted } = context;
  const { held } = holdings.snapshot;
  const request = {
    flavor: "microdesc",
    trusted,
    held: held === undefined ? undefined : { ...held, validAfter: held.consensus.lifetime.validAfter },
    diff,
  } as const;
  const consensus = yield* downloadConsensus(context, request, source, (offered) =>
    Effect.gen(function* () {
      yield* fetchMissingCertificates(context, offered, source);
      const now = yield* Clock.currentTimeMillis;
      return yield* judge(offered.url, () => holdings.acceptConsensus(offered, now));
    }),
  );
  if (context.strangers) yield* fetchStrangers(context, source);
  return consensus;
});

/**
 * Fetches the certificates that a consensus needs, from the directory that it came from and, if that lacks some, from others. What cannot
 * be had is told in the log: those that are here may be enough.
 */
const fetchMissingCertificates = (
  context: FetchContext,
  offered: OfferedConsensus,
  source: DirectorySource,
): Effect.Effect<void, never, DirectorySources> =>
  Effect.gen(function* () {
    const sources = yield* DirectorySources;
    const { activity, holdings, policy } = context;
    const missing = Effect.map(Clock.currentTimeMillis, (now) => holdings.missingCertificates(offered, now));
    const of = (yield* missing).length;
    const asked: Array<DirectorySource> = [];
    for (let names = yield* missing; names.length > 0; names = yield* missing) {
      if (asked.length > policy.attempts)
        return yield* Effect.logInfo(`certificates: ${names.length} of ${of} were not to be had`);
      activity.works({ what: "certificates", have: of - names.length, of });
      const next =
        asked.length === 0 ? source : yield* sources.draw({ what: "certificates", except: asked, urgent: false });
      asked.push(next);
      yield* fetchCertificates(context, next, names).pipe(
        Effect.catch((error) => {
          activity.failed(error);
          return Effect.logInfo(`certificates: ${error.message}`);
        }),
      );
    }
  }).pipe(Effect.catch((error) => Effect.logInfo(`certificates: ${error.message}`)));

/** Fetches the certificates of other signers of the consensus; without them only the clients that trust those miss something. */
const fetchStrangers = (context: FetchContext, source: DirectorySource): Effect.Effect<void> =>
  Effect.gen(function* () {
    const names = context.holdings.missingStrangers(yield* Clock.currentTimeMillis);
    if (names.length > 0) yield* fetchCertificates(context, source, names);
  }).pipe(Effect.catch((error) => Effect.logDebug(`certificates of others: ${error.message}`)));

/** Fetches certificates by name. */
const fetchCertificates = Effect.fn("directory.fetchCertificates")(function* (
  context: FetchContext,
  source: DirectorySource,
  names: ReadonlyArray<CertificateName>,
): Effect.fn.Return<void, DirectoryFetchError> {
  const request = { what: "certificates", path: certificatesPath(names), limit: LIMITS.certificates } as const;
  yield* ask(context, source, request, ({ url, body }) =>
    Effect.gen(function* () {
      const { documents, rejected } = yield* read(url, () => parseAuthorityCertificatesSteps(body));
      context.holdings.acceptCertificates(documents, yield* Clock.currentTimeMillis);
      const asked = names.map(({ identity, signingKey }) => `${identity}-${signingKey}`);
      const came = documents.map(({ identity, signingKeyDigest }) => `${identity}-${signingKeyDigest}`);
      return { value: undefined, outcome: yield* sift(url, { asked, came, rejected }) };
    }),
  );
});

/**
 * Fetches the microdescriptors that are missing.
 *
 * @param onBatch runs after each batch that brought some
 * @returns how many are missing still
 */
export const fetchMicrodescriptors = Effect.fn("directory.fetchMicrodescriptors")(function* (
  context: FetchContext,
  onBatch: Effect.Effect<void>,
): Effect.fn.Return<number, never, DirectorySources> {
  const { holdings, policy } = context;
  const digests = holdings.missingMicrodescriptors();
  yield* fetchBatches(context, {
    what: "microdescriptors",
    name: "microdescriptors",
    digests,
    size: batchSize(policy, digests.length),
    path: microdescriptorsPath,
    limit: LIMITS.microdescriptors,
    again: { attempts: policy.attempts, missing: (some) => holdings.missingOf(some) },
    accept: ({ url, body }, asked) =>
      Effect.gen(function* () {
        const { documents, rejected } = yield* read(url, () => parseMicrodescriptorsSteps(body));
        const wanted = new Set(asked);
        const count = holdings.acceptMicrodescriptors(documents, wanted);
        // If it was asked for by its digest, the consensus is to blame for it, and not who sent it.
        const named = rejected.map((rejection) => ({ rejection, digest: digestOf(body, rejection) }));
        const [unreadable, faults] = [
          named.filter(({ digest }) => wanted.has(digest)),
          named.filter(({ digest }) => !wanted.has(digest)),
        ];
        for (const { digest, rejection } of unreadable) {
          holdings.markUnreadable(digest);
          yield* Effect.logWarning(`a microdescriptor of the consensus cannot be read: ${rejection.error.message}`);
        }
        if (count + unreadable.length > 0) yield* onBatch;
        const came = [...documents, ...unreadable].map(({ digest }) => digest);
        return yield* sift(url, { asked, came, rejected: faults.map(({ rejection }) => rejection) });
      }),
  });
  return holdings.missingMicrodescriptors().length;
});

/** The digest of a microdescriptor that cannot be read. */
const digestOf = (body: Buffer, { start, end }: Rejection): string =>
  encodeBase64(hash("sha256", body.subarray(start, end), "buffer"));
