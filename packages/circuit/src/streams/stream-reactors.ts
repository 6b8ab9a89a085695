import { EndReason, relayCellV0 } from "@allium/cell";
import { type Link, type LinkReader, type LinkWriter, Reactor, Signal } from "@allium/kernel";
import { Effect, Exit, Layer, type Scope } from "effect";
import type { CircuitContext } from "../circuit-context.ts";
import { microsOfNanos } from "../congestion/index.ts";
import { meaningOf, toCircuitError } from "../errors.ts";
import type { FlowParams, StreamRole } from "../flow/index.ts";
import type { StreamsFlow } from "../hop.ts";
import type { StreamBatch, StreamTrain } from "../messages.ts";
import { randomPoolOf } from "../random-pool.ts";
import { StreamHandling, type StreamPath } from "../stream-path.ts";
import { Alarm } from "./alarm.ts";
import { StreamTable } from "./stream-table.ts";

/** What streams of a process have in common. */
export interface StreamHandlingConfig {
  readonly role: StreamRole;
  readonly flowParams: () => FlowParams;
}

/** The parts that both layouts are made of. */
interface Parts {
  readonly table: StreamTable;
  readonly inlet: Link<StreamTrain>;
  readonly outlet: Link<StreamBatch>;
  /** Wakes the reactor that delivers, and the one that collects; one and the same if one reactor does both. */
  readonly deliverer: Signal;
  readonly collector: Signal;
  /** Rings when the rate of a stream allows more. */
  readonly alarm: Alarm;
  /** The reactor that delivers found the table blocked, and waits to be woken. */
  deliveryBlocked: boolean;
}

/** Gives the table the next train, if it may have one. False if nothing could be done now. @throws what makes the circuit end */
const deliverOne = (parts: Parts, inlet: LinkReader<StreamTrain>): boolean => {
  const { table } = parts;
  if (table.blocked) {
    parts.deliveryBlocked = true;
    return false;
  }
  const taken = inlet.takeUnsafe();
  if (taken === undefined) return false;
  // The link ends only when the circuit does: then this reactor is being ended too.
  if (Exit.isFailure(taken)) return false;
  table.deliver(taken.value);
  return true;
};

/** Gives egress what streams have ready, if it has room. False if nothing could be done now. */
const collectOne = (parts: Parts, outlet: LinkWriter<StreamBatch>): boolean => {
  const { table } = parts;
  table.settle();
  const batch = outlet.waitsForRoom(parts.collector) ? undefined : table.collect();
  if (parts.deliveryBlocked && !table.blocked) {
    parts.deliveryBlocked = false;
    parts.deliverer.notify();
  }
  if (batch === undefined) {
    parts.alarm.set(table.alarm());
    return false;
  }
  outlet.offerUnsafe(batch);
  return true;
};

/** One reactor that delivers and collects in turn. */
const single = Reactor.turns({
  name: "streams",
  reads: { inlet: Reactor.port<StreamTrain>() },
  writes: { outlet: Reactor.port<StreamBatch>() },
  signal: (parts: Parts) => parts.collector,
  turn:
    (parts, { inlet, outlet }) =>
    () => {
      try {
        for (;;) {
          const delivered = deliverOne(parts, inlet);
          const collected = collectOne(parts, outlet);
          if (!delivered && !collected) return undefined;
        }
      } catch (cause) {
        return Effect.fail(toCircuitError(cause));
      }
    },
});

/** The reactor that delivers to the applications. */
const writing = Reactor.turns({
  name: "stream-write",
  reads: { inlet: Reactor.port<StreamTrain>() },
  writes: {},
  signal: (parts: Parts) => parts.deliverer,
  turn:
    (parts, { inlet }) =>
    () => {
      try {
        while (deliverOne(parts, inlet));
        return undefined;
      } catch (cause) {
        return Effect.fail(toCircuitError(cause));
      }
    },
});

