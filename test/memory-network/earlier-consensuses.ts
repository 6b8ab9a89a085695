import type { ConsensusFlavor } from "@allium/netdoc";
import { Effect } from "effect";
import { ConsensusArchive } from "../../packages/directory/src/mirror/archive.ts";

/** Earlier consensuses, kept in memory, where the cache of a relay has them on disk and packed: that takes real time. */
export class EarlierConsensuses extends ConsensusArchive {
  private readonly texts = new Map<string, Buffer>();

  constructor() {
    super("nowhere");
  }

  /** Keeps one, so that diffs from it can be made. */
  keep(digest: string, text: Buffer): void {
    this.texts.set(digest, text);
  }

  override has(flavor: ConsensusFlavor, digest: string): boolean {
    return flavor === "microdesc" && this.texts.has(digest);
  }

  override read(_flavor: ConsensusFlavor, digest: string): Effect.Effect<Buffer | undefined> {
    return Effect.sync(() => this.texts.get(digest));
  }

  override drop(_flavor: ConsensusFlavor, digest: string): Effect.Effect<void> {
    return Effect.sync(() => void this.texts.delete(digest));
  }
}
