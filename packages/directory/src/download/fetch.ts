import { Entropy, type Transport } from "@allium/channel";
import { type CertificateName, type Consensus, NetdocError, ValidityError, VerificationError } from "@allium/netdoc";
import { Clock, Effect } from "effect";
import type { Authority } from "../authorities.ts";
import { DirectoryFetchError } from "../errors.ts";
import { type DirectoryRequest, type DirectoryResponse, exchange } from "../http/client.ts";
import { shorten } from "../http/head.ts";
import type { DirectoryTiming } from "../timing.ts";
import { type Accepted, type Holdings, NothingNewer, type OfferedConsensus } from "./holdings.ts";
import {
  certificatesPath,
  consensusPath,
  LIMITS,
  MICRODESCRIPTORS_PER_REQUEST,
  microdescriptorsPath,
} from "./resources.ts";

/** What every fetch needs to know. */
export interface FetchContext {
  readonly authorities: ReadonlyArray<Authority>;
  readonly timing: DirectoryTiming;
  readonly holdings: Holdings;
}

/** How many batches of microdescriptors are asked for at a time. */
const CONCURRENT_BATCHES = 3;

/** A random authority, other than one that has just failed if there is another. */
export const drawAuthority = (
  authorities: ReadonlyArray<Authority>,
  draw: (limit: number) => number,
  except?: Authority,
): Authority => {
  const others = authorities.filter((authority) => authority !== except);
  const candidates = others.length === 0 ? authorities : others;
  return candidates[draw(candidates.length)] as Authority;
};

/** An answer that has a document. */
const get = (
  request: DirectoryRequest,
  timing: DirectoryTiming,
): Effect.Effect<DirectoryResponse, DirectoryFetchError, Transport> =>
  Effect.flatMap(exchange(request, timing), (response) => {
    const { url, status, reason } = response;
    if (status === 200) return Effect.succeed(response);
    return Effect.fail(
      new DirectoryFetchError({
        url,
        status,
        problem: status === 304 || status === 404 ? "not-there" : "status",
        detail: `${status} ${shorten(reason)}`,
      }),
    );
  });

/** Runs what documents are given to; what it throws becomes an error that names the request. */
const judge = <A>(url: string, run: () => A): Effect.Effect<A, DirectoryFetchError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run());
    } catch (cause) {
      const problem = problemOf(cause);
      // What is no judgement on the document is a bug of ours, and must not pass for a bad answer.
      if (problem === undefined) return Effect.die(cause);
      return Effect.fail(new DirectoryFetchError({ url, problem, detail: (cause as Error).message, cause }));
    }
  });

const problemOf = (cause: unknown): DirectoryFetchError["problem"] | undefined => {
  if (cause instanceof NetdocError) return "document";
  if (cause instanceof VerificationError || cause instanceof ValidityError) return "verification";
  return cause instanceof NothingNewer ? "not-there" : undefined;
};

/**
 * Fetches a consensus from an authority, the certificates that its signatures need from the same one and, if it lacks them,
 * from another, and takes it if it is good.
 */
export const fetchConsensus = Effect.fn("directory.fetchConsensus")(function* (
  context: FetchContext,
  authority: Authority,
): Effect.fn.Return<Consensus, DirectoryFetchError, Transport | Entropy> {
  const { holdings, authorities, timing } = context;
  const entropy = yield* Entropy;
  const held = holdings.snapshot.consensus;
  const response = yield* get(
    {
      endpoint: authority.download,
      path: consensusPath(authorities.map(({ v3Identity }) => v3Identity)),
      ifModifiedSince: held?.lifetime.validAfter,
      limit: LIMITS.consensus,
    },
    timing,
  );
  const offered = yield* judge(response.url, () => holdings.readConsensus(response.body));
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
  return yield* judge(response.url, () => holdings.acceptConsensus(offered, now));
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

/** Fetches certificates by name. */
const fetchCertificates = Effect.fn("directory.fetchCertificates")(function* (
  { holdings, timing }: FetchContext,
  authority: Authority,
  names: ReadonlyArray<CertificateName>,
): Effect.fn.Return<{ readonly url: string }, DirectoryFetchError, Transport> {
  const request = { endpoint: authority.download, path: certificatesPath(names), limit: LIMITS.certificates };
  const { url, body } = yield* get(request, timing);
  const now = yield* Clock.currentTimeMillis;
  const accepted = yield* judge(url, () => holdings.acceptCertificates(body, now));
  yield* reportRejected(url, accepted);
  return { url };
});

/**
 * Fetches the microdescriptors that are missing, in batches, each from an authority drawn for it. A batch that fails does not
 * spoil the others.
 *
 * @param onBatch runs after each batch that brought some
 * @returns how many are missing still
 */
export const fetchMicrodescriptors = Effect.fn("directory.fetchMicrodescriptors")(function* (
  { holdings, authorities, timing }: FetchContext,
  onBatch: Effect.Effect<void>,
): Effect.fn.Return<number, never, Transport | Entropy> {
  const entropy = yield* Entropy;
  const wanted = holdings.missingMicrodescriptors();
  const batches: Array<ReadonlyArray<string>> = [];
  for (let at = 0; at < wanted.length; at += MICRODESCRIPTORS_PER_REQUEST)
    batches.push(wanted.slice(at, at + MICRODESCRIPTORS_PER_REQUEST));
  const fetchBatch = Effect.fnUntraced(
    function* (digests: ReadonlyArray<string>) {
      const { download } = drawAuthority(authorities, entropy.below);
      const request = { endpoint: download, path: microdescriptorsPath(digests), limit: LIMITS.microdescriptors };
      const { url, body } = yield* get(request, timing);
      const accepted = yield* judge(url, () => holdings.acceptMicrodescriptors(body, new Set(digests)));
      yield* reportRejected(url, accepted);
      if (accepted.count > 0) yield* onBatch;
    },
    Effect.catch((error) => Effect.logInfo(`microdescriptors: ${error.message}`)),
  );
  yield* Effect.forEach(batches, fetchBatch, { concurrency: CONCURRENT_BATCHES, discard: true });
  return holdings.missingMicrodescriptors().length;
});

const reportRejected = (url: string, { rejected }: Accepted): Effect.Effect<void> => {
  const [first] = rejected;
  if (first === undefined) return Effect.void;
  return Effect.logWarning(`${url}: ${rejected.length} documents refused, the first: ${first.error.message}`);
};
