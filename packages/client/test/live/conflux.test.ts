import type { LegInfo, TorClientService, TorStream, TunnelInfo } from "@allium/client";
import { Topology } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect } from "effect";
import { TestClock } from "effect/testing";
import {
  echo as echoServer,
  inVirtualTime,
  MemoryTorNetwork,
  startClient,
  whileTimePasses,
} from "../../../../test/memory-network/index.ts";
import { pattern, readBytes } from "../../../circuit/test/support/application.ts";
import { hasSet, open, readyClient, say } from "./support.ts";

/** The tunnel of a stream. */
const tunnelOf = (client: TorClientService, { tunnel }: Pick<TorStream, "tunnel">): TunnelInfo => {
  const found = client.tunnels().find(({ id }) => id === tunnel);
  assert.isDefined(found);
  return found;
};

const sets = (client: TorClientService): ReadonlyArray<TunnelInfo> =>
  client.tunnels().filter(({ legs }) => legs.length > 1);

const names = ({ hops }: LegInfo): ReadonlyArray<string> => hops.map(({ nickname }) => nickname);

/** Sends bytes and reads them back. @returns how long that took, in milliseconds */
const echo = ({ connection }: TorStream, length: number) =>
  Effect.gen(function* () {
    const begun = yield* Clock.currentTimeMillis;
    const sent = pattern(length, length);
    connection.write(sent);
    const bytes = yield* whileTimePasses(readBytes(connection, length));
    assert.isTrue(bytes.equals(sent));
    return (yield* Clock.currentTimeMillis) - begun;
  });

/** Lines of a guard to all others, so that it limits what goes through it. */
const limitGuards = (network: MemoryTorNetwork.MemoryTorNetwork): void => {
  const guards = network.relays.filter(({ plan }) => plan.flags.includes("Guard"));
  for (const guard of guards)
    for (const other of ["9.0.0.1", ...network.relays.map(({ address }) => address)])
      for (const [one, two] of [
        [guard.address, other],
        [other, guard.address],
      ] as const)
        network.lines.setLine(one, two, { latency: "20 millis", bandwidth: 500_000 });
};

