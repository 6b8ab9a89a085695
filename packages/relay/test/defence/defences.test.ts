import { type Channel, ChannelLimit, layerEntropySeeded, Transport } from "@allium/channel";
import { CircuitLimit, type CircuitRefusal, type RelayCircuit, type RelayCircuits } from "@allium/circuit";
import { Memory, MemoryQuota, Metrics } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Cause, Effect, Exit, Layer, Logger } from "effect";
import { TestClock } from "effect/testing";
import { type Defences, defenceMetrics, dosParams, makeDefences } from "../../src/defence/index.ts";

const CLIENT = "198.51.100.9";

const params = dosParams(() => undefined, {
  circuitCreationEnabled: true,
  connectionEnabled: true,
  connectionConnectBurst: 2,
  streamCreationEnabled: true,
  streamCreationBurst: 1,
});

const circuits = {
  counters: { dropped: { fast: 0, ntor: 0, ntor_v3: 0 }, queued: 0 },
} as unknown as RelayCircuits["Service"];

/** A circuit of a client, that ends since more waited in it than may. */
const overrun = {
  near: { channel: { peer: undefined, remote: { host: CLIENT, port: 1 } } },
} as unknown as RelayCircuit;
const overrunBy = (limit: "near" | "far") => ({
  cause: { _tag: "ReactorEnded", reactor: "ingress", exit: Exit.fail(new CircuitLimit({ limit })) } as const,
});

const start = Effect.gen(function* () {
  const lines: Array<string> = [];
  const logger = Logger.make(({ logLevel, message }) => {
    lines.push(`${logLevel}: ${[message].flat().join(" ")}`);
  });
  const quota = new MemoryQuota({ limit: 1_000 });
  const defences = yield* makeDefences({
    params: () => params,
    isRelay: () => false,
    maxConnections: () => 3,
    maxOutgoing: () => 0,
  }).pipe(Effect.provideService(Memory.Quota, quota), Effect.provide(Logger.layer([logger])));
  yield* Metrics.register(...defenceMetrics(defences, circuits));
  /** The figure of a metric, with one label at most. */
  const figure = (name: string, label?: string) =>
    Effect.map(
      Metrics.collect,
      (families) =>
        families
          .find((family) => family.name === name)
          ?.samples.find(({ labels = {} }) => label === undefined || Object.values(labels).includes(label))?.value,
    );
  return { defences, quota, lines, figure };
});

const REFUSED_CONNECTIONS = "connections were refused, since their addresses have too many open or open them too fast";
const GIVEN_UP = "incoming connections were given up in their handshakes, since too many were under way";
const TOO_SLOW =
  "circuits were refused: this machine is too slow for so many. A smaller [bandwidth] rate would bring fewer";
const TOO_MANY_STREAMS = "streams were refused, since their circuits had as many as they may, or as were left";

interface Flood {
  readonly of: string;
  /** One event of it. */
  readonly one: (defences: Defences) => void;
  readonly log: string;
  /** Where it is counted, if it is counted here. */
  readonly metric?: readonly [name: string, label?: string];
}

const refusal = (of: string, why: CircuitRefusal, log: string): Flood => ({
  of,
  one: ({ onCircuitRefused }) => onCircuitRefused(why),
  log,
});

