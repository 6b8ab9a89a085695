import type { ChannelManager } from "@allium/channel";
import type { RelayCircuits } from "@allium/circuit";
import { Clock, Duration, Effect } from "effect";
import type { DefenceCounts, Defences } from "./defence/index.ts";
import type { CircuitParams } from "./params.ts";
import type { TrafficMeter } from "./traffic.ts";

/** How often a relay says that it is alive, as `tor`'s HeartbeatPeriod. */
const HEARTBEAT_PERIOD: Duration.Input = "6 hours";

/**
 * The background task that closes circuits that end here, carry nothing, and are old. One task for all of them: a timer for
 * each circuit would cost more than the circuits.
 */
export const expireIdleCircuits = (circuits: RelayCircuits["Service"], params: CircuitParams): Effect.Effect<never> =>
  Effect.gen(function* () {
    for (;;) {
      yield* Effect.sleep(Duration.millis(params.sweepMillis));
      const now = yield* Clock.currentTimeMillis;
      for (const circuit of circuits.circuits()) {
        const idle = circuit.far.state === "none" && !circuit.hasStreams();
        if (idle && now - circuit.createdAt >= params.idleOneHopMillis) circuit.stop("idle");
      }
    }
  });

/** The background task that logs, now and then, how the relay is. */
export const heartbeat = (relay: {
  readonly circuits: RelayCircuits["Service"];
  readonly channels: ChannelManager["Service"];
  readonly traffic: TrafficMeter;
  readonly defences: Pick<Defences, "quota" | "counts">;
  readonly startedAt: number;
}): Effect.Effect<never> =>
  Effect.gen(function* () {
    for (;;) {
      yield* Effect.sleep(HEARTBEAT_PERIOD);
      const now = yield* Clock.currentTimeMillis;
      const { read, written } = relay.traffic.totals;
      yield* Effect.logInfo("heartbeat").pipe(
        Effect.annotateLogs({
          uptime: Duration.format(Duration.seconds(Math.floor((now - relay.startedAt) / 1000))),
          circuits: relay.circuits.circuits().length,
          channels: relay.channels.channels().length,
          readBytes: read,
          writtenBytes: written,
          waitingBytes: relay.defences.quota.used,
          ...defenceLine(relay.defences.counts()),
        }),
      );
    }
  });

/** What the defences have done so far, for the heartbeat; nothing of those that had nothing to do. */
const defenceLine = ({ dos, overruns, bounds, endedForMemory }: DefenceCounts): Readonly<Record<string, number>> => {
  const all = {
    ...dos,
    circuitsOverrun: overruns.near + overruns.far,
    circuitsEndedForMemory: endedForMemory,
    ...Object.fromEntries(bounds),
  };
  return Object.fromEntries(Object.entries(all).filter(([, count]) => count > 0));
};