/** The reactor that packages what the applications have. */
const reading = Reactor.turns({
  name: "stream-read",
  reads: {},
  writes: { outlet: Reactor.port<StreamBatch>() },
  signal: (parts: Parts) => parts.collector,
  turn:
    (parts, { outlet }) =>
    () => {
      while (collectOne(parts, outlet));
      return undefined;
    },
});

const makeParts = (
  circuit: CircuitContext,
  hop: number,
  flow: StreamsFlow,
  config: StreamHandlingConfig,
  signals: { readonly deliverer: Signal; readonly collector: Signal },
): Effect.Effect<Parts, never, Scope.Scope> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<never>();
    const runFork = Effect.runForkWith(context);
    const { clock, limits } = circuit;
    const random = randomPoolOf(circuit.entropy);
    const table = new StreamTable({
      hop,
      flow,
      flowParams: config.flowParams(),
      role: config.role,
      format: relayCellV0,
      opener: circuit.opener,
      maxTrain: limits.maxTrain,
      maxStreams: limits.maxStreams,
      streamBufferBytes: limits.streamBufferBytes,
      hopBufferBytes: limits.hopBufferBytes,
      memory: circuit.memory,
      firstStreamId: 1 + circuit.entropy.below(0xffff),
      padding: random.fill,
      below: random.below,
      now: () => microsOfNanos(clock.monotonicTimeNanosUnsafe()),
      wake: () => signals.collector.notify(),
      fork: (effect) => {
        const fiber = runFork(effect);
        return () => fiber.interruptUnsafe();
      },
    });
    const alarm = new Alarm(clock, runFork, () => table.onAlarm());
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        alarm.set(undefined);
        const { cause } = circuit.group;
        table.closeAll(meaningOf(cause ?? { _tag: "Stopped", reason: "finished" }).endReason);
      }),
    );
    const inlet = circuit.group.link<StreamTrain>("ingress → streams");
    const outlet = circuit.group.link<StreamBatch>("streams → egress");
    return { table, inlet, outlet, ...signals, alarm, deliveryBlocked: false };
  });

const pathOf = (parts: Parts): StreamPath => ({
  inlet: parts.inlet.writer as LinkWriter<StreamTrain>,
  outlet: parts.outlet.reader,
  room: parts.collector,
  heldBytes: () => parts.table.heldBytes,
  oldest: () => parts.table.oldest(),
  drop: () => parts.table.dropAll(EndReason.RESOURCELIMIT),
  streams: parts.table,
});

type Direct = StreamHandling["Service"]["direct"];

/** Starts the direct path of a hop as one reactor. */
export const directSingle =
  (config: StreamHandlingConfig): Direct =>
  (circuit, hop, flow) =>
    Effect.gen(function* () {
      const signal = Signal.make();
      const parts = yield* makeParts(circuit, hop, flow, config, { deliverer: signal, collector: signal });
      yield* circuit.group.start(single(parts).wire({ inlet: parts.inlet.reader, outlet: parts.outlet.writer }));
      return pathOf(parts);
    });

/** Starts the direct path of a hop as a reading and a writing reactor over one table. */
export const directSplit =
  (config: StreamHandlingConfig): Direct =>
  (circuit, hop, flow) =>
    Effect.gen(function* () {
      const signals = { deliverer: Signal.make(), collector: Signal.make() };
      const parts = yield* makeParts(circuit, hop, flow, config, signals);
      yield* circuit.group.start(writing(parts).wire({ inlet: parts.inlet.reader }));
      yield* circuit.group.start(reading(parts).wire({ outlet: parts.outlet.writer }));
      return pathOf(parts);
    });

/** Streams handled by one reactor per hop. */
export const layerSingle = (config: StreamHandlingConfig): Layer.Layer<StreamHandling> =>
  Layer.succeed(StreamHandling, StreamHandling.of({ direct: directSingle(config) }));

/** Streams handled by two reactors per hop, one for each direction. */
export const layerSplit = (config: StreamHandlingConfig): Layer.Layer<StreamHandling> =>
  Layer.succeed(StreamHandling, StreamHandling.of({ direct: directSplit(config) }));
