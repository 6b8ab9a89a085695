import {
  ConsensusDiffError,
  type ConsensusFlavor,
  type Fingerprint,
  isConsensusDiff,
  parseConsensusSteps,
  type UnixMillis,
  type UnverifiedConsensus,
  VerificationError,
} from "@allium/netdoc";
import { Effect } from "effect";
import { DirectoryFetchError } from "../errors.ts";
import type { DirectoryResponse } from "../http/client.ts";
import type { DirectorySource } from "../sources/source.ts";
import { DocumentWorker } from "../worker/document-worker.ts";
import { type AskContext, ask } from "./ask.ts";
import { judge, judgement, NothingNewer, read } from "./judge.ts";
import { consensusPath, LIMITS } from "./resources.ts";

/** A consensus that was read, and whose signatures are to be checked when the certificates are there. */
export interface OfferedConsensus {
  readonly unverified: UnverifiedConsensus;
  readonly text: Buffer;
}

/** What is asked for, and what is there already. */
export interface ConsensusRequest {
  readonly flavor: ConsensusFlavor;
  /** The identities of the authorities whose signatures count. */
  readonly trusted: ReadonlyArray<Fingerprint>;
  /** The newest that is held. Its name in diffs is found out, unless it is known. */
  readonly held:
    | { readonly text: Buffer; readonly validAfter: UnixMillis; readonly signedDigest?: string | undefined }
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

/**
 * The name of a consensus in diffs. Without it all goes on, but for diffs. It takes a thread, so whoever neither asks for a diff nor
 * serves any does without.
 */
export const digestForDiffs = (text: Buffer): Effect.Effect<string | undefined, never, DocumentWorker> =>
  Effect.flatMap(DocumentWorker, (worker) => worker.signedDigest(text)).pipe(
    Effect.catch((error) => Effect.as(Effect.logInfo(`no diffs from this consensus: ${error.message}`), undefined)),
  );

/** A consensus of which is known where it came from. */
export type DownloadedConsensus = OfferedConsensus & { readonly url: string };

/**
 * Fetches a consensus, or a diff and makes one of that, reads it, and has it judged.
 *
 * @param accept checks its signatures and its times, and takes it. What it fails with is the directory's failure
 */
export const downloadConsensus = <A, R>(
  context: AskContext,
  request: ConsensusRequest,
  source: DirectorySource,
  accept: (offered: DownloadedConsensus) => Effect.Effect<A, DirectoryFetchError, R>,
): Effect.Effect<A, DirectoryFetchError, R | DocumentWorker> => {
  const { flavor, trusted, held, diff } = request;
  return Effect.gen(function* () {
    const asked = {
      what: "consensus",
      path: consensusPath(flavor, trusted),
      ifModifiedSince: held?.validAfter,
      diffFrom: diff && held !== undefined ? (held.signedDigest ?? (yield* digestForDiffs(held.text))) : undefined,
      limit: LIMITS.consensus,
    } as const;
    return yield* ask(context, source, asked, (response) =>
      Effect.gen(function* () {
        const offered = yield* offeredBy(response, request);
        return { value: yield* accept(offered), outcome: { _tag: "Answered" } };
      }),
    );
  });
};

/** The consensus that is in an answer. */
const offeredBy = Effect.fnUntraced(function* (
  { url, body }: DirectoryResponse,
  { flavor, held }: ConsensusRequest,
): Effect.fn.Return<DownloadedConsensus, DirectoryFetchError, DocumentWorker> {
  const text = held !== undefined && isConsensusDiff(body) ? yield* applied(url, held.text, body) : body;
  const unverified = yield* read(url, () => parseConsensusSteps(text));
  yield* judge(url, () => checkOffered(unverified, flavor, held?.validAfter));
  return { url, unverified, text };
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
