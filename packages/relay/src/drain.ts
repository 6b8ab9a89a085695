import { DestroyReason } from "@allium/cell";
import type { ChannelManager } from "@allium/channel";
import type { RelayCircuits } from "@allium/circuit";
import type { Signal } from "@allium/kernel";
import { type Duration, Effect, Exit, Scope } from "effect";

/** What has to do with a relay's slow end. */
export interface DrainContext {
  readonly channels: Pick<ChannelManager["Service"], "acceptCircuits">;
  readonly circuits: Pick<RelayCircuits["Service"], "circuits">;
  /** Notified at the end of each circuit. */
  readonly circuitEnded: Signal;
  /** Closing it closes the ORPort. */
  readonly listening: Scope.Closeable;
  /** New streams are refused from then on. */
  readonly refuseStreams: () => void;
}

/**
 * The first half of an end that breaks nobody's transfers, as `tor`'s after SIGINT: no new connections, circuits (DESTROY with
 * HIBERNATING) and streams (END with HIBERNATING), while those that are there go on. Returns when the last circuit has ended, or
 * after `wait`. The relay's scope does the rest.
 */
export const drain = (context: DrainContext, wait: Duration.Duration): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { channels, circuits, circuitEnded, listening, refuseStreams } = context;
    refuseStreams();
    yield* channels.acceptCircuits((request) => request.refuse(DestroyReason.HIBERNATING));
    yield* Scope.close(listening, Exit.void);
    const none = Effect.gen(function* () {
      while (circuits.circuits().length > 0) yield* circuitEnded.wait;
    });
    yield* Effect.raceFirst(none, Effect.sleep(wait));
  });
