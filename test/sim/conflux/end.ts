import { type Entropy, layerEntropySeeded } from "@allium/channel";
import {
  type AgreedParams,
  type Conflux,
  type CongestionParams,
  congestionParams,
  type FlowParams,
  flowParams,
  layerSingle,
  layerSplit,
  type StreamHandling,
  type StreamRole,
} from "@allium/circuit";
import { ConfluxManager, type ConfluxSet, confluxParams, layerConflux } from "@allium/conflux";
import { Memory, MemoryQuota, Topology, type TopologyRegistry } from "@allium/kernel";
import { Context, Effect, Layer, type Scope } from "effect";
import { type CoreHome, makeCoreHome } from "../../../packages/circuit/src/core-home.ts";
import type { End, Plan } from "./plan.ts";
import type { World } from "./world.ts";

/** What both ends are made of: a process of its own, with the conflux that programs have. */
export interface Process {
  readonly home: CoreHome;
  readonly manager: ConfluxManager["Service"];
  readonly quota: MemoryQuota;
  readonly registry: TopologyRegistry;
}

/** Makes the process of an end, until the scope closes. */
export const makeProcess = (world: World, end: End, role: StreamRole): Effect.Effect<Process, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { plan, trace } = world;
    const limit = plan.memory[end];
    const quota = new MemoryQuota(limit === undefined ? {} : { limit });
    const registry = Topology.makeUnsafe();
    const limits = {
      maxTrain: plan.maxTrain,
      streamBufferBytes: plan.buffers.stream,
      hopBufferBytes: plan.buffers.hop,
    };
    const base = Layer.merge(
      (plan.split[end] ? layerSplit : layerSingle)({ role, flowParams: () => flowOf(plan) }),
      layerEntropySeeded(`conflux simulation ${plan.seed} ${end}`),
    );
    const conflux = layerConflux({
      params: () => confluxOf(plan),
      desiredUx: () => plan.ux[end],
      resumption: () => plan.resumption[end],
      limits,
    });
    return yield* Effect.gen(function* () {
      const services: Context.Context<ConfluxManager | Conflux | StreamHandling | Entropy> = yield* Layer.build(
        Layer.fresh(Layer.provideMerge(conflux, base)),
      );
      const home = yield* Effect.provide(makeCoreHome({ congestion: () => CONGESTION, limits }), services);
      yield* Effect.forkScoped(
        Memory.keepWithin(quota, ({ before, after }) => trace.note(end, `memory: from ${before} to ${after} bytes`)),
      );
      return { home, manager: Context.get(services, ConfluxManager), quota, registry };
    }).pipe(Effect.provideService(Memory.Quota, quota), Effect.provideService(Topology.Registry, registry));
  });

/** What both ends of a leg have agreed on. */
export const agreedOf = ({ window }: Plan): AgreedParams => ({
  ...CONGESTION.vegas,
  sendmeInc: window.sendmeInc,
  cwndInit: window.init,
  cwndMin: window.min,
  cwndMax: window.max,
});

const CONGESTION: CongestionParams = congestionParams(() => undefined, "exit");

const flowOf = ({ buffers }: Plan): FlowParams => ({
  ...flowParams(() => undefined),
  xoffClientBytes: buffers.xoff,
  xoffExitBytes: buffers.xoff,
});

const confluxOf = ({ switching }: Plan) =>
  confluxParams((name) => {
    if (name === "cfx_send_pct") return switching.sendPct;
    return name === "cfx_drain_pct" ? switching.drainPct : undefined;
  });

/** The set of an end, as long as there is one. */
export const setOf = ({ manager }: Process): ConfluxSet | undefined => manager.sets()[0];
