import type { Transport } from "@allium/channel";
import {
  ConsensusDiffError,
  type ConsensusFlavor,
  isConsensusDiff,
  parseConsensusSteps,
  type UnixMillis,
  type UnverifiedConsensus,
  VerificationError,
} from "@allium/netdoc";
import { Effect } from "effect";
import type { Authority } from "../authorities.ts";
import { DirectoryFetchError } from "../errors.ts";
import type { DirectoryTiming } from "../timing.ts";
import { DocumentWorker } from "../worker/document-worker.ts";
import { get, judge, judgement, NothingNewer, read } from "./get.ts";
import { consensusPath, LIMITS } from "./resources.ts";

/** A consensus that was read, and whose signatures are to be checked when the certificates are there. */
export interface OfferedConsensus {
  readonly unverified: UnverifiedConsensus;
  readonly text: Buffer;
  /** Its name in diffs; undefined if that could not be found out. */
  readonly signedDigest: string | undefined;
}

/** What is asked for, and what is there already. */
export interface ConsensusRequest {
  readonly flavor: ConsensusFlavor;
  /** Whose signatures count. */
  readonly authorities: ReadonlyArray<Authority>;
  readonly timing: DirectoryTiming;
  /** The newest that is held. */
  readonly held:
    | { readonly text: Buffer; readonly validAfter: UnixMillis; readonly signedDigest: string | undefined }
    | undefined;
  /** Whether a diff from it would do. */
  readonly diff: boolean;
}

/**
 * Checks that an offered consensus is worth a look at its signatures.
 *
 * @throws VerificationError if it is of another flavour
 * @throws NothingNewer if the one that is held is at least as new
 */
export const checkOffered = (
  { flavor: offeredFlavor, lifetime: { validAfter } }: UnverifiedConsensus,
  flavor: ConsensusFlavor,
  held: UnixMillis | undefined,
): void => {
  if (offeredFlavor !== flavor)
    throw new VerificationError("consensus", "inconsistent", "network-status-version", "is of another flavour");
  if (held !== undefined && validAfter <= held)
    throw new NothingNewer(
      `offers the consensus of ${new Date(validAfter).toISOString()}, and that of ${new Date(held).toISOString()} is here`,
    );
};

/** The name of a consensus in diffs. Without it all goes on, but for diffs. */
export const digestForDiffs = (text: Buffer): Effect.Effect<string | undefined, never, DocumentWorker> =>
  Effect.flatMap(DocumentWorker, (worker) => worker.signedDigest(text)).pipe(
    Effect.catch((error) => Effect.as(Effect.logInfo(`no diffs from this consensus: ${error.message}`), undefined)),
  );

/** Fetches a consensus, or a diff and makes one of that, and reads it. */
export const downloadConsensus = Effect.fnUntraced(function* (
  request: ConsensusRequest,
  authority: Authority,
): Effect.fn.Return<OfferedConsensus & { readonly url: string }, DirectoryFetchError, Transport | DocumentWorker> {
  const { flavor, held, timing } = request;
  const { url, body } = yield* get(
    {
      endpoint: authority.download,
      path: consensusPath(
        flavor,
        request.authorities.map(({ v3Identity }) => v3Identity),
      ),
      ifModifiedSince: held?.validAfter,
      diffFrom: request.diff ? held?.signedDigest : undefined,
      limit: LIMITS.consensus,
    },
    timing,
  );
  const text = held !== undefined && isConsensusDiff(body) ? yield* applied(url, held.text, body) : body;
  const unverified = yield* read(url, () => parseConsensusSteps(text));
  yield* judge(url, () => checkOffered(unverified, flavor, held?.validAfter));
  return { url, unverified, text, signedDigest: yield* digestForDiffs(text) };
});

/** The consensus that a diff makes of the one that is held. */
const applied = (url: string, base: Buffer, diff: Buffer): Effect.Effect<Buffer, DirectoryFetchError, DocumentWorker> =>
  Effect.gen(function* () {
    const worker = yield* DocumentWorker;
    const text = yield* Effect.mapError(worker.applyDiff(base, diff), (error) =>
      error instanceof ConsensusDiffError
        ? judgement(url)(error)
        : new DirectoryFetchError({ url, problem: "not-applied", detail: error.message, cause: error }),
    );
    yield* Effect.logDebug(`a diff of ${diff.length} bytes makes a consensus of ${text.length}`);
    if (text.length <= LIMITS.consensus) return text;
    const detail = `becomes a consensus of ${text.length} bytes`;
    return yield* new DirectoryFetchError({ url, problem: "too-large", detail });
  });
