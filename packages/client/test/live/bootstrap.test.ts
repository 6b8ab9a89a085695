import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber, Stream } from "effect";
import { TestClock } from "effect/testing";
import {
  echo,
  Lies,
  MemoryTorNetwork,
  startClient,
  whileTimePasses,
  writeConsensus,
} from "../../../../test/memory-network/index.ts";
import { GUARD_FLAGS } from "../../../../test/memory-network/plan.ts";
import type { BootstrapStatus, TorClientService } from "../../src/index.ts";
import { failureOf, open, say } from "./support.ts";

/** What a client tells of its status, gathered from now on. */
const follow = (client: TorClientService) =>
  Effect.gen(function* () {
    const seen: Array<BootstrapStatus> = [];
    yield* Effect.forkScoped(
      Stream.runForEach(client.events, (event) =>
        Effect.sync(() => {
          if (event._tag === "Bootstrap") seen.push(event.status);
        }),
      ),
    );
    return seen;
  });

describe("a client that starts", () => {
  it.effect("tells how far it has come, never backwards, and what it waits for", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make();
      const client = yield* startClient(network);
      const seen = yield* follow(client);
      yield* whileTimePasses(Effect.orDie(client.ready));
      yield* TestClock.adjust("1 second");
      const phases = seen.map(({ phase }) => phase);
      assert.deepStrictEqual([...new Set(phases)].at(-1), "ready");
      assert.includeMembers(phases, ["connecting", "consensus", "microdescriptors", "circuit", "ready"]);
      const progress = seen.map((status) => status.progress);
      assert.deepStrictEqual(
        progress,
        [...progress].sort((one, other) => one - other),
      );
      assert.strictEqual(progress.at(-1), 1);
      assert.isTrue(seen.every(({ waitsFor }) => waitsFor !== ""));
      assert.isTrue(seen.every(({ trouble }) => trouble === undefined));
    }).pipe(Effect.scoped),
  );

  it.effect("waits while nobody answers, says so, and goes on when somebody does", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make();
      const stop = network.answering(Lies.hasNothing);
      const client = yield* startClient(network);
      yield* TestClock.adjust("1 minute");
      assert.strictEqual(client.status().trouble?.problem, "no-directory");
      assert.isFalse(client.status().trouble?.final);
      assert.strictEqual(
        yield* failureOf(whileTimePasses(client.open({ host: "example.com", port: 80 }))),
        "not-bootstrapped",
      );
      stop();
      yield* whileTimePasses(Effect.orDie(client.ready), "1 hour");
      assert.isUndefined(client.status().trouble);
    }).pipe(Effect.scoped),
  );

  it.effect("says that the clock is wrong, if every consensus is of another time", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make();
      const draft = network.draft();
      for (const time of ["validAfter", "freshUntil", "validUntil"] as const) draft[time] += 14 * 24 * 3600 * 1000;
      network.answering(Lies.only({ target: "/tor/status-vote/" }, Lies.saysInstead(writeConsensus(draft))));
      const client = yield* startClient(network);
      yield* TestClock.adjust("1 minute");
      const { trouble, phase } = client.status();
      assert.notStrictEqual(phase, "ready");
      assert.strictEqual(trouble?.problem, "clock", trouble?.detail);
      assert.match(trouble?.detail ?? "", /clock/);
    }).pipe(Effect.scoped),
  );

  it.effect("builds nothing in a network that requires what it does not speak, and names it", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make({ start: Date.UTC(2027, 0, 1) });
      network.amend((draft) => {
        draft.requiredClientProtocols = "Link=4 Relay=2,33";
      });
      yield* network.publish;
      const client = yield* startClient(network);
      const error = yield* whileTimePasses(Effect.flip(client.ready));
      assert.strictEqual(error.problem, "protocols");
      assert.include(error.message, "Relay=33");
      assert.strictEqual(client.status().trouble?.final, true);
      yield* TestClock.adjust("1 minute");
      assert.lengthOf(
        client.tunnels().filter(({ purpose }) => purpose !== "directory"),
        0,
      );
    }).pipe(Effect.scoped),
  );

  it.effect("has no way out of a network without exits, and says so", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make({ relays: { guards: 3, middles: 3, exits: 0 } });
      const client = yield* startClient(network);
      yield* TestClock.adjust("1 minute");
      assert.strictEqual(client.status().phase, "circuit");
      assert.strictEqual(client.status().trouble?.problem, "no-path");
      const attempt = whileTimePasses(client.open({ host: "example.com", port: 80 }));
      assert.strictEqual(yield* failureOf(attempt), "no-exit");
    }).pipe(Effect.scoped),
  );

  it.effect("has no guard where the configuration allows none", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make({
        relays: [
          ...["guard0", "guard1"].map((nickname) => ({ nickname, flags: GUARD_FLAGS, orPort: 9002 })),
          { nickname: "middle0" },
          { nickname: "exit0", policy: ["accept *:*"] },
        ],
      });
      const client = yield* startClient(network, { reachability: { ports: new Set([9001]) } });
      yield* TestClock.adjust("1 minute");
      assert.notStrictEqual(client.status().phase, "ready");
      assert.strictEqual(client.status().trouble?.problem, "no-guard");
      // Where not even a directory may be connected to, nobody is.
      const shut = yield* startClient(network, { address: "9.0.0.2", reachability: { ports: new Set([443]) } });
      yield* TestClock.adjust("1 minute");
      assert.strictEqual(shut.status().trouble?.problem, "no-directory");
      assert.include(shut.status().trouble?.detail, "configuration");
      assert.isTrue(shut.status().trouble?.final);
      assert.strictEqual(network.questions.filter(({ from }) => from === "9.0.0.2").length, 0);
    }).pipe(Effect.scoped),
  );

  it.effect("uses other guards while its own are down", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make({ relays: { guards: 5, middles: 3, exits: 2 } });
      yield* network.internet.serve("example.com", "93.184.216.34", 80, echo);
      for (const nickname of ["guard0", "guard1", "guard2"]) yield* network.relay(nickname).kill;
      const client = yield* startClient(network);
      yield* whileTimePasses(Effect.orDie(client.ready), "30 minutes");
      assert.strictEqual(yield* say(yield* open(client), "onion"), "onion");
    }).pipe(Effect.scoped),
  );

  it.effect("is ready again after its network was away", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make();
      yield* network.internet.serve("example.com", "93.184.216.34", 80, echo);
      const client = yield* startClient(network);
      yield* whileTimePasses(Effect.orDie(client.ready));
      for (const relay of network.relays) relay.stall(true);
      const waiting = yield* Effect.forkChild(Effect.flip(client.open({ host: "example.com", port: 80 })));
      yield* TestClock.adjust("3 minutes");
      const error = yield* Effect.orDie(Fiber.join(waiting));
      const expected: ReadonlyArray<unknown> = ["timeout", "no-guard", "no-circuit", "circuit-closed"];
      assert.include(expected, error.failure);
      for (const relay of network.relays) relay.stall(false);
      yield* TestClock.adjust("15 minutes");
      assert.strictEqual(yield* say(yield* open(client), "back"), "back");
    }).pipe(Effect.scoped),
  );
});

describe("circuits that are slow", () => {
  it.effect("are given up by whoever waits, measured, and set the pace of those that follow", () =>
    Effect.gen(function* () {
      // Each message takes two seconds there and back to the middles.
      const network = yield* MemoryTorNetwork.make({ params: { cbtmincircs: 3, cbttestfreq: 1, cbtmintimeout: 500 } });
      yield* network.internet.serve("example.com", "93.184.216.34", 80, echo);
      const client = yield* startClient(network);
      yield* whileTimePasses(Effect.orDie(client.ready));
      // Enough are built to know how long it takes here.
      yield* TestClock.adjust("3 minutes");
      for (const middle of network.relays.filter(
        ({ nickname }) => nickname.startsWith("middle") && nickname !== "middle0",
      ))
        for (const other of network.relays)
          network.lines.setLine(middle.address, other.address, { latency: "20 seconds" });
      const stream = yield* open(client, "fresh");
      assert.strictEqual(yield* say(stream, "quick"), "quick");
      const { legs } = client.tunnels().find(({ id }) => id === stream.tunnel) ?? { legs: [] };
      assert.strictEqual(legs[0]?.hops[1]?.nickname, "middle0");
    }).pipe(Effect.scoped),
  );
});
