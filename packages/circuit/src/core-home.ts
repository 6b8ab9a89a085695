import { Entropy } from "@allium/channel";
import { type GroupHost, ReactorGroup } from "@allium/kernel";
import { Clock, Effect, Option } from "effect";
import { type CircuitLimits, DEFAULT_CIRCUIT_LIMITS } from "./circuit-context.ts";
import { Conflux } from "./conflux.ts";
import type { CongestionParams } from "./congestion/index.ts";
import { EndWatch } from "./end-watch.ts";
import { StreamHandling } from "./stream-path.ts";

/** What all circuits of a process stand on, whichever side they are of. */
export interface CoreHome {
  readonly groups: GroupHost;
  readonly clock: Clock.Clock;
  readonly entropy: Entropy["Service"];
  readonly streams: StreamHandling["Service"];
  readonly limits: CircuitLimits;
  readonly endWatch: EndWatch;
  /** Who links circuits, if anybody does. */
  readonly conflux: Conflux["Service"] | undefined;
  readonly congestion: () => CongestionParams;
}

/** Makes it, until the scope closes, which ends all circuits. */
export const makeCoreHome = Effect.fnUntraced(function* (config: {
  readonly congestion: () => CongestionParams;
  readonly limits?: Partial<CircuitLimits>;
}) {
  const clock = yield* Clock.Clock;
  const groups = yield* ReactorGroup.host;
  const endWatch = new EndWatch(clock);
  yield* Effect.forkScoped(endWatch.run);
  const home: CoreHome = {
    groups,
    clock,
    entropy: yield* Entropy,
    streams: yield* StreamHandling,
    limits: { ...DEFAULT_CIRCUIT_LIMITS, ...config.limits },
    endWatch,
    conflux: Option.getOrUndefined(yield* Effect.serviceOption(Conflux)),
    congestion: config.congestion,
  };
  return home;
});
