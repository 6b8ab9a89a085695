import { CELL_BODY_LEN, CellError, DestroyReason, HandshakeType } from "@allium/cell";
import { type ChannelCircuit, ChannelManager, type CreateRequest, Entropy } from "@allium/channel";
import { HandshakeError, type HandshakeServerKeys, relayCrypto } from "@allium/crypto";
import {
  type ReactorGroup as Group,
  type GroupCause,
  Memory,
  type MemoryAccount,
  ReactorGroup,
  Signal,
} from "@allium/kernel";
import { Clock, Context, Effect, Layer, Scope } from "effect";
import { CIRCUITS, type CircuitContext, type CircuitLimits, DEFAULT_CIRCUIT_LIMITS } from "../circuit-context.ts";
import type { CongestionParams, CongestionView } from "../congestion/index.ts";
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
import type { ExtendPolicy } from "./extend.ts";
import { relayHandler } from "./handler.ts";
import { type Answered, answerCreate, UnknownHandshake } from "./handshake.ts";

/** What the circuits of a relay are configured with; each function is asked when it is needed, so that values may change. */
export interface RelayCircuitsConfig {
  readonly keys: () => HandshakeServerKeys;
  readonly congestion: () => CongestionParams;
  readonly extendPolicy: () => ExtendPolicy;
  readonly limits?: Partial<CircuitLimits>;
  /** Told of each circuit's end, for logs and metrics. It must not block. */
  readonly onEnd?: (circuit: RelayCircuit, end: CircuitEnd) => void;
  /** Told of a refused CREATE. */
  readonly onRefused?: (reason: "handshake" | "unknownHandshake") => void;
}

/** A handle on one circuit of the relay. */
export interface RelayCircuit {
  readonly id: number;
  readonly name: string;
  /** Milliseconds of the clock. */
  readonly createdAt: number;
  readonly near: ChannelCircuit;
  readonly far: FarSide;
  /** The stream paths of the circuit, to look at. */
  readonly paths: StreamPaths;
  /** Whether streams have been opened on it. */
  readonly hasStreams: () => boolean;
  /** The congestion control of what this relay sends towards the client, to look at. */
  readonly congestion: CongestionView;
  /** What the circuit holds now. Walks over its streams. */
  readonly memory: () => CircuitMemory;
  /** Ends the circuit. */
  readonly stop: (reason: CircuitStop) => void;
}

/** Why a circuit ended. */
export interface CircuitEnd {
  /** The first thing that happened; see `meaningOf` for what it means for others. */
  readonly cause: GroupCause<CircuitError, CircuitStop>;
}

/** Bytes that wait somewhere in a circuit's buffers. */
export interface CircuitMemory {
  /** In the queues at the channel readers. */
  readonly inboxes: number;
  /** In the queues at the channel writers. */
  readonly outboxes: number;
  /** For the applications of its streams, and from them. */
  readonly streams: number;
  readonly total: number;
}

/** What has happened to the circuits of a relay so far. */
export interface CircuitCounters {
  created: number;
  refused: number;
  ended: number;
  /** Handshakes answered, by their kind. */
  readonly handshakes: Record<HandshakeKind, number>;
}

/** A handshake that a relay answers. */
export type HandshakeKind = "fast" | "ntor" | "ntor_v3";

const kindOf = (message: CreateRequest["message"]): HandshakeKind => {
  if (message._tag === "CREATE_FAST") return "fast";
  return message.handshakeType === HandshakeType.NTOR ? "ntor" : "ntor_v3";
};

