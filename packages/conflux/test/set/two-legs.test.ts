import { ConfluxUx } from "@allium/cell";
import { Topology } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { whileTimePasses } from "../../../../test/memory-network/index.ts";
import { readBytes } from "../../../circuit/test/support/application.ts";
import { buildLeg, echoes, makeLinked, makeNetwork, openEcho, settle } from "./support.ts";

describe("a set of two legs", () => {
  it.effect("carries a stream both ways, on both legs", () =>
    Effect.gen(function* () {
      const { client, legs, set } = yield* makeLinked();
      assert.lengthOf(set.legs, 2);
      assert.isTrue(yield* echoes(yield* openEcho(legs[0]), 1_000_000));
      const [state] = client.conflux.sets();
      for (const { leg } of set.legs.map(({ seen }) => seen)) {
        assert.isAbove(state?.sending.last(leg) ?? 0, 100, `sent on leg ${leg}`);
        assert.isAbove(state?.receiver.sequence.last(leg) ?? 0, 100, `received on leg ${leg}`);
      }
      assert.strictEqual(state?.receiver.queue.bytes, 0);
    }).pipe(Effect.scoped),
  );

  it.effect("carries many streams, asked for on whichever leg", () =>
    Effect.gen(function* () {
      const { legs } = yield* makeLinked();
      const results = yield* Effect.all(
        Array.from({ length: 20 }, (_, index) =>
          Effect.flatMap(openEcho(legs[index % 2]!), (stream) => echoes(stream, 20_000 + index)),
        ),
      );
      assert.deepStrictEqual(new Set(results), new Set([true]));
    }).pipe(Effect.scoped),
  );

  it.effect("keeps to the faster leg if latency is what is asked for", () =>
    Effect.gen(function* () {
      const { client, legs, set, network } = yield* makeLinked({}, ConfluxUx.MIN_LATENCY);
      network.lines.setLine(network.relay("middle1").address, network.relay("exit0").address, {
        latency: "100 millis",
      });
      assert.isTrue(yield* echoes(yield* openEcho(legs[0]), 500_000));
      const [state] = client.conflux.sets();
      assert.strictEqual(state?.sending.last(set.legs[1]!.seen.leg), 0);
    }).pipe(Effect.scoped),
  );

  it.effect("goes on when a leg ends that nothing was sent on", () =>
    Effect.gen(function* () {
      const { legs, set } = yield* makeLinked({}, ConfluxUx.MIN_LATENCY);
      const stream = yield* openEcho(legs[0]);
      assert.isTrue(yield* echoes(stream, 10_000));
      const [used, idle] = legs;
      idle.stop("finished");
      yield* whileTimePasses(idle.ended);
      yield* settle;
      assert.lengthOf(set.legs, 1);
      assert.isTrue(yield* echoes(stream, 10_000));
      assert.isUndefined(used.end);
    }).pipe(Effect.scoped),
  );

  it.effect("ends at once with a leg that is in use, and its application hears it", () =>
    Effect.gen(function* () {
      const { legs, client, network } = yield* makeLinked();
      const { connection } = yield* openEcho(legs[0]);
      connection.write(Buffer.alloc(2_000_000, "onion"));
      yield* whileTimePasses(readBytes(connection, 100_000));
      yield* network.relay("guard0").kill;
      yield* whileTimePasses(readBytes(connection), "2 seconds");
      assert.strictEqual(connection.status, "closed");
      yield* whileTimePasses(Effect.all([legs[0].ended, legs[1].ended]), "2 seconds");
      yield* settle;
      assert.deepStrictEqual(client.conflux.sets(), []);
      assert.strictEqual(network.relay("exit0").openCircuits, 0);
    }).pipe(Effect.scoped),
  );

  it.effect("ends with its last leg", () =>
    Effect.gen(function* () {
      const { legs, client } = yield* makeLinked();
      for (const leg of legs) {
        leg.stop("finished");
        yield* whileTimePasses(leg.ended);
      }
      yield* settle;
      assert.deepStrictEqual(client.conflux.sets(), []);
    }).pipe(Effect.scoped),
  );

  it.effect("is in the topology, with its legs", () =>
    Effect.gen(function* () {
      yield* makeLinked();
      const { groups } = yield* Topology.snapshot;
      const controllers = groups.flatMap(({ name, reactors }) =>
        reactors.flatMap((reactor) => (reactor.name === "controller" ? [{ set: name, ...reactor }] : [])),
      );
      // That of the client; relays of the network are in a topology of their own.
      assert.lengthOf(controllers, 1);
      for (const { reads, writes } of controllers) {
        assert.lengthOf(
          reads.filter(({ port }) => port.startsWith("from circuit")),
          2,
        );
        assert.lengthOf(
          writes.filter(({ port }) => port.startsWith("to circuit")),
          2,
        );
      }
    }).pipe(Effect.scoped),
  );

  it.effect("may get another leg while it is at work", () =>
    Effect.gen(function* () {
      const { legs, client, set } = yield* makeLinked();
      const stream = yield* openEcho(legs[0]);
      assert.isTrue(yield* echoes(stream, 300_000));
      const third = yield* buildLeg(client, 2);
      yield* Effect.orDie(whileTimePasses(set.link(third, 2)));
      assert.lengthOf(set.legs, 3);
      assert.isTrue(yield* echoes(stream, 1_000_000));
    }).pipe(Effect.scoped),
  );
});

describe("a set of one leg", () => {
  it.effect("does not wait for a circuit that has ended", () =>
    Effect.gen(function* () {
      const { client } = yield* makeNetwork();
      const leg = yield* buildLeg(client, 0);
      leg.stop("finished");
      yield* whileTimePasses(leg.ended);
      const set = client.conflux.begin({ desiredUx: ConfluxUx.NO_OPINION });
      yield* whileTimePasses(Effect.flip(set.link(leg, 2)), "1 second");
      yield* settle;
      assert.isTrue(set.isOver);
    }).pipe(Effect.scoped),
  );

  it.effect("is as good as a circuit", () =>
    Effect.gen(function* () {
      const { client } = yield* makeNetwork();
      const leg = yield* buildLeg(client, 0);
      const set = client.conflux.begin({ desiredUx: ConfluxUx.NO_OPINION });
      yield* Effect.orDie(whileTimePasses(set.link(leg, 2)));
      assert.isTrue(yield* echoes(yield* openEcho(leg), 200_000));
    }).pipe(Effect.scoped),
  );
});
