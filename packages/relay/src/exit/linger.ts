import type { Connection } from "@allium/channel";
import { Memory, Signal } from "@allium/kernel";
import { Effect, type Scope } from "effect";
import { monotonicMillis } from "../monotonic.ts";
import { LINGER_TICK } from "./limits.ts";
import { type LingerBounds, LingerTable } from "./linger-table.ts";

/** Connections whose streams have ended, until the other side has what was sent to it. */
export interface Lingerers {
  /** Takes a connection over: sends what is pending, then FIN, then destroys it when the other side closes, in bounded time. */
  readonly add: (connection: Connection) => void;
  /** Connections that linger now. */
  readonly size: () => number;
  /** Connections that were destroyed with bytes pending. */
  readonly cut: () => number;
}

/**
 * The one place where ended streams' connections linger. They outlive their circuits: one fiber watches all of them, and the
 * scope's end destroys them.
 */
export const makeLingerers = (bounds: LingerBounds = {}): Effect.Effect<Lingerers, never, Scope.Scope> =>
  Effect.gen(function* () {
    const now = yield* monotonicMillis;
    const table = new LingerTable(bounds, now, yield* Memory.Quota);
    const wake = Signal.make();
    let open = true;
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        open = false;
        table.destroyAll();
      }),
    );
    yield* Effect.forkScoped(
      Effect.gen(function* () {
        for (;;) {
          if (table.size === 0) {
            yield* wake.wait;
            continue;
          }
          yield* Effect.sleep(LINGER_TICK);
          table.expire();
        }
      }),
    );
    return {
      add: (connection) => {
        if (!open || connection.status === "closed") return connection.destroy();
        table.add(connection);
        wake.notify();
      },
      size: () => table.size,
      cut: () => table.cut,
    };
  });