/** The circuits of a relay: accepts them from the channels, and ends them with its scope. */
export class RelayCircuits extends Context.Service<
  RelayCircuits,
  {
    /** The circuits that are open now. */
    readonly circuits: () => ReadonlyArray<RelayCircuit>;
    readonly counters: Readonly<CircuitCounters>;
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
  const counters: CircuitCounters = {
    created: 0,
    refused: 0,
    ended: 0,
    handshakes: { fast: 0, ntor: 0, ntor_v3: 0 },
  };
  let nextId = 1;

  const refuse = (request: CreateRequest, cause: unknown): void => {
    counters.refused++;
    if (cause instanceof UnknownHandshake) {
      config.onRefused?.("unknownHandshake");
      return request.refuse(DestroyReason.PROTOCOL);
    }
    if (cause instanceof HandshakeError || cause instanceof CellError) {
      config.onRefused?.("handshake");
      return request.refuse(DestroyReason.PROTOCOL);
    }
    request.refuse(DestroyReason.INTERNAL);
    throw cause;
  };

  const accept = (request: CreateRequest): void => {
    let answered: Answered;
    try {
      answered = answerCreate(request.message, {
        keys: config.keys(),
        congestion: config.congestion(),
        random: entropy.bytes,
      });
    } catch (cause) {
      return refuse(request, cause);
    }
    counters.created++;
    counters.handshakes[kindOf(request.message)]++;
    runFork(Effect.provideService(launch(request, answered), Scope.Scope, scope));
  };

  const launch = Effect.fnUntraced(function* (request: CreateRequest, answered: Answered) {
    const id = nextId++;
    const name = `circuit ${id}`;
    const group: Group<CircuitError, CircuitStop> = yield* ReactorGroup.make<CircuitError, CircuitStop>({ name });
    const signals = { ingress: Signal.make(), egress: Signal.make(), nearRoom: Signal.make(), farRoom: Signal.make() };
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
    const memory: MemoryAccount = quota.open(CIRCUITS, {
      oldest: () => oldestOf(handle),
      reclaim: () => {
        // At once, and not only when the reactors have ended: the bytes are wanted now.
        for (const path of paths.all) path?.drop();
        near.destroy(DestroyReason.RESOURCELIMIT);
        far.close(DestroyReason.RESOURCELIMIT);
        memory.close();
        group.stopUnsafe("memory");
      },
    });
    const near = request.accept({ inbound: signals.ingress, room: signals.nearRoom, onEnd: onEnd("near"), memory });
    near.sendCell(answered.command, answered.payload);
    const crypto = relayCrypto(answered.keys);
    const flow = makeHopFlow(answered.agreed);
    const far = new FarSide();
    const paths = new StreamPaths(signals.egress);
    const { peer, remote } = request.channel;
    const circuit: CircuitContext = {
      name,
      group,
      clock,
      entropy,
      opener: openers.forCircuit({ address: remote.host, peer }),
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
      memory: () => {
        const inboxes = near.inbox.bytes + (far.circuit?.inbox.bytes ?? 0);
        const outboxes = (near.outbox.cells + (far.circuit?.outbox.cells ?? 0)) * CELL_BODY_LEN;
        const streamBytes = paths.get(0)?.heldBytes() ?? 0;
        return { inboxes, outboxes, streams: streamBytes, total: inboxes + outboxes + streamBytes };
      },
      stop: group.stopUnsafe.bind(group),
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
        counters.ended++;
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
      previous: request.channel.peer,
      farSignals: { inbound: signals.egress, room: signals.farRoom, onEnd: onEnd("far"), memory },
    });
    const ingress = makeIngress({
      near,
      signal: signals.ingress,
      crypto: crypto.inbound,
      hops: [flow],
      paths,
      handler,
    });
    const egress = makeEgress({
      near,
      signal: signals.egress,
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

  yield* channels.acceptCircuits(accept);
  return RelayCircuits.of({ circuits: () => [...open], counters });
});

/** The place in line of the oldest bytes that wait in a circuit; `undefined` if none do. Walks over its streams. */
const oldestOf = ({ near, far, paths }: RelayCircuit): number | undefined => {
  let oldest: number | undefined;
  const see = (place: number | undefined): void => {
    if (place !== undefined && (oldest === undefined || place < oldest)) oldest = place;
  };
  for (const side of [near, far.circuit]) {
    see(side?.inbox.oldest());
    see(side?.outbox.oldest());
  }
  for (const path of paths.all) see(path?.oldest());
  return oldest;
};

/** Accepts circuits on all channels, as a relay does. */
export const layer = (
  config: RelayCircuitsConfig,
): Layer.Layer<RelayCircuits, never, ChannelManager | StreamHandling | StreamOpeners | Entropy> =>
  Layer.effect(RelayCircuits, make(config));
