import { Memory, type MemoryAccount, type MemoryKind, MemoryQuota, type Reclamation } from "@allium/kernel";
import { Effect } from "effect";

const UPLOADS: MemoryKind = { name: "uploads", policy: "queue" };

/** Chunks that wait for a slow reader. Owner: whoever reads it. Bound: the process's memory. When full: the oldest is dropped. */
export class Upload {
  readonly #memory: MemoryAccount;
  #waiting: Array<{ readonly chunk: Uint8Array; readonly place: number }> = [];

  constructor(quota: MemoryQuota) {
    this.#memory = quota.open(UPLOADS, {
      oldest: () => this.#waiting[0]?.place,
      reclaim: () => this.drop(),
    });
  }

  push(chunk: Uint8Array): void {
    this.#waiting.push({ chunk, place: this.#memory.adjust(chunk.length) });
  }

  shift(): Uint8Array | undefined {
    const chunk = this.#waiting.shift()?.chunk;
    if (chunk !== undefined) this.#memory.adjust(-chunk.length);
    return chunk;
  }

  /** The end, with all that waits: whoever has it is told elsewhere. */
  drop(): void {
    this.#waiting = [];
    this.#memory.close();
  }

  get bytes(): number {
    return this.#memory.bytes;
  }
}

export const shortOfMemory = Effect.gen(function* () {
  const quota = new MemoryQuota({ limit: 1000 });
  const reclaimed: Array<Reclamation> = [];
  yield* Effect.forkChild(Memory.keepWithin(quota, (reclamation) => reclaimed.push(reclamation)));
  const [stalled, busy] = [new Upload(quota), new Upload(quota)];
  stalled.push(new Uint8Array(100));
  for (let round = 0; round < 10; round++) {
    busy.push(new Uint8Array(500));
    busy.shift();
  }
  busy.push(new Uint8Array(500));
  stalled.push(new Uint8Array(450)); // 1050 bytes
  yield* Effect.sleep(0);
  return {
    stalled: stalled.bytes, // 0: its first chunk had waited since before all that is there
    busy: busy.bytes, // 500
    freed: reclaimed.map(({ before, after }) => before - after), // [550]
  };
});
