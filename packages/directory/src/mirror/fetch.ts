import type { Entropy, Transport } from "@allium/channel";
import {
  type ConsensusTrust,
  parseSignedExtraInfosSteps,
  parseSignedRoutersSteps,
  type UnixMillis,
} from "@allium/netdoc";
import { Clock, Effect } from "effect";
import type { Authority } from "../authorities.ts";
import { fetchBatches } from "../download/batches.ts";
import { downloadConsensus } from "../download/consensus.ts";
import { judge, read, reportRejected } from "../download/get.ts";
import { DESCRIPTORS_PER_REQUEST, descriptorsPath, LIMITS } from "../download/resources.ts";
import type { DirectoryFetchError } from "../errors.ts";
import type { DirectoryTiming } from "../timing.ts";
import type { DocumentWorker } from "../worker/document-worker.ts";
import type { DescriptorStore } from "./descriptor-store.ts";
import type { VerifiedConsensus } from "./mirror-files.ts";
import type { ServedConsensus } from "./served-consensus.ts";

/** What the fetches of a mirror need to know. */
export interface MirrorFetchContext {
  readonly authorities: ReadonlyArray<Authority>;
  readonly timing: DirectoryTiming;
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
  { authorities, timing }: MirrorFetchContext,
  authority: Authority,
  held: ServedConsensus | undefined,
  diff: boolean,
  trust: (now: UnixMillis) => ConsensusTrust,
): Effect.fn.Return<VerifiedConsensus, DirectoryFetchError, Transport | DocumentWorker> {
  const offered = yield* downloadConsensus(
    {
      flavor: "ns",
      authorities,
      timing,
      held:
        held === undefined
          ? undefined
          : { text: held.text, signedDigest: held.signedDigest, validAfter: held.lifetime.validAfter },
      diff,
    },
    authority,
  );
  const now = yield* Clock.currentTimeMillis;
  const consensus = yield* judge(offered.url, () => {
    const verified = offered.unverified.verify(trust(now));
    verified.checkUsable(now);
    return verified;
  });
  return { consensus, offered };
});

/**
 * Fetches the descriptors that are missing.
 *
 * @param listed when the consensus that lists them became valid
 * @returns how many came
 */
export const fetchRouters = Effect.fn("directory.fetchRouters")(function* (
  { authorities, timing, store }: MirrorFetchContext,
  listed: UnixMillis,
): Effect.fn.Return<number, never, Transport | Entropy> {
  let taken = 0;
  yield* fetchBatches({
    what: "router descriptors",
    authorities,
    timing,
    digests: store.missingRouters(),
    size: DESCRIPTORS_PER_REQUEST,
    path: (digests) => descriptorsPath("server", digests),
    limit: LIMITS.descriptors,
    accept: ({ url, body }, digests) =>
      Effect.gen(function* () {
        const { documents, rejected } = yield* read(url, () => parseSignedRoutersSteps(body));
        taken += store.acceptRouters(documents, new Set(digests), listed);
        yield* reportRejected(url, rejected);
      }),
  });
  return taken;
});

/** Fetches the extra-info documents that are missing; answers with how many came. */
export const fetchExtraInfos = Effect.fn("directory.fetchExtraInfos")(function* ({
  authorities,
  timing,
  store,
}: MirrorFetchContext): Effect.fn.Return<number, never, Transport | Entropy> {
  let taken = 0;
  yield* fetchBatches({
    what: "extra-info documents",
    authorities,
    timing,
    digests: store.missingExtraInfos(),
    size: DESCRIPTORS_PER_REQUEST,
    path: (digests) => descriptorsPath("extra", digests),
    limit: LIMITS.descriptors,
    accept: ({ url, body }, digests) =>
      Effect.gen(function* () {
        const { documents, rejected } = yield* read(url, () => parseSignedExtraInfosSteps(body));
        const { count, refused } = store.acceptExtraInfos(documents, new Set(digests));
        taken += count;
        yield* reportRejected(url, [...rejected, ...refused.map((error) => ({ error }))]);
      }),
  });
  return taken;
});
