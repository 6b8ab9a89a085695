import type { TorClientService } from "@allium/client";
import { Topology, type TopologyRegistry } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Clock, Duration, Effect, Fiber } from "effect";
import { TestClock } from "effect/testing";
import {
  echo,
  inVirtualTime,
  type MemoryRelay,
  MemoryTorNetwork,
  type RelayOptions,
  startClient,
  whileTimePasses,
} from "../../../../test/memory-network/index.ts";
import { GUARD_FLAGS } from "../../../../test/memory-network/plan.ts";
import { withSleepers } from "../../../../test/support/counting-clock.ts";
import { pattern, readBytes } from "../../../circuit/test/support/application.ts";
import { hasSet, pathOf } from "./support.ts";

const POSITIONS = ["guard", "middle", "exit"] as const;

/** What becomes of a relay, and how it is made good. */
const FATES = {
  "is killed": [(relay: MemoryRelay) => relay.kill, (relay: MemoryRelay) => relay.start],
  "ends in order": [(relay: MemoryRelay) => relay.stop, (relay: MemoryRelay) => relay.start],
  hangs: [
    (relay: MemoryRelay) => Effect.sync(() => relay.stall(true)),
    (relay: MemoryRelay) => Effect.sync(() => relay.stall(false)),
  ],
} as const;

type Fate = keyof typeof FATES;

const EVERY_FATE = Object.keys(FATES) as ReadonlyArray<Fate>;

/** What port 81 sends. */
const FILE = pattern(1, 1_000_000);

/**
 * When relays fail while a circuit is built, in milliseconds since that began, and what is then under way. A line takes 20 ms, and so
 * does each of the rounds of a TLS connection.
 */
const MOMENTS: ReadonlyArray<readonly [millis: number, what: string]> = [
  [10, "the guard is asked for a circuit"],
  [120, "the circuit is extended to the middle"],
  [350, "the circuit is extended to the exit"],
  [550, "the stream is asked for"],
];

/** A client that is ready, and has conflux sets if it is to, in a network of these relays. */
const setUpWith = (conflux: boolean, relays?: ReadonlyArray<RelayOptions>) =>
  Effect.gen(function* () {
    const network = yield* MemoryTorNetwork.make({
      line: { latency: "20 millis" },
      ...(relays === undefined ? {} : { relays }),
    });
    const { internet } = network;
    yield* internet.serve("example.com", "93.184.216.34", 80, echo);
    yield* internet.serve("example.com", "93.184.216.34", 81, (connection) => {
      connection.onChange(() => {
        while (connection.read() !== undefined);
      });
      connection.write(FILE);
      connection.end();
    });
    const topology = Topology.makeUnsafe();
    const client = yield* startClient(network, { conflux: { enabled: conflux } }).pipe(
      Effect.provideService(Topology.Registry, topology),
    );
    yield* whileTimePasses(Effect.orDie(client.ready));
    if (conflux) yield* hasSet(client);
    return { network, client, topology };
  });

/** Streams are over one circuit each, whose path is known. */
const setUp = setUpWith(false);

/** Both kinds of tunnels, by their names. */
const KINDS = { "": setUp, ", one of two": setUpWith(true) } as const;

/** Relays among which one exit carries most of what leaves. */
const ONE_GREAT_EXIT: ReadonlyArray<RelayOptions> = [
  ...["guard0", "guard1", "guard2"].map((nickname) => ({ nickname, flags: GUARD_FLAGS })),
  ...["middle0", "middle1", "middle2"].map((nickname) => ({ nickname, bandwidth: 20_000 })),
  ...[20_000, 500, 500].map((bandwidth, index) => ({ nickname: `exit${index}`, bandwidth, policy: ["accept *:*"] })),
];

/** Opens a stream to the echo. */
const openEcho = (client: TorClientService, isolation = "") =>
  client.open({ host: "example.com", port: 80 }, { isolation });