const floods: ReadonlyArray<Flood> = [
  {
    of: "connections of an address",
    one: ({ onConnectionRefused }) => onConnectionRefused(new ChannelLimit({ limit: "channelsPerAddress" })),
    log: `Info: ${REFUSED_CONNECTIONS}`,
    metric: ["allium_connections_refused_total", "channelsPerAddress"],
  },
  {
    of: "connections that the consensus bounds",
    one: ({ onConnectionRefused }) => onConnectionRefused(new ChannelLimit({ limit: "notAdmitted" })),
    log: `Info: ${REFUSED_CONNECTIONS}`,
    metric: ["allium_connections_refused_total", "notAdmitted"],
  },
  {
    of: "half-open TLS",
    one: ({ onConnectionRefused }) => onConnectionRefused(new ChannelLimit({ limit: "tlsHandshakes" })),
    log: `Info: ${GIVEN_UP}`,
    metric: ["allium_connections_refused_total", "tlsHandshakes"],
  },
  {
    of: "link handshakes",
    one: ({ onConnectionRefused }) => onConnectionRefused(new ChannelLimit({ limit: "linkHandshakes" })),
    log: `Info: ${GIVEN_UP}`,
    metric: ["allium_connections_refused_total", "linkHandshakes"],
  },
  refusal("CREATEs of an address", "notAdmitted", "Info: circuits were refused to addresses that ask for too many"),
  refusal("CREATEs that wait", "queueFull", `Warn: ${TOO_SLOW}`),
  refusal("CREATEs that wait for too long", "queueLate", `Warn: ${TOO_SLOW}`),
  refusal(
    "circuits",
    "tooMany",
    "Warn: circuits were refused, since their channels had as many as were left. See limits.max_circuits",
  ),
  {
    of: "CREATEs whose answers are not read",
    one: ({ onChannelEnd }) => onChannelEnd({ initiated: false, counters: { droppedCreates: 7 } } as Channel),
    log: "Info: channels have ended whose peers asked for circuits and did not read the answers",
  },
  {
    of: "cells in a circuit",
    one: ({ onCircuitEnd }) => onCircuitEnd(overrun, overrunBy("near")),
    log: "Info: circuits were ended, since more waited in them than may",
    metric: ["tor_relay_dos_total", "circuit_killed_max_cell_outq"],
  },
  {
    of: "cells in a circuit, from the other side",
    one: ({ onCircuitEnd }) => onCircuitEnd(overrun, overrunBy("far")),
    log: "Info: circuits were ended, since more waited in them than may",
    metric: ["tor_relay_dos_total", "circuit_killed_max_cell"],
  },
  ...(["streamsPerCircuit", "streams", "directory"] as const).map((bound) => ({
    of: `streams: ${bound}`,
    one: ({ onStreamBound }: Defences) => onStreamBound(bound),
    log: `Info: ${TOO_MANY_STREAMS}`,
  })),
  {
    of: "look-ups",
    one: ({ onStreamBound }) => onStreamBound("lookups"),
    log: "Info: names were not looked up, since too many were waited for",
  },
  {
    of: "attempts to connect",
    one: ({ onStreamBound }) => onStreamBound("connecting"),
    log: "Info: streams were refused, since too many attempts to connect were under way",
  },
];