describe("a stream over several circuits", () => {
  it.effect("goes over two that have no relay in common but the exit, and both are told of", () =>
    Effect.gen(function* () {
      const { client } = yield* readyClient();
      const stream = yield* open(client);
      assert.strictEqual(yield* say(stream, "onion"), "onion");
      const { legs, state, streams } = tunnelOf(client, stream);
      assert.deepStrictEqual([state, streams, legs.length], ["open", 1, 2]);
      const [first, second] = legs.map(names);
      assert.strictEqual(first?.[2], second?.[2]);
      assert.strictEqual(new Set([...(first ?? []), ...(second ?? [])]).size, 5);
      assert.match(`${first?.[0]} ${second?.[0]}`, /^guard\d guard\d$/);
      assert.strictEqual(new Set(legs.map(({ circuit }) => circuit)).size, 2);
      for (const { rttMillis = 0, window = 0 } of legs) {
        // Three lines of 5 ms each way.
        assert.isAtLeast(rttMillis, 30);
        assert.isAtLeast(window, 100);
      }
    }).pipe(Effect.scoped),
  );

  it.effect("is faster both ways than over one, if guards are what limits it", () =>
    Effect.gen(function* () {
      const took = (enabled: boolean) =>
        Effect.gen(function* () {
          const { client, network } = yield* readyClient({}, { conflux: { enabled } });
          const stream = yield* open(client);
          assert.lengthOf(tunnelOf(client, stream).legs, enabled ? 2 : 1);
          limitGuards(network);
          return yield* echo(stream, 3_000_000);
        }).pipe(Effect.scoped, inVirtualTime);
      const [one, two] = [yield* took(false), yield* took(true)];
      assert.isBelow(two, one * 0.7, `${two} ms beside ${one} ms`);
    }),
  );

  it.effect("has its tunnel for itself if it is isolated, and sets are there before they are wanted", () =>
    Effect.gen(function* () {
      const { client } = yield* readyClient();
      yield* TestClock.adjust("5 seconds");
      const before = sets(client).map(({ id }) => id);
      assert.lengthOf(before, 3);
      const [alice, bob, again] = [
        yield* open(client, "alice"),
        yield* open(client, "bob"),
        yield* open(client, "alice"),
      ];
      assert.includeMembers(before, [alice.tunnel, bob.tunnel]);
      assert.notStrictEqual(alice.tunnel, bob.tunnel);
      assert.strictEqual(again.tunnel, alice.tunnel);
      yield* TestClock.adjust("5 seconds");
      assert.lengthOf(sets(client), 5);
    }).pipe(Effect.scoped),
  );

  it.effect("stays with the exit that its isolation has, though sets come later", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make({ relays: { guards: 2, middles: 4, exits: 2 } });
      yield* network.internet.serve("example.com", "93.184.216.34", 80, echoServer);
      const client = yield* startClient(network);
      // One circuit is there earlier than the first set.
      const early = yield* open(client, "alice");
      assert.lengthOf(tunnelOf(client, early).legs, 1);
      yield* hasSet(client);
      assert.strictEqual((yield* open(client, "alice")).tunnel, early.tunnel);
      assert.lengthOf(tunnelOf(client, yield* open(client, "bob")).legs, 2);
    }).pipe(Effect.scoped),
  );

  it.effect("may look names up, and directories are asked over one circuit of one hop all the same", () =>
    Effect.gen(function* () {
      const { client } = yield* readyClient();
      const [answer] = yield* whileTimePasses(client.resolve("example.com"));
      assert.strictEqual(answer?.value.address, "93.184.216.34");
      for (const { purpose, legs } of client.tunnels())
        if (purpose === "directory")
          assert.deepStrictEqual(
            legs.map(({ hops }) => hops.length),
            [1],
          );
    }).pipe(Effect.scoped),
  );
});