/** Asserts that the echo answers. @returns how long the stream took to open, in milliseconds */
const assertAnswers = (client: TorClientService, isolation = "") =>
  Effect.gen(function* () {
    const begun = yield* Clock.currentTimeMillis;
    const { connection } = yield* openEcho(client, isolation);
    const millis = (yield* Clock.currentTimeMillis) - begun;
    connection.write(Buffer.from("onion"));
    assert.strictEqual((yield* readBytes(connection, 5)).toString(), "onion");
    connection.end();
    return millis;
  }).pipe(whileTimePasses);

/** Asks for streams of different isolation until there is none left of the tunnels that are open, and one is built. */
const beginTunnel = (client: TorClientService) =>
  Effect.gen(function* () {
    for (let user = 0; ; user++) {
      const opening = yield* Effect.forkChild(openEcho(client, `user ${user}`));
      yield* TestClock.adjust(1);
      const begun = client.tunnels().find(({ state, isolated }) => state === "building" && isolated);
      if (begun !== undefined) return { opening, id: begun.id };
    }
  });

/** The path of the tunnel that is begun: the same each time, as the seed is. The first time all is well. */
const pathWithoutFailure = Effect.runSync(
  Effect.cached(
    Effect.gen(function* () {
      const { client } = yield* setUp;
      const { opening, id } = yield* beginTunnel(client);
      yield* whileTimePasses(Fiber.join(opening));
      return pathOf(client, id);
    }).pipe(Effect.scoped, inVirtualTime),
  ),
);

/** The longest that a stream may take to open after something has happened: see docs/timers.md. */
const longest = (fate: Fate, position: number): number => {
  if (fate !== "hangs") return Duration.toMillis("5 seconds");
  // An exit that does not answer is left after 10 s. That it is the guard which hangs is known when exits have not answered for 10, 10
  // and 15 s, and then it has not built a circuit for a minute.
  return Duration.toMillis(position === 0 ? "100 seconds" : "15 seconds");
};

/** Asserts that there is no circuit but those of tunnels, and nothing else either. */
const assertNoneLeft = (topology: TopologyRegistry, client: TorClientService): void => {
  const { groups } = topology.snapshot();
  const kinds = groups.map(({ name }) => name.split(" ")[0]).filter((kind) => kind !== "channel" && kind !== "set");
  const circuits = client.tunnels().flatMap(({ legs }) => legs.map(() => "circuit"));
  assert.deepStrictEqual(kinds.sort(), [...circuits, "conflux"]);
  // Each set has a leg at least, and nobody has two.
  const legs = groups
    .filter(({ name }) => name.startsWith("set "))
    .map(({ reactors }) =>
      reactors.flatMap(({ reads }) => reads.filter(({ port }) => port.startsWith("from circuit"))),
    );
  for (const ports of legs) assert.isNotEmpty(ports);
  assert.isAtMost(legs.flat().length, circuits.length);
  // All guards are primary ones: a channel to each, and to the directory that was asked first.
  assert.isAtMost(groups.filter(({ name }) => name.startsWith("channel")).length, 4);
};

describe("a stream that is being opened", () => {
  for (const fate of EVERY_FATE)
    for (const [position, role] of POSITIONS.entries())
      for (const [millis, what] of MOMENTS)
        it.effect(`is opened all the same if the ${role} ${fate} while ${what}`, () =>
          Effect.gen(function* () {
            const [begin, end] = FATES[fate];
            const path = yield* pathWithoutFailure;
            yield* Effect.gen(function* () {
              const { network, client, topology } = yield* setUp;
              const { opening, id } = yield* beginTunnel(client);
              yield* TestClock.adjust(millis);
              assert.deepStrictEqual(path.slice(0, pathOf(client, id).length), pathOf(client, id));
              const relay = network.relay(path[position] ?? "");
              yield* begin(relay);
              const { connection, tunnel } = yield* whileTimePasses(Fiber.join(opening), longest(fate, position));
              assert.notInclude(pathOf(client, tunnel), relay.nickname);
              connection.write(Buffer.from("onion"));
              const answer = yield* whileTimePasses(readBytes(connection, 5));
              assert.strictEqual(answer.toString(), "onion");
              assert.isAtMost(yield* assertAnswers(client, "the next"), longest(fate, position));
              yield* end(relay);
              yield* assertAnswers(client, "the last");
              yield* TestClock.adjust("3 minutes");
              assertNoneLeft(topology, client);
            }).pipe(Effect.scoped, inVirtualTime);
          }),
        );
});

