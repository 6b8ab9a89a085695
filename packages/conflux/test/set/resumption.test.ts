import { ConfluxUx } from "@allium/cell";
import type { ClientCircuit } from "@allium/circuit";
import { RESEND_BYTES } from "@allium/conflux";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { whileTimePasses } from "../../../../test/memory-network/index.ts";
import { pattern, readBytes } from "../../../circuit/test/support/application.ts";
import { type Linked, makeLinked, openEcho, settle } from "./support.ts";

const LENGTH = 2_000_000;
const LINE = { latency: "20 millis", bandwidth: 500_000 } as const;

/** Sends much and reads it back, and has something happen when some of it is there. Whether all of it came, as it was. */
const echoWhile = ({ network, legs: [first] }: Linked, happening: Effect.Effect<unknown>) =>
  Effect.gen(function* () {
    const { connection } = yield* openEcho(first);
    const sent = pattern(1, LENGTH);
    // What is lost has to be on its way.
    for (const guard of ["guard0", "guard1"])
      for (const middle of ["middle0", "middle1"])
        network.lines.setLine(network.relay(guard).address, network.relay(middle).address, LINE);
    connection.write(sent);
    const early = yield* whileTimePasses(readBytes(connection, LENGTH / 10));
    yield* happening;
    const late = yield* whileTimePasses(readBytes(connection, LENGTH - early.length));
    return Buffer.concat([early, late]).equals(sent);
  });

const carriedLate = (leg: ClientCircuit): boolean => leg.end === undefined;

describe("a set that resumes", () => {
  it.effect.each(["guard0", "guard1", "middle0", "middle1"])("outlives %s, and every byte arrives both ways", (dead) =>
    Effect.gen(function* () {
      const linked = yield* makeLinked({ resumption: true }, ConfluxUx.HIGH_THROUGHPUT, true);
      assert.isTrue(yield* echoWhile(linked, linked.network.relay(dead).kill));
      yield* settle;
      assert.lengthOf(linked.set.legs, 1);
      assert.lengthOf(linked.legs.filter(carriedLate), 1);
      const [state] = linked.client.conflux.sets();
      assert.isAbove(state?.resending?.sentAgain ?? 0, 0);
    }).pipe(Effect.scoped),
  );

  it.effect("outlives a leg of whose end the exit hears nothing but from the client", () =>
    Effect.gen(function* () {
      const linked = yield* makeLinked({ resumption: true }, ConfluxUx.HIGH_THROUGHPUT, true);
      const { network, legs } = linked;
      const lost = Effect.sync(() => {
        network.relay("middle0").stall(true);
        legs[0].stop("finished");
      });
      assert.isTrue(yield* echoWhile(linked, lost));
      assert.strictEqual(network.relay("exit0").openCircuits, 1);
    }).pipe(Effect.scoped),
  );

  it.effect("ends with its last leg, as any does, and leaves nothing", () =>
    Effect.gen(function* () {
      const linked = yield* makeLinked({ resumption: true }, ConfluxUx.HIGH_THROUGHPUT, true);
      const { client, network, legs } = linked;
      const { connection } = yield* openEcho(legs[0]);
      connection.write(Buffer.alloc(LENGTH, "onion"));
      yield* whileTimePasses(readBytes(connection, LENGTH / 10));
      yield* network.relay("guard0").kill;
      yield* network.relay("guard1").kill;
      yield* whileTimePasses(readBytes(connection), "2 seconds");
      assert.strictEqual(connection.status, "closed");
      yield* settle;
      assert.deepStrictEqual(client.conflux.sets(), []);
      assert.strictEqual(network.relay("exit0").openCircuits, 0);
    }).pipe(Effect.scoped),
  );

  it.effect("keeps no more than it may of what nobody acknowledges, and ends if more is lost", () =>
    Effect.gen(function* () {
      const linked = yield* makeLinked(
        { resumption: true, params: { cc_cwnd_inc: 5_000, cc_cwnd_init: 10_000 } },
        ConfluxUx.MIN_LATENCY,
        true,
      );
      const { client, legs, network, set } = linked;
      const { connection } = yield* openEcho(legs[0]);
      const [used] = client.conflux.sets();
      // Nothing comes from the exit any more, and it takes what it is sent: no SENDME comes.
      for (const middle of ["middle0", "middle1"])
        network.lines.setLine(network.relay("exit0").address, network.relay(middle).address, { latency: "1 hour" });
      connection.write(Buffer.alloc(6_000_000, "onion"));
      yield* settle;
      yield* settle;
      const { bytes = 0 } = used?.resending ?? {};
      assert.isAbove(bytes, RESEND_BYTES * 0.98);
      assert.isAtMost(bytes, RESEND_BYTES);
      assert.isAtLeast(used?.account.bytes ?? 0, bytes);
      const [busy] = [...set.legs].sort((one, other) => other.seen.inflight - one.seen.inflight);
      legs.find((leg) => leg === busy?.circuit)?.stop("finished");
      yield* settle;
      assert.deepStrictEqual(client.conflux.sets(), []);
    }).pipe(Effect.scoped),
  );
});

describe("a set of two ends of which one does not resume", () => {
  it.effect.each([
    { exit: true, client: false },
    { exit: false, client: true },
  ])("ends with a leg that is in use: exit $exit, client $client", ({ exit, client: offers }) =>
    Effect.gen(function* () {
      const { client, legs, network } = yield* makeLinked({ resumption: exit }, ConfluxUx.HIGH_THROUGHPUT, offers);
      assert.isFalse(client.conflux.sets()[0]?.resumes);
      const { connection } = yield* openEcho(legs[0]);
      connection.write(Buffer.alloc(LENGTH, "onion"));
      yield* whileTimePasses(readBytes(connection, LENGTH / 10));
      yield* network.relay("guard0").kill;
      yield* whileTimePasses(readBytes(connection), "2 seconds");
      assert.strictEqual(connection.status, "closed");
    }).pipe(Effect.scoped),
  );
});
