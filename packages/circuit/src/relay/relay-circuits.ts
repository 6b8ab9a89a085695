import { ChannelManager, type CreateRequest, type Entropy } from "@allium/channel";
import type { HandshakeServerKeys } from "@allium/crypto";
import { Memory } from "@allium/kernel";
import { Context, Effect, Layer, Scheduler } from "effect";
import type { CircuitLimits } from "../circuit-context.ts";
import type { CircuitEnd } from "../circuit-core.ts";
import type { CongestionParams } from "../congestion/index.ts";
import { makeCoreHome } from "../core-home.ts";
import type { StreamHandling } from "../stream-path.ts";
import { StreamOpeners } from "../streams/opener.ts";
import {
  CircuitAcceptor,
  type CircuitAcceptorOptions,
  type CircuitRefusal,
  type HandshakeKind,
} from "./circuit-acceptor.ts";
import type { ExtendPolicy } from "./extend.ts";
import { Handshakes } from "./handshake-service.ts";
import { type CircuitHome, OpenCircuit } from "./open-circuit.ts";
import type { RelayCircuit } from "./relay-circuit.ts";

/** What the circuits of a relay are configured with; each function is asked when it is needed, so that values may change. */
export interface RelayCircuitsConfig {
  readonly keys: () => HandshakeServerKeys;
  readonly congestion: () => CongestionParams;
  readonly extendPolicy: () => ExtendPolicy;
  readonly limits?: Partial<CircuitLimits>;
  /** Told of each circuit's end, for logs and metrics. It must not block. */
  readonly onEnd?: (circuit: RelayCircuit, end: CircuitEnd) => void;
  /** Whether a CREATE is looked at; it must not block. @default all are */
  readonly admit?: (request: CreateRequest) => boolean;
  /**
   * Most circuits of all channels together. A channel may have as many as are left: its further CREATEs are refused with RESOURCELIMIT.
   * @default DEFAULT_MAX_CIRCUITS
   */
  readonly maxCircuits?: () => number;
  /** When CREATEs that wait for their handshake are dropped. @default DEFAULT_HANDSHAKE_LIMITS */
  readonly handshakes?: CircuitAcceptorOptions["queue"];
  /** Told of a refused CREATE. It must not block. */
  readonly onRefused?: (refusal: CircuitRefusal) => void;
}

/** What has happened to the circuits of a relay so far. */
export interface CircuitCounters {
  readonly created: number;
  /** CREATEs that were refused, and why. */
  readonly refused: number;
  readonly refusals: Readonly<Record<CircuitRefusal, number>>;
  readonly ended: number;
  /** DROP cells that were for this relay. */
  readonly drops: number;
  /** Handshakes answered, by their kind. */
  readonly handshakes: Readonly<Record<HandshakeKind, number>>;
  /** Handshakes that nobody had time for, by their kind. */
  readonly dropped: Readonly<Record<HandshakeKind, number>>;
  /** Handshakes that wait now. */
  readonly queued: number;
}

/** When CREATEs that wait are dropped: the defaults of `MaxOnionQueueDelay` and `onion_queue_wait_cutoff`. */
export const DEFAULT_HANDSHAKE_LIMITS: CircuitAcceptorOptions["queue"] = {
  maxDelayMillis: () => 1_750,
  cutoffMillis: () => 5_000,
};

/** Most circuits of all channels together: idle, and all extended, they take less than half a gigabyte. */
export const DEFAULT_MAX_CIRCUITS = 65_536;

/** The circuits of a relay: accepts them from the channels, and ends them with its scope. */
export class RelayCircuits extends Context.Service<
  RelayCircuits,
  {
    /** The circuits that are open now. */
    readonly circuits: () => ReadonlyArray<RelayCircuit>;
    readonly counters: CircuitCounters;
  }
>()("allium/circuit/RelayCircuits") {}

const make = Effect.fnUntraced(function* (config: RelayCircuitsConfig) {
  const channels = yield* ChannelManager;
  const openers = yield* StreamOpeners;
  const quota = yield* Memory.Quota;
  const context = yield* Effect.context<never>();
  const fork = Effect.runForkWith(context);
  const dispatcher = Context.get(context, Scheduler.Scheduler).makeDispatcher();
  const open = new Set<RelayCircuit>();
  let created = 0;
  let ended = 0;
  let drops = 0;
  const core = yield* makeCoreHome(config);
  const { clock, entropy } = core;
  const home: CircuitHome = {
    ...core,
    channels,
    openers,
    extendPolicy: config.extendPolicy,
    fork,
    onDrop: () => {
      drops++;
    },
    onEnd: (circuit, end) => {
      open.delete(circuit);
      ended++;
      config.onEnd?.(circuit, end);
    },
  };

  const acceptor = new CircuitAcceptor({
    service: yield* Handshakes,
    queue: config.handshakes ?? DEFAULT_HANDSHAKE_LIMITS,
    quota,
    clock,
    admit: config.admit ?? (() => true),
    open: () => open.size,
    maxCircuits: config.maxCircuits ?? (() => DEFAULT_MAX_CIRCUITS),
    createOptions: () => ({ keys: config.keys(), congestion: config.congestion(), random: entropy.bytes }),
    launch: (asked, answered) => open.add(new OpenCircuit(home, ++created, asked, answered)),
    fork,
    later: (run) => dispatcher.scheduleTask(run, 0),
    onRefused: (refusal) => config.onRefused?.(refusal),
  });
  // Before the fibers of the handshakes are interrupted.
  yield* Effect.addFinalizer(() => Effect.sync(() => acceptor.close()));
  yield* channels.acceptCircuits((request) => acceptor.accept(request));
  const { refused, answered, dropped } = acceptor.counters;
  return RelayCircuits.of({
    circuits: () => [...open],
    counters: {
      get created() {
        return created;
      },
      get refused() {
        return Object.values(refused).reduce((sum, count) => sum + count, 0);
      },
      refusals: refused,
      get ended() {
        return ended;
      },
      get drops() {
        return drops;
      },
      handshakes: answered,
      dropped,
      get queued() {
        return acceptor.queued;
      },
    },
  });
});

/** Accepts circuits on all channels, as a relay does. */
export const layer = (
  config: RelayCircuitsConfig,
): Layer.Layer<RelayCircuits, never, ChannelManager | StreamHandling | StreamOpeners | Entropy> =>
  Layer.effect(RelayCircuits, make(config));