describe("a stream that is open", () => {
  const transferring = (fate: Fate, position: number, setUpOfKind = setUp) =>
    Effect.gen(function* () {
      const made = yield* setUpOfKind;
      const { network, client } = made;
      const { connection, tunnel } = yield* whileTimePasses(client.open({ host: "example.com", port: 81 }));
      const first = yield* whileTimePasses(readBytes(connection, 100_000));
      const relay = network.relay(pathOf(client, tunnel)[position] ?? "");
      yield* FATES[fate][0](relay);
      return { ...made, connection, tunnel, first, relay, restore: FATES[fate][1](relay) };
    });

  for (const [kind, setUpOfKind] of Object.entries(KINDS))
    for (const fate of ["is killed", "ends in order"] as const)
      for (const [position, role] of POSITIONS.entries())
        it.effect(`breaks at once behind the last byte that came if the ${role}${kind} ${fate}`, () =>
          Effect.gen(function* () {
            const { client, topology, connection, tunnel, first, restore } = yield* transferring(
              fate,
              position,
              setUpOfKind,
            );
            const rest = yield* whileTimePasses(readBytes(connection), "1 second");
            const bytes = Buffer.concat([first, rest]);
            assert.isBelow(bytes.length, FILE.length);
            assert.isTrue(bytes.equals(FILE.subarray(0, bytes.length)));
            assert.strictEqual(connection.status, "closed");
            assert.strictEqual(connection.failure?.code, "END_DESTROY");
            assert.isFalse(client.tunnels().some(({ id }) => id === tunnel));
            assert.isAtMost(yield* assertAnswers(client), longest(fate, position));
            yield* restore;
            yield* assertAnswers(client);
            yield* TestClock.adjust("3 minutes");
            assertNoneLeft(topology, client);
          }).pipe(Effect.scoped, inVirtualTime),
        );

  for (const [position, role] of POSITIONS.entries())
    it.effect(`waits while the ${role} hangs, and loses nothing; others go another way after ten seconds`, () =>
      Effect.gen(function* () {
        const { client, topology, connection, tunnel, first, restore, relay } = yield* transferring("hangs", position);
        const rest = yield* Effect.forkChild(readBytes(connection));
        const took = yield* assertAnswers(client);
        assert.isAtLeast(took, 10_000);
        assert.isAtMost(took, longest("hangs", position));
        const fresh = yield* whileTimePasses(openEcho(client));
        if (position > 0) assert.notInclude(pathOf(client, fresh.tunnel), relay.nickname);
        assert.strictEqual(client.tunnels().find(({ id }) => id === tunnel)?.state, "retired");
        assert.strictEqual(connection.status, "open");
        yield* restore;
        const bytes = Buffer.concat([first, yield* whileTimePasses(Fiber.join(rest))]);
        assert.isTrue(bytes.equals(FILE));
        connection.end();
        yield* TestClock.adjust("3 minutes");
        assert.isFalse(client.tunnels().some(({ id }) => id === tunnel));
        assertNoneLeft(topology, client);
      }).pipe(Effect.scoped, inVirtualTime),
    );

  for (const fate of EVERY_FATE)
    for (const [position, role] of POSITIONS.entries())
      it.effect(`is idle, and the ${role} ${fate}: whoever comes next is served`, () =>
        Effect.gen(function* () {
          const { network, client, topology } = yield* setUp;
          const { connection, tunnel } = yield* whileTimePasses(openEcho(client));
          const relay = network.relay(pathOf(client, tunnel)[position] ?? "");
          const [begin, end] = FATES[fate];
          yield* begin(relay);
          yield* TestClock.adjust("2 minutes");
          assert.strictEqual(connection.status, fate === "hangs" ? "open" : "closed");
          assert.isAtMost(yield* assertAnswers(client), longest(fate, position));
          yield* end(relay);
          yield* assertAnswers(client);
          connection.destroy();
          yield* TestClock.adjust("3 minutes");
          assertNoneLeft(topology, client);
        }).pipe(Effect.scoped, inVirtualTime),
      );
});