describe("the defences", () => {
  for (const { of, one, log, metric } of floods) {
    it.effect(`log a flood of ${of} once in ten minutes${metric === undefined ? "" : ", and count it"}`, () =>
      Effect.gen(function* () {
        const { defences, lines, figure } = yield* start;
        for (let count = 0; count < 5; count++) one(defences);
        yield* TestClock.adjust("9 minutes");
        one(defences);
        yield* TestClock.adjust(0);
        assert.deepStrictEqual(lines, [log]);
        yield* TestClock.adjust("1 minute");
        one(defences);
        yield* TestClock.adjust(0);
        assert.deepStrictEqual(lines, [log, log]);
        if (metric !== undefined) assert.strictEqual(yield* figure(...metric), 7);
        // The heartbeat has what is not counted elsewhere.
        const isCounted = metric?.[0] === "tor_relay_dos_total" || of === "CREATEs of an address";
        assert.deepStrictEqual([...defences.counts().bounds.values()], isCounted ? [] : [7]);
      }).pipe(Effect.scoped, Effect.provide(Layer.merge(Metrics.layer, layerEntropySeeded("defences")))),
    );
  }

  it.effect("log streams that a circuit asks for too fast, and count them", () =>
    Effect.gen(function* () {
      const { defences, lines, figure } = yield* start;
      const admit = defences.streamsOfCircuit();
      assert.deepStrictEqual([admit(), admit(), admit()], ["open", "refuse", "refuse"]);
      yield* TestClock.adjust(0);
      assert.deepStrictEqual(lines, ["Info: streams were refused on circuits that ask for too many"]);
      assert.strictEqual(yield* figure("tor_relay_dos_total", "stream_rejected"), 2);
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(Metrics.layer, layerEntropySeeded("defences")))),
  );

  it.effect("count connections that come too fast", () =>
    Effect.gen(function* () {
      const { defences, figure } = yield* start;
      const admitted = Array.from({ length: 4 }, () => defences.admitConnection(CLIENT) !== undefined);
      assert.deepStrictEqual(admitted, [true, true, false, false]);
      assert.strictEqual(yield* figure("tor_relay_dos_total", "conn_rejected"), 2);
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(Metrics.layer, layerEntropySeeded("defences")))),
  );

  it.effect("refuse connections when there are as many as may be, relays' among them", () =>
    Effect.gen(function* () {
      const { defences, lines, figure } = yield* start;
      /** A connection, and how it ends; refused as the channel manager would tell. */
      const connect = (address: string) => {
        const leave = defences.admitConnection(address);
        if (leave === undefined) defences.onConnectionRefused(new ChannelLimit({ limit: "notAdmitted" }));
        return leave;
      };
      const [first, second] = [connect("198.51.100.1"), connect("198.51.100.2")];
      const relay = { initiated: false, peer: {}, counters: { droppedCreates: 0 } } as Channel;
      // One authenticates as a relay: then it is known as a channel.
      first?.();
      defences.onChannelOpen(relay);
      assert.isDefined(connect("198.51.100.3"));
      assert.strictEqual(yield* figure("allium_connections_incoming"), 3);
      assert.isUndefined(connect("198.51.100.4"));
      yield* TestClock.adjust(0);
      assert.deepStrictEqual(lines, [
        "Warn: connections were refused, since as many are open as may be. See limits.max_connections",
      ]);
      assert.strictEqual(yield* figure("allium_connections_refused_total", "connections"), 1);
      assert.isUndefined(yield* figure("allium_connections_refused_total", "notAdmitted"));
      defences.onChannelEnd(relay);
      second?.();
      assert.isDefined(connect("198.51.100.4"));
      assert.strictEqual(yield* figure("allium_connections_incoming"), 2);
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(Metrics.layer, layerEntropySeeded("defences")))),
  );

  it.effect("log connections to other relays that are not opened, and count them", () =>
    Effect.gen(function* () {
      const { defences, lines, figure } = yield* start;
      const transport = defences.outgoing.limit(
        Transport.of({ connect: () => Effect.never, listen: () => Effect.never }),
      );
      const dial = Effect.exit(transport.connect({ host: CLIENT, port: 1 }, { tls: true }));
      for (let count = 0; count < 3; count++) assert.isTrue(Exit.isFailure(yield* dial));
      yield* TestClock.adjust(0);
      assert.deepStrictEqual(lines, [
        "Warn: circuits were not extended, since as many connections to other relays are open as may be. See limits.max_outgoing_connections",
      ]);
      assert.strictEqual(yield* figure("allium_connections_refused_total", "outgoing"), 3);
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(Metrics.layer, layerEntropySeeded("defences")))),
  );

  it.effect("count circuits that are ended when memory runs out", () =>
    Effect.gen(function* () {
      const { defences, figure } = yield* start;
      defences.onCircuitEnd(overrun, { cause: { _tag: "Stopped", reason: "memory" } });
      assert.strictEqual(yield* figure("allium_circuits_ended_for_memory_total"), 1);
      assert.strictEqual(yield* figure("allium_memory_limit_bytes"), 1_000);
      // A circuit that ends for another reason is none of theirs.
      defences.onCircuitEnd(overrun, {
        cause: { _tag: "ReactorEnded", reactor: "ingress", exit: Exit.failCause(Cause.die("a bug")) },
      });
      assert.strictEqual(yield* figure("tor_relay_dos_total", "circuit_killed_max_cell"), 0);
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(Metrics.layer, layerEntropySeeded("defences")))),
  );
});
