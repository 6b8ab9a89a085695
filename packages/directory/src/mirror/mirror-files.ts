import {
  type Consensus,
  type ConsensusTrust,
  parseConsensusSteps,
  parseSignedExtraInfosSteps,
  parseSignedRoutersSteps,
} from "@allium/netdoc";
import { Effect, type FileSystem } from "effect";
import { CacheFile } from "../cache/cache-file.ts";
import { formatStored, readStored } from "../cache/last-listed.ts";
import { checkOffered, digestForDiffs, type OfferedConsensus } from "../download/consensus.ts";
import { REASONABLY_LIVE_MILLIS } from "../download/holdings.ts";
import { LIMITS } from "../download/resources.ts";
import type { DocumentWorker } from "../worker/document-worker.ts";
import type { DescriptorStore } from "./descriptor-store.ts";
import { MAX_DESCRIPTOR_BYTES } from "./limits.ts";

/** A consensus whose signatures were checked, with what came of reading it. */
export interface VerifiedConsensus {
  readonly consensus: Consensus;
  readonly offered: OfferedConsensus;
  /** Its name in diffs; undefined if that could not be found out. */
  readonly signedDigest: string | undefined;
}

/**
 * What a mirror has, on disk. What is read is checked as if it had just been fetched. The files are named as tor names its own.
 */
export class MirrorFiles {
  readonly #consensus: CacheFile;
  readonly #routers: CacheFile;
  readonly #extraInfos: CacheFile;

  constructor(directory: string) {
    this.#consensus = new CacheFile(`${directory}/cached-consensus`, LIMITS.consensus);
    this.#routers = new CacheFile(`${directory}/cached-descriptors`, 2 * MAX_DESCRIPTOR_BYTES);
    this.#extraInfos = new CacheFile(`${directory}/cached-extrainfo`, 2 * MAX_DESCRIPTOR_BYTES);
  }

  /** The `ns` consensus, if it is still good. */
  loadConsensus(
    trust: ConsensusTrust,
  ): Effect.Effect<VerifiedConsensus | undefined, never, FileSystem.FileSystem | DocumentWorker> {
    let loaded: VerifiedConsensus | undefined;
    const file = this.#consensus;
    const accept = Effect.fnUntraced(function* (text: Buffer) {
      const unverified = yield* file.read(() => parseConsensusSteps(text));
      const consensus = yield* file.judge(() => {
        checkOffered(unverified, "ns", undefined);
        const verified = unverified.verify(trust);
        verified.checkUsable(trust.now, REASONABLY_LIVE_MILLIS);
        return verified;
      });
      loaded = { consensus, offered: { unverified, text }, signedDigest: yield* digestForDiffs(text) };
    });
    return Effect.map(file.load(accept), () => loaded);
  }

  /** Takes over descriptors that are still good. */
  loadDescriptors(store: DescriptorStore, now: number): Effect.Effect<void, never, FileSystem.FileSystem> {
    const [routers, extraInfos] = [this.#routers, this.#extraInfos];
    return Effect.gen(function* () {
      yield* routers.load((text) =>
        Effect.gen(function* () {
          const { documents, rejected } = yield* routers.read(() => parseSignedRoutersSteps(text));
          store.restoreRouters(readStored(text, documents), now);
          yield* routers.reject(rejected);
        }),
      );
      yield* extraInfos.load((text) =>
        Effect.gen(function* () {
          const { documents, rejected } = yield* extraInfos.read(() => parseSignedExtraInfosSteps(text));
          store.acceptExtraInfos(documents, new Set(documents.map(({ digest }) => digest)));
          yield* extraInfos.reject(rejected);
        }),
      );
    });
  }

  /** Stores the `ns` consensus. */
  saveConsensus(text: Buffer): Effect.Effect<void, never, FileSystem.FileSystem> {
    return Effect.asVoid(this.#consensus.save([text]));
  }

  /** Stores router descriptors. */
  saveRouters(store: DescriptorStore): Effect.Effect<void, never, FileSystem.FileSystem> {
    return Effect.asVoid(this.#routers.save(formatStored(store.storedRouters())));
  }

  /** Stores extra-info documents. */
  saveExtraInfos(store: DescriptorStore): Effect.Effect<void, never, FileSystem.FileSystem> {
    return Effect.asVoid(this.#extraInfos.save(store.extraInfos().map(({ bytes }) => bytes)));
  }
}
