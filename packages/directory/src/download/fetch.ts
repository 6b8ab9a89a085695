import { Entropy, type Transport } from "@allium/channel";
import {
  type CertificateName,
  type Consensus,
  parseAuthorityCertificatesSteps,
  parseMicrodescriptorsSteps,
} from "@allium/netdoc";
import { Clock, Effect } from "effect";
import type { Authority } from "../authorities.ts";
import { DirectoryFetchError } from "../errors.ts";
import type { DirectoryTiming } from "../timing.ts";
import type { DocumentWorker } from "../worker/document-worker.ts";
import { fetchBatches } from "./batches.ts";
import { downloadConsensus, type OfferedConsensus } from "./consensus.ts";
import { drawAuthority } from "./draw.ts";
import { get, judge, read, reportRejected } from "./get.ts";
import type { Holdings } from "./holdings.ts";
import { certificatesPath, LIMITS, MICRODESCRIPTORS_PER_REQUEST, microdescriptorsPath } from "./resources.ts";

/** What every fetch needs to know. */
export interface FetchContext {
  readonly authorities: ReadonlyArray<Authority>;
  readonly timing: DirectoryTiming;
  readonly holdings: Holdings;
  /** Whether the certificates of authorities that are not trusted here are kept too, for clients that trust them. */
  readonly strangers: boolean;
}

/**
 * Fetches a consensus from an authority, the certificates that its signatures need from the same one and, if it lacks them,
 * from another, and takes it if it is good.
 *
 * @param diff whether a diff from the one that is held would do
 */
export const fetchConsensus = Effect.fn("directory.fetchConsensus")(function* (
  context: FetchContext,
  authority: Authority,
  diff: boolean,
): Effect.fn.Return<Consensus, DirectoryFetchError, Transport | Entropy | DocumentWorker> {
  const { holdings, authorities, timing } = context;
  const entropy = yield* Entropy;
  const { held } = holdings.snapshot;
  const offered = yield* downloadConsensus(
    {
      flavor: "microdesc",
      authorities,
      timing,
      held: held === undefined ? undefined : { ...held, validAfter: held.consensus.lifetime.validAfter },
      diff,
    },
    authority,
  );
  yield* fetchMissingCertificates(context, offered, authority).pipe(
    Effect.catch((first) =>
      Effect.andThen(
        Effect.logDebug(`certificates: ${first.message}`),
        fetchMissingCertificates(context, offered, drawAuthority(authorities, entropy.below, authority)),
      ),
    ),
    // The certificates that are here may be enough.
    Effect.catch((error) => Effect.logInfo(`certificates: ${error.message}`)),
  );
  const now = yield* Clock.currentTimeMillis;
  const consensus = yield* judge(offered.url, () => holdings.acceptConsensus(offered, now));
  if (context.strangers) yield* fetchStrangers(context, authority);
  return consensus;
});

const fetchMissingCertificates = Effect.fnUntraced(function* (
  context: FetchContext,
  offered: OfferedConsensus,
  authority: Authority,
): Effect.fn.Return<void, DirectoryFetchError, Transport> {
  const names = context.holdings.missingCertificates(offered, yield* Clock.currentTimeMillis);
  if (names.length === 0) return;
  const { url } = yield* fetchCertificates(context, authority, names);
  const left = context.holdings.missingCertificates(offered, yield* Clock.currentTimeMillis);
  if (left.length > 0) {
    const detail = `${left.length} of ${names.length} certificates were not there`;
    return yield* new DirectoryFetchError({ url, problem: "not-there", detail });
  }
});

/** Fetches the certificates of other signers of the consensus; without them only the clients that trust those miss something. */
const fetchStrangers = (context: FetchContext, authority: Authority): Effect.Effect<void, never, Transport> =>
  Effect.gen(function* () {
    const names = context.holdings.missingStrangers(yield* Clock.currentTimeMillis);
    if (names.length > 0) yield* fetchCertificates(context, authority, names);
  }).pipe(Effect.catch((error) => Effect.logDebug(`certificates of others: ${error.message}`)));

/** Fetches certificates by name. */
const fetchCertificates = Effect.fn("directory.fetchCertificates")(function* (
  { holdings, timing }: FetchContext,
  authority: Authority,
  names: ReadonlyArray<CertificateName>,
): Effect.fn.Return<{ readonly url: string }, DirectoryFetchError, Transport> {
  const request = { endpoint: authority.download, path: certificatesPath(names), limit: LIMITS.certificates };
  const { url, body } = yield* get(request, timing);
  const { documents, rejected } = yield* read(url, () => parseAuthorityCertificatesSteps(body));
  holdings.acceptCertificates(documents, yield* Clock.currentTimeMillis);
  yield* reportRejected(url, rejected);
  return { url };
});

/**
 * Fetches the microdescriptors that are missing.
 *
 * @param onBatch runs after each batch that brought some
 * @returns how many are missing still
 */
export const fetchMicrodescriptors = Effect.fn("directory.fetchMicrodescriptors")(function* (
  { holdings, authorities, timing }: FetchContext,
  onBatch: Effect.Effect<void>,
): Effect.fn.Return<number, never, Transport | Entropy> {
  yield* fetchBatches({
    what: "microdescriptors",
    authorities,
    timing,
    digests: holdings.missingMicrodescriptors(),
    size: MICRODESCRIPTORS_PER_REQUEST,
    path: microdescriptorsPath,
    limit: LIMITS.microdescriptors,
    accept: ({ url, body }, digests) =>
      Effect.gen(function* () {
        const { documents, rejected } = yield* read(url, () => parseMicrodescriptorsSteps(body));
        const count = holdings.acceptMicrodescriptors(documents, new Set(digests));
        yield* reportRejected(url, rejected);
        if (count > 0) yield* onBatch;
      }),
  });
  return holdings.missingMicrodescriptors().length;
});
