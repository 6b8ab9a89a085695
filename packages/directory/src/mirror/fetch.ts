import {
  type ConsensusTrust,
  type Fingerprint,
  parseSignedExtraInfosSteps,
  parseSignedRoutersSteps,
  type UnixMillis,
} from "@allium/netdoc";
import { Clock, Effect } from "effect";
import type { AskContext } from "../download/ask.ts";
import { fetchBatches } from "../download/batches.ts";
import { digestForDiffs, downloadConsensus } from "../download/consensus.ts";
import { judge, read, sift } from "../download/judge.ts";
import { DESCRIPTORS_PER_REQUEST, descriptorsPath, LIMITS } from "../download/resources.ts";
import type { DirectoryFetchError } from "../errors.ts";
import type { DirectorySource, DirectorySources } from "../sources/source.ts";
import type { DocumentWorker } from "../worker/document-worker.ts";
import type { DescriptorStore } from "./descriptor-store.ts";
import type { VerifiedConsensus } from "./mirror-files.ts";
import type { ServedConsensus } from "./served-consensus.ts";

/** What the fetches of a mirror need to know. */
export interface MirrorFetchContext extends AskContext {
  /** The identities of the authorities whose signatures count. */
  readonly trusted: ReadonlyArray<Fingerprint>;
  readonly store: DescriptorStore;
}

/**
 * Fetches the consensus of flavour `ns` and checks it.
 *
 * @param held the one that is there
 * @param diff whether a diff from it would do
 * @param trust whom to believe, at a time
 */
export const fetchNsConsensus = Effect.fn("directory.fetchNsConsensus")(function* (
  context: MirrorFetchContext,
  source: DirectorySource,
  held: ServedConsensus | undefined,
  diff: boolean,
  trust: (now: UnixMillis) => ConsensusTrust,
): Effect.fn.Return<VerifiedConsensus, DirectoryFetchError, DocumentWorker> {
  const request = {
    flavor: "ns",
    trusted: context.trusted,
    held:
      held === undefined
        ? undefined
        : { text: held.text, signedDigest: held.signedDigest, validAfter: held.lifetime.validAfter },
    diff,
  } as const;
  const verified = yield* downloadConsensus(context, request, source, (offered) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      judge(offered.url, () => {
        const consensus = offered.unverified.verify(trust(now));
        consensus.checkUsable(now);
        return { consensus, offered };
      }),
    ),
  );
  return { ...verified, signedDigest: yield* digestForDiffs(verified.offered.text) };
});

/**
 * Fetches the descriptors that are missing.
 *
 * @param listed when the consensus that lists them became valid
 * @returns how many came
 */
export const fetchRouters = Effect.fn("directory.fetchRouters")(function* (
  context: MirrorFetchContext,
  listed: UnixMillis,
): Effect.fn.Return<number, never, DirectorySources> {
  const { store } = context;
  let taken = 0;
  yield* fetchBatches(context, {
    what: "descriptors",
    name: "router descriptors",
    digests: store.missingRouters(),
    size: DESCRIPTORS_PER_REQUEST,
    path: (digests) => descriptorsPath("server", digests),
    limit: LIMITS.descriptors,
    accept: ({ url, body }, digests) =>
      Effect.gen(function* () {
        const { documents, rejected } = yield* read(url, () => parseSignedRoutersSteps(body));
        taken += store.acceptRouters(documents, new Set(digests), listed);
        return yield* sift(url, { asked: digests, came: documents.map(({ digest }) => digest), rejected });
      }),
  });
  return taken;
});

/** Fetches the extra-info documents that are missing; answers with how many came. */
export const fetchExtraInfos = Effect.fn("directory.fetchExtraInfos")(function* (
  context: MirrorFetchContext,
): Effect.fn.Return<number, never, DirectorySources> {
  const { store } = context;
  let taken = 0;
  yield* fetchBatches(context, {
    what: "descriptors",
    name: "extra-info documents",
    digests: store.missingExtraInfos(),
    size: DESCRIPTORS_PER_REQUEST,
    path: (digests) => descriptorsPath("extra", digests),
    limit: LIMITS.descriptors,
    accept: ({ url, body }, digests) =>
      Effect.gen(function* () {
        const { documents, rejected } = yield* read(url, () => parseSignedExtraInfosSteps(body));
        const { count, refused } = store.acceptExtraInfos(documents, new Set(digests));
        taken += count;
        return yield* sift(url, {
          asked: digests,
          came: documents.map(({ digest }) => digest),
          rejected: [...rejected, ...refused.map((error) => ({ error }))],
        });
      }),
  });
  return taken;
});
