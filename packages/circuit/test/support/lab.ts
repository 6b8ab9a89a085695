import {
  type Channel,
  ChannelManager,
  type Connection,
  DEFAULT_PADDING_PARAMS,
  Entropy,
  layerChannelManager,
  layerEntropySeeded,
  MemoryNetwork,
} from "@allium/channel";
import { Topology, type TopologyRegistry } from "@allium/kernel";
import { assert } from "@effect/vitest";
import { Context, Effect, Layer, type Scope } from "effect";
import { TestClock } from "effect/testing";
import { type CircuitEnd, errorOfCause, type RelayCircuit } from "../../src/index.ts";
import { readBytes } from "./application.ts";
import { type ClientOptions, createClientCircuit } from "./client-circuit.ts";
import { echo, openersServing } from "./echo-openers.ts";
import { createRawCircuit, type RawClientOptions } from "./raw-client.ts";
import {
  endpointOf,
  makeTestIdentity,
  startRelay,
  type TestIdentity,
  type TestRelay,
  type TestRelayOptions,
} from "./relay-under-test.ts";

const NOW = Date.UTC(2026, 0, 1);

/** Where the client of a lab is. */
export const CLIENT = "10.1.0.1";

/** Where the relays of a lab are, in the order of a circuit. */
export const HOSTS = ["10.0.0.1", "10.0.0.2", "10.0.0.3"] as const;

/** How a lab is varied. */
export interface LabOptions extends Omit<TestRelayOptions, "onEnd"> {
  readonly relays?: number;
  /** What the exits' streams lead to. @default an echo */
  readonly serve?: (connection: Connection, target: string) => void;
  readonly line?: Partial<MemoryNetwork.Line>;
}

/** Relays on a network in memory, and a client's machine. */
export interface Lab {
  readonly memory: MemoryNetwork.MemoryNetwork;
  readonly relays: ReadonlyArray<TestRelay>;
  readonly entropy: Entropy["Service"];
  readonly options: LabOptions;
  /** The client's channel to the first relay. */
  readonly channel: Channel;
  /** Why circuits of each relay ended, in order. */
  readonly ends: ReadonlyArray<ReadonlyArray<CircuitEnd["cause"]>>;
  /** Connections whose stream ended and that have not closed. */
  readonly lingering: ReadonlySet<Connection>;
  readonly registry: TopologyRegistry;
  /** Another channel to the first relay. */
  readonly connect: (host: string) => Effect.Effect<Channel, never, Scope.Scope>;
}

/** Builds a lab until the scope closes. */
export const makeLab = (options: LabOptions = {}): Effect.Effect<Lab, never, Entropy | Scope.Scope> =>
  Effect.gen(function* () {
    yield* TestClock.setTime(NOW);
    const memory = yield* MemoryNetwork.make(options.line);
    const entropy = yield* Entropy;
    const registry = yield* Topology.Registry;
    const ends: Array<Array<CircuitEnd["cause"]>> = [];
    const lingering = new Set<Connection>();
    const relays: Array<TestRelay> = [];
    for (const [index, host] of HOSTS.slice(0, options.relays ?? 1).entries()) {
      const identity = yield* makeTestIdentity(host, index, NOW);
      const causes: Array<CircuitEnd["cause"]> = [];
      ends.push(causes);
      const onEnd = (_circuit: RelayCircuit, end: CircuitEnd) => {
        causes.push(end.cause);
      };
      relays.push(
        yield* startRelay(memory, identity, openersServing(options.serve ?? echo, lingering), { ...options, onEnd }),
      );
    }
    const guard = (relays[0] as TestRelay).identity;
    const connect = (host: string) => connectAsClient(memory, host, guard, options);
    const channel = yield* connect(CLIENT);
    return { memory, relays, entropy, options, channel, ends, lingering, connect, registry };
  }).pipe(Effect.orDie, Effect.provideServiceEffect(Topology.Registry, Effect.sync(Topology.makeUnsafe)));

/** A client's channel to a relay, from a host of the network. */
export const connectAsClient = (
  memory: MemoryNetwork.MemoryNetwork,
  host: string,
  relay: TestIdentity,
  { maxTrain }: { readonly maxTrain?: number } = {},
): Effect.Effect<Channel, never, Scope.Scope> =>
  Effect.gen(function* () {
    const manager = yield* Layer.build(
      Layer.fresh(
        layerChannelManager({
          local: () => ({ identity: undefined, addresses: [] }),
          padding: () => DEFAULT_PADDING_PARAMS,
          idleTimeoutMillis: () => 3_600_000,
          ...(maxTrain === undefined ? {} : { maxTrain }),
        }).pipe(Layer.provide(memory.host(host)), Layer.provide(layerEntropySeeded(`client ${host}`))),
      ),
    );
    const target = { endpoints: [endpointOf(relay)], ...relay.link.peer };
    return yield* settled(Effect.orDie(Context.get(manager, ChannelManager).get(target)));
  });

/** Runs an effect while the clock goes on, a millisecond at a time, until it is done. */
export const settled = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.raceFirst(effect, Effect.forever(TestClock.adjust("1 millis")));

/** Lets a second pass, in steps in which everybody has a turn: whatever was under way has arrived. */
export const aSecond = Effect.repeat(TestClock.adjust("10 millis"), { times: 99 });

/** A client-shaped circuit through the first relays of a lab. */
export const openCircuit = (lab: Lab, hops: number, options: Omit<ClientOptions, "entropy"> = {}) =>
  Effect.gen(function* () {
    const { relays, channel, entropy } = lab;
    const circuit = yield* settled(
      createClientCircuit(channel, (relays[0] as TestRelay).identity, {
        entropy,
        ...(lab.options.maxTrain === undefined ? {} : { maxTrain: lab.options.maxTrain }),
        ...(lab.options.split === undefined ? {} : { split: lab.options.split }),
        ...options,
      }),
    );
    for (const relay of relays.slice(1, hops)) yield* settled(circuit.extend(relay.identity));
    return circuit;
  }).pipe(Effect.provideService(Topology.Registry, lab.registry));

/** A circuit of one hop whose client says whatever the test wants. */
export const openRaw = (lab: Lab, options: RawClientOptions = {}, channel: Channel = lab.channel) =>
  settled(createRawCircuit(channel, (lab.relays[0] as TestRelay).identity, lab.entropy, options));

/** Asserts that a stream to an echo carries bytes. */
export const assertGoesOn = (connection: Connection) =>
  Effect.gen(function* () {
    connection.write(Buffer.from("on"));
    assert.strictEqual((yield* settled(readBytes(connection, 2))).toString(), "on");
  });

/** The error that a circuit ended with; none if it has not ended. */
export const errorOf = (cause: CircuitEnd["cause"] | undefined) =>
  cause === undefined ? undefined : errorOfCause(cause);

/** Asserts that nothing is left of any circuit anywhere, but for what applications have not read yet. */
export const assertNothingLeft = (lab: Lab, lingering = 0): void => {
  for (const relay of lab.relays) {
    assert.deepStrictEqual(relay.circuits.circuits(), []);
    for (const channel of relay.channels.channels()) assert.strictEqual(channel.circuitCount, 0);
    assert.strictEqual(relay.memory.used, 0);
  }
  assert.strictEqual(lab.channel.circuitCount, 0);
  const groups = lab.registry.snapshot().groups.map((group) => group.name);
  assert.deepStrictEqual(
    groups.filter((name) => name.includes("circuit")),
    [],
  );
  assert.strictEqual(lab.lingering.size, lingering);
};