describe("sets of circuits", () => {
  it.effect.each([
    ["no exit offers conflux", { conflux: false }, {}],
    ["the consensus has it off", { params: { cfx_enabled: 0 } }, {}],
    ["the client has it off", {}, { conflux: { enabled: false } }],
    ["sets are of one circuit", { params: { cfx_num_legs_set: 1 } }, {}],
    ["no second guard is there", { relays: { guards: 1, middles: 4, exits: 2 } }, {}],
    // Its exits answer LINK with DESTROY.
    ["exits offer it and refuse", { params: { cfx_enabled: 0 } }, { conflux: { enabled: true } }],
  ] as const)("are not there if %s, and streams go over one circuit without a wait", ([, network, config]) =>
    Effect.gen(function* () {
      const { client } = yield* readyClient(network, config);
      for (const isolation of ["", "alice", "bob", "carol", "dave"]) {
        const begun = yield* Clock.currentTimeMillis;
        const stream = yield* open(client, isolation);
        assert.isBelow((yield* Clock.currentTimeMillis) - begun, 300);
        assert.strictEqual(yield* say(stream, "onion"), "onion");
        assert.lengthOf(tunnelOf(client, stream).legs, 1);
      }
      yield* TestClock.adjust("2 minutes");
      assert.deepStrictEqual(
        client.tunnels().filter(({ legs, state }) => legs.length > 1 && state === "open"),
        [],
      );
    }).pipe(Effect.scoped, inVirtualTime),
  );

  it.effect("are asked for ever more seldom by a client whose exits refuse, and not over one guard after another", () =>
    Effect.gen(function* () {
      const { client, network } = yield* readyClient(
        { params: { cfx_enabled: 0, cbtdisabled: 1 } },
        { conflux: { enabled: true }, tunnels: { expectedPorts: [443] } },
      );
      const created = () =>
        network.trace.text.split("\n").filter((line) => / CREATE2 from 9\.0\.0\.1/.test(line)).length;
      yield* TestClock.adjust("10 minutes");
      const before = created();
      yield* TestClock.adjust("10 minutes");
      // Five circuits each minute at most.
      assert.isAtMost(created() - before, 55);
      assert.strictEqual(yield* say(yield* open(client), "onion"), "onion");
    }).pipe(Effect.scoped, inVirtualTime),
  );

  it.effect("lead to the exits that offer conflux, if only some do", () =>
    Effect.gen(function* () {
      const { client } = yield* readyClient({
        relays: [
          ...[0, 1, 2].map((index) => ({
            nickname: `guard${index}`,
            flags: ["Fast", "Guard", "Running", "Stable", "V2Dir", "Valid"] as const,
          })),
          ...[0, 1, 2].map((index) => ({ nickname: `middle${index}` })),
          { nickname: "exit0", policy: ["accept *:*"], bandwidth: 100 },
          {
            nickname: "exit1",
            policy: ["accept *:*"],
            bandwidth: 10_000,
            protocols: "Cons=1-2 FlowCtrl=1-2 Link=3-5 Relay=2-4",
          },
        ],
      });
      yield* TestClock.adjust("10 seconds");
      // Half of the exits offer it, which is less than cfx_low_exit_threshold: one is kept.
      assert.deepStrictEqual(
        sets(client).map(({ legs }) => legs.map((leg) => names(leg)[2])),
        [["exit0", "exit0"]],
      );
    }).pipe(Effect.scoped),
  );

  it.effect("are of one circuit if the attempts at others are used up, and are used all the same", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make({ relays: { guards: 2, middles: 4, exits: 2 } });
      yield* network.internet.serve("example.com", "93.184.216.34", 80, echoServer);
      const topology = Topology.makeUnsafe();
      const client = yield* startClient(network).pipe(Effect.provideService(Topology.Registry, topology));
      while (!client.tunnels().some(({ purpose }) => purpose === "exit")) yield* TestClock.adjust(1);
      // Both guards are to be tried, and one of them is gone already.
      const used = client.tunnels().find(({ purpose }) => purpose === "directory")?.legs[0]?.hops[0]?.nickname;
      yield* network.relay(used === "guard0" ? "guard1" : "guard0").kill;
      yield* TestClock.adjust("3 seconds");
      const linked = topology
        .snapshot()
        .groups.filter(({ name }) => name.startsWith("set "))
        .map(({ reactors }) => reactors.flatMap(({ reads }) => reads.filter(({ port }) => port.startsWith("from"))));
      assert.deepStrictEqual(
        linked.map(({ length }) => length),
        [1],
      );
      const stream = yield* open(client);
      assert.strictEqual(yield* say(stream, "onion"), "onion");
      assert.isAbove(tunnelOf(client, stream).legs[0]?.rttMillis ?? 0, 0);
    }).pipe(Effect.scoped, inVirtualTime),
  );

  it.effect("go by another guard if one does not answer", () =>
    Effect.gen(function* () {
      const { client, network } = yield* readyClient({}, { conflux: { enabled: true } });
      const [, second] = sets(client)[0]?.legs.map(names) ?? [];
      const dead = second?.[0] ?? "";
      yield* network.relay(dead).kill;
      yield* TestClock.adjust("1 minute");
      yield* hasSet(client);
      const stream = yield* open(client);
      assert.strictEqual(yield* say(stream, "onion"), "onion");
      const { legs } = tunnelOf(client, stream);
      assert.lengthOf(legs, 2);
      for (const set of sets(client))
        assert.notInclude(
          set.legs.map((leg) => names(leg)[0]),
          dead,
        );
    }).pipe(Effect.scoped, inVirtualTime),
  );

  it.effect(
    "that nobody has used are given up with the first circuit that ends: the exit may not know of it for long",
    () =>
      Effect.gen(function* () {
        const { client, network } = yield* readyClient({ params: { cfx_max_prebuilt_set: 1 } });
        const [set] = sets(client);
        const guard = network.relay(names(set?.legs[1] as LegInfo)[0] ?? "");
        // The client hears at once that it goes, and the exit only when what it says has arrived.
        for (const { address } of network.relays)
          network.lines.setLine(guard.address, address, { latency: "10 seconds" });
        network.lines.cut("9.0.0.1", guard.address);
        yield* guard.stop;
        yield* TestClock.adjust("30 millis");
        assert.notInclude(
          sets(client).map(({ id }) => id),
          set?.id,
        );
        assert.lengthOf(tunnelOf(client, yield* open(client, "meanwhile")).legs, 1);
        yield* TestClock.adjust("3 seconds");
        const stream = yield* open(client);
        const { id, legs } = tunnelOf(client, stream);
        assert.notStrictEqual(id, set?.id);
        assert.lengthOf(legs, 2);
        assert.notInclude(legs.flatMap(names), guard.nickname);
        assert.isBelow(yield* echo(stream, 200_000), 5_000);
      }).pipe(Effect.scoped, inVirtualTime),
  );

  it.effect("that are used go on without a circuit that carried nothing, and get no other", () =>
    Effect.gen(function* () {
      const { client, network } = yield* readyClient(
        { params: { cfx_max_prebuilt_set: 1 } },
        { conflux: { ux: "latency" } },
      );
      const [used, idle] = sets(client)[0]?.legs ?? [];
      assert.isDefined(used);
      assert.isDefined(idle);
      const slow = network.relay(names(idle)[1] ?? "");
      for (const other of network.relays) network.lines.setLine(slow.address, other.address, { latency: "300 millis" });
      const stream = yield* open(client);
      yield* echo(stream, 200_000);
      yield* slow.kill;
      yield* TestClock.adjust("5 seconds");
      assert.deepStrictEqual(tunnelOf(client, stream).legs.map(names), [names(used)]);
      yield* echo(stream, 200_000);
    }).pipe(Effect.scoped, inVirtualTime),
  );

  it.effect.each([true, false])(
    "outlive a guard while they carry much, if both ends are to resume: exits %s",
    (resumption) =>
      Effect.gen(function* () {
        const { client, network } = yield* readyClient({ resumption }, { conflux: { resumption: true } });
        const stream = yield* open(client);
        limitGuards(network);
        const sent = pattern(1, 1_000_000);
        stream.connection.write(sent);
        const early = yield* whileTimePasses(readBytes(stream.connection, 100_000));
        const { legs } = tunnelOf(client, stream);
        yield* network.relay(names(legs[0] as LegInfo)[0] ?? "").kill;
        const late = yield* whileTimePasses(readBytes(stream.connection, sent.length - early.length));
        assert.strictEqual(Buffer.concat([early, late]).equals(sent), resumption);
        if (resumption) assert.deepStrictEqual(tunnelOf(client, stream).legs.map(names), [names(legs[1] as LegInfo)]);
      }).pipe(Effect.scoped, inVirtualTime),
  );

  it.effect("that nobody has used end when the consensus takes conflux back", () =>
    Effect.gen(function* () {
      const { client, network } = yield* readyClient();
      const used = yield* open(client);
      yield* TestClock.adjust("5 seconds");
      assert.isAbove(sets(client).length, 1);
      network.amend((draft) => draft.params.set("cfx_enabled", 0));
      yield* TestClock.adjust("3 hours");
      assert.strictEqual(yield* say(used, "onion"), "onion");
      assert.deepStrictEqual(
        sets(client).map(({ id }) => id),
        [used.tunnel],
      );
    }).pipe(Effect.scoped, inVirtualTime),
  );

  it.effect("are no more than may be, those in use among them", () =>
    Effect.gen(function* () {
      const { client } = yield* readyClient({ params: { cfx_max_linked_set: 4 } });
      for (let user = 0; user < 8; user++) {
        yield* TestClock.adjust("5 seconds");
        assert.isAtMost(sets(client).length, 4);
        assert.strictEqual(yield* say(yield* open(client, `user ${user}`), "onion"), "onion");
      }
      assert.lengthOf(sets(client), 4);
    }).pipe(Effect.scoped, inVirtualTime),
  );
});
