import { DestroyReason } from "@allium/cell";
import { ChannelManager, type CreateRequest, Entropy } from "@allium/channel";
import { type HandshakeServerKeys, relayCrypto } from "@allium/crypto";
import { type ReactorGroup as Group, Memory, ReactorGroup, Signal } from "@allium/kernel";
import { Clock, Context, Effect, FiberSet, Layer, Scope } from "effect";
import { type CircuitContext, type CircuitLimits, DEFAULT_CIRCUIT_LIMITS } from "../circuit-context.ts";
import type { CongestionParams } from "../congestion/index.ts";
import { makeEgress } from "../egress.ts";
import { type CircuitError, type CircuitStop, errorOfEnd, meaningOf } from "../errors.ts";
import { FarSide } from "../far-side.ts";
import { makeHopFlow } from "../hop.ts";
import { makeIngress } from "../ingress.ts";
import type { EgressCommand } from "../messages.ts";
import { randomPoolOf } from "../random-pool.ts";
import { StreamHandling, StreamPaths } from "../stream-path.ts";
import { StreamOpeners } from "../streams/opener.ts";
import { FORCED_TEARDOWN_DELAY } from "../timeouts.ts";
import type { AskedCircuit } from "./asked-circuit.ts";
import {
  CircuitAcceptor,
  type CircuitAcceptorOptions,
  type CircuitRefusal,
  type HandshakeKind,
} from "./circuit-acceptor.ts";
import type { ExtendPolicy } from "./extend.ts";
import { relayHandler } from "./handler.ts";
import type { Answered } from "./handshake.ts";
import { Handshakes } from "./handshake-service.ts";
import { type CircuitEnd, memoryOf, oldestOf, type RelayCircuit } from "./relay-circuit.ts";

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
  const streams = yield* StreamHandling;
  const openers = yield* StreamOpeners;
  const entropy = yield* Entropy;
  const clock = yield* Clock.Clock;
  const quota = yield* Memory.Quota;
  const scope = yield* Effect.scope;
  const context = yield* Effect.context<never>();
  const runFork = Effect.runForkWith(context);
  const limits = { ...DEFAULT_CIRCUIT_LIMITS, ...config.limits };
  const open = new Set<RelayCircuit>();
  const fork = yield* FiberSet.makeRuntime<never>();
  let created = 0;
  let ended = 0;

  const launch = Effect.fnUntraced(function* (asked: AskedCircuit, answered: Answered) {
    const { near, memory } = asked;
    const { channel } = asked.request;
    const id = ++created;
    const name = `circuit ${id}`;
    const group: Group<CircuitError, CircuitStop> = yield* ReactorGroup.make<CircuitError, CircuitStop>({ name });
    const egressSignal = Signal.make();
    // A reactor that is blocked elsewhere does not see the end of its inbox: then the circuit is ended from here.
    const onEnd = (side: "near" | "far") => (): void => {
      const force = Effect.sync(() => {
        const inbox = (side === "near" ? near : far.circuit)?.inbox;
        inbox?.clear();
        const end = inbox?.ended();
        if (end !== undefined) group.stopUnsafe(errorOfEnd(side, end));
      });
      runFork(Effect.forkIn(Effect.andThen(Effect.sleep(FORCED_TEARDOWN_DELAY), force), group.scope));
    };
    near.sendCell(answered.command, answered.payload);
    const crypto = relayCrypto(answered.keys);
    const flow = makeHopFlow(answered.agreed);
    const far = new FarSide();
    const paths = new StreamPaths(egressSignal);
    const circuit: CircuitContext = {
      name,
      group,
      clock,
      entropy,
      opener: openers.forCircuit({ address: channel.remote.host, peer: channel.peer }),
      limits,
      memory,
    };
    const handle: RelayCircuit = {
      id,
      name,
      createdAt: clock.currentTimeMillisUnsafe(),
      near,
      far,
      paths,
      hasStreams: () => paths.state(0) !== "empty",
      congestion: flow.view,
      memory: () => memoryOf(handle),
      stop: group.stopUnsafe.bind(group),
    };
    asked.owner = {
      onEnd: onEnd("near"),
      oldest: () => oldestOf(handle),
      reclaim: () => {
        // At once, and not only when the reactors have ended: the bytes are wanted now.
        for (const path of paths.all) path?.drop();
        near.destroy(DestroyReason.RESOURCELIMIT);
        far.close(DestroyReason.RESOURCELIMIT);
        memory.close();
        group.stopUnsafe("memory");
      },
    };
    open.add(handle);
    yield* Scope.addFinalizer(
      group.scope,
      Effect.sync(() => {
        const cause: CircuitEnd["cause"] = group.cause ?? { _tag: "Stopped", reason: "finished" };
        const { destroyReason } = meaningOf(cause);
        near.destroy(destroyReason);
        far.close(destroyReason);
        memory.close();
        open.delete(handle);
        ended++;
        config.onEnd?.(handle, { cause });
      }),
    );
    const link = group.link<EgressCommand>("ingress → egress");
    const handler = relayHandler({
      circuit,
      crypto: crypto.inbound,
      flow,
      paths,
      far,
      commands: link.writer,
      channels,
      streams,
      policy: config.extendPolicy(),
      previous: channel.peer,
      farSignals: { inbound: egressSignal, room: Signal.make(), onEnd: onEnd("far"), memory },
    });
    const ingress = makeIngress({
      near,
      signal: asked.inbound,
      crypto: crypto.inbound,
      hops: [flow],
      paths,
      handler,
    });
    const egress = makeEgress({
      near,
      signal: egressSignal,
      crypto: crypto.outbound,
      hops: [flow],
      paths,
      clock,
      far,
      congestion: config.congestion(),
      padding: randomPoolOf(entropy).fill,
    });
    yield* Effect.ignore(group.start(egress.wire({ commands: link.reader })));
    yield* Effect.ignore(group.start(ingress.wire({ commands: link.writer })));
  });

  const acceptor = new CircuitAcceptor({
    service: yield* Handshakes,
    queue: config.handshakes ?? DEFAULT_HANDSHAKE_LIMITS,
    quota,
    clock,
    admit: config.admit ?? (() => true),
    createOptions: () => ({ keys: config.keys(), congestion: config.congestion(), random: entropy.bytes }),
    // Not to be given up in between: nobody else knows of the circuit yet.
    launch: (asked, answered) =>
      Effect.uninterruptible(Effect.provideService(launch(asked, answered), Scope.Scope, scope)),
    fork,
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
