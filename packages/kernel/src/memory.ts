import { Context, Effect } from "effect";
import { type MemoryKind, MemoryQuota } from "./memory-quota.ts";

/** What was done about one shortage. */
export interface Reclamation {
  /** Bytes that were charged before. */
  readonly before: number;
  /** Bytes that are charged now. */
  readonly after: number;
  /** Who had to let go: holders and bytes by kind. */
  readonly kinds: ReadonlyMap<MemoryKind, { readonly holders: number; readonly bytes: number }>;
}

/** The quota in use. By default one for the process, without a limit. */
const Quota = Context.Reference<MemoryQuota>("allium/kernel/Memory", { defaultValue: () => new MemoryQuota() });

/**
 * The background task that reclaims memory as soon as there is too little. Until its turn comes the limit may be passed: by what
 * comes in one turn of the event loop.
 *
 * @param onReclaimed told of each time, after it. It must not block.
 */
const keepWithin = (quota: MemoryQuota, onReclaimed: (reclamation: Reclamation) => void): Effect.Effect<never> =>
  Effect.gen(function* () {
    for (;;) {
      yield* quota.shortage.wait;
      const before = quota.used;
      const kinds = new Map<MemoryKind, { holders: number; bytes: number }>();
      let steps = 0;
      for (const { kind, bytes } of quota.reclaim()) {
        const sum = kinds.get(kind) ?? { holders: 0, bytes: 0 };
        kinds.set(kind, { holders: sum.holders + 1, bytes: sum.bytes + bytes });
        if (++steps % STEPS_PER_TURN === 0) yield* Effect.yieldNow;
      }
      if (steps > 0) onReclaimed({ before, after: quota.used, kinds });
    }
  });

/** Memory for what waits: who holds how much of it, and what happens when it runs out. */
export const Memory = {
  /** The service itself, for whatever holds bytes and for `Effect.provideService`. */
  Quota,
  keepWithin,
};

/** Holders that let go before others have a turn: ending a circuit takes tens of microseconds. */
const STEPS_PER_TURN = 16;