describe("a client", () => {
  for (const fate of EVERY_FATE)
    it.effect(`goes by other exits if the one that it would nearly always draw ${fate}`, () =>
      Effect.gen(function* () {
        const { network, client, topology } = yield* setUpWith(true, ONE_GREAT_EXIT);
        const { tunnel, connection } = yield* whileTimePasses(openEcho(client));
        assert.strictEqual(pathOf(client, tunnel)[2], "exit0");
        yield* FATES[fate][0](network.relay("exit0"));
        // As often as it takes, a few attempts a second; who was asked and has not answered is not asked again.
        assert.isAtMost(yield* assertAnswers(client), 40_000);
        yield* FATES[fate][1](network.relay("exit0"));
        connection.destroy();
        yield* TestClock.adjust("3 minutes");
        assertNoneLeft(topology, client);
      }).pipe(Effect.scoped, inVirtualTime),
    );

  it.effect("whose every guard hangs says so when a request has waited for as long as it may, and recovers", () =>
    Effect.gen(function* () {
      const { network, client, topology } = yield* setUp;
      const guards = network.relays.filter(({ plan }) => plan.flags.includes("Guard"));
      for (const guard of guards) guard.stall(true);
      const begun = yield* Clock.currentTimeMillis;
      const error = yield* Effect.flip(openEcho(client)).pipe(whileTimePasses);
      const waited = (yield* Clock.currentTimeMillis) - begun;
      assert.strictEqual(Math.round(waited / 1000), 120);
      assert.include(["timeout", "no-circuit", "no-guard"], `${error.failure}`);
      for (const guard of guards) guard.stall(false);
      yield* assertAnswers(client);
      yield* TestClock.adjust("3 minutes");
      assertNoneLeft(topology, client);
    }).pipe(Effect.scoped, inVirtualTime),
  );

  it.effect("whose every guard is gone says so, and is there again soon after they are", () =>
    Effect.gen(function* () {
      const { network, client, topology } = yield* setUp;
      const guards = network.relays.filter(({ plan }) => plan.flags.includes("Guard"));
      for (const guard of guards) yield* guard.kill;
      const error = yield* Effect.flip(openEcho(client)).pipe(whileTimePasses);
      assert.include(["no-circuit", "no-guard"], `${error.failure}`);
      for (const guard of guards) yield* guard.start;
      assert.isAtMost(yield* assertAnswers(client), 120_000);
      yield* TestClock.adjust("3 minutes");
      assertNoneLeft(topology, client);
    }).pipe(Effect.scoped, inVirtualTime),
  );

  it.effect("that has met all of it leaves nothing: no circuit, channel or timer", () =>
    inVirtualTime(
      withSleepers((sleepers) =>
        Effect.gen(function* () {
          const network = yield* MemoryTorNetwork.make({ line: { latency: "20 millis" } });
          yield* network.internet.serve("example.com", "93.184.216.34", 80, echo);
          yield* TestClock.adjust("1 minute");
          const before = sleepers();
          const topology = Topology.makeUnsafe();
          yield* Effect.gen(function* () {
            const client = yield* startClient(network).pipe(Effect.provideService(Topology.Registry, topology));
            for (const fate of EVERY_FATE)
              for (const position of POSITIONS.keys()) {
                const { tunnel } = yield* whileTimePasses(openEcho(client));
                const relay = network.relay(pathOf(client, tunnel)[position] ?? "");
                yield* FATES[fate][0](relay);
                yield* assertAnswers(client, `${fate} ${position}`);
                yield* FATES[fate][1](relay);
                yield* TestClock.adjust("1 minute");
              }
          }).pipe(Effect.scoped);
          assert.deepStrictEqual(topology.snapshot().groups, []);
          assert.isTrue(network.relays.every(({ isRunning }) => isRunning));
          yield* TestClock.adjust("2 hours");
          assert.strictEqual(network.lines.connections(), 0);
          for (const { nickname, openCircuits, openChannels } of network.relays)
            assert.deepStrictEqual([openCircuits, openChannels], [0, 0], nickname);
          assert.isAtMost(sleepers(), before);
        }).pipe(Effect.scoped),
      ),
    ),
  );
});
