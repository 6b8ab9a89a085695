import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect, Stream } from "effect";
import { TestClock } from "effect/testing";
import { echo, inVirtualTime, MemoryTorNetwork, startClient, whileTimePasses } from "../index.ts";
import { threeDays } from "../three-days.ts";
import { assertAnswers } from "./support.ts";

/** A network with an echo at example.com, and a client that has just been started. */
const withClient = (options: MemoryTorNetwork.MemoryTorNetworkOptions = {}) =>
  Effect.gen(function* () {
    const network = yield* MemoryTorNetwork.make(options);
    yield* network.internet.serve("example.com", "93.184.216.34", 80, echo);
    const client = yield* startClient(network);
    return { network, client };
  });

describe("Allium's client in a network in memory", () => {
  it.effect("knows nothing but its authorities, and a second later it is ready", () =>
    Effect.gen(function* () {
      const { network, client } = yield* withClient();
      yield* whileTimePasses(client.ready, "1 second");
      yield* assertAnswers(client, { host: "example.com", port: 80 });
      // Directories of which no more than the address is known are asked by CREATE_FAST, over channels all the same.
      assert.isTrue(network.questions.every(({ port }) => port === "OR"));
    }).pipe(Effect.scoped, inVirtualTime),
  );

  it.effect("has nothing left in the network when it has gone", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make();
      yield* network.internet.serve("example.com", "93.184.216.34", 80, echo);
      yield* Effect.scoped(
        Effect.gen(function* () {
          const client = yield* startClient(network);
          yield* assertAnswers(client, { host: "example.com", port: 80 });
        }),
      );
      yield* TestClock.adjust("1 second");
      assert.strictEqual(
        network.relays.reduce((sum, { openCircuits }) => sum + openCircuits, 0),
        0,
      );
      assert.strictEqual(network.lines.connections() > 0, true);
      yield* TestClock.adjust("2 hours");
      assert.strictEqual(network.lines.connections(), 0);
    }).pipe(Effect.scoped, inVirtualTime),
  );

  it.effect("finds out, once it knows how long building takes, that a guard hangs: after two silent streams", () =>
    Effect.gen(function* () {
      // A few circuits are enough to know.
      const { network, client } = yield* withClient({ params: { cbtmincircs: 3, cbtmintimeout: 10 } });
      for (let visit = 0; visit < 6; visit++) {
        yield* assertAnswers(client, { host: "example.com", port: 80 });
        yield* TestClock.adjust("20 minutes");
      }
      const { tunnel } = yield* whileTimePasses(client.open({ host: "example.com", port: 80 }));
      const guard = client.tunnels().find(({ id }) => id === tunnel)?.legs[0]?.hops[0]?.nickname ?? "";
      network.relay(guard).stall(true);
      const began = yield* Clock.currentTimeMillis;
      yield* assertAnswers(client, { host: "example.com", port: 80 });
      const took = (yield* Clock.currentTimeMillis) - began;
      // Ten seconds each, and what a circuit may take until its guard has answered.
      assert.isTrue(took > 20_000 && took < 25_000, `${took} ms`);
      assert.isFalse(
        client.tunnels().some(({ state, legs }) => state === "open" && legs[0]?.hops[0]?.nickname === guard),
      );
    }).pipe(Effect.scoped, inVirtualTime),
  );

  it.effect("tells what it does", () =>
    Effect.gen(function* () {
      const { client } = yield* withClient();
      const phases: Array<string> = [];
      yield* Effect.forkScoped(
        Stream.runForEach(client.events, (event) =>
          Effect.sync(() => {
            if (event._tag === "Bootstrap" && phases.at(-1) !== event.status.phase) phases.push(event.status.phase);
          }),
        ),
      );
      yield* whileTimePasses(client.ready, "1 second");
      yield* TestClock.adjust("1 second");
      assert.strictEqual(phases.at(-1), "ready");
      assert.includeMembers(phases, ["consensus", "microdescriptors", "circuit"]);
    }).pipe(Effect.scoped, inVirtualTime),
  );
});

describe("three virtual days of a client", () => {
  it.effect(
    "circuits are built, used, expire, time out, break and are built again, the same to the byte for the same seed",
    () =>
      Effect.gen(function* () {
        const { trace, summary } = yield* inVirtualTime(threeDays("s10"));
        const { streams, failures, longest, ends, left, shared } = summary;
        assert.isAbove(streams, 150);
        assert.deepStrictEqual(failures, []);
        // A guard that hangs is found out when the first circuit through it has had its minute.
        assert.isBelow(longest, 120_000);
        assert.includeMembers(Object.keys(ends), [
          "not to be used any more",
          "not used",
          "measured",
          "the circuit took too long to build",
          "closed with DESTROYED",
        ]);
        assert.strictEqual(left, 0);
        assert.strictEqual(shared, 0, "an exit has seen two users on a circuit");
        const again = yield* inVirtualTime(threeDays("s10"));
        assert.deepStrictEqual(again.summary, summary);
        assert.strictEqual(again.trace, trace);
      }),
    // Ten seconds for each run; more on a machine under load.
    300_000,
  );
});
