import { DestroyReason, EndReason } from "@allium/cell";
import { type Connection, layerEntropySeeded } from "@allium/channel";
import { MemoryQuota } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect } from "effect";
import { TestClock } from "effect/testing";
import { CIRCUITS } from "../src/index.ts";
import { pattern, readBytes } from "./support/application.ts";
import { echo } from "./support/echo-openers.ts";
import { aSecond, HOSTS, type Lab, makeLab, openCircuit, openRaw, settled } from "./support/lab.ts";
import type { RawCircuit } from "./support/raw-client.ts";
import { type RawRelay, startRawRelay } from "./support/raw-relay.ts";
import { makeTestIdentity } from "./support/relay-under-test.ts";
import { TableUnderTest } from "./support/table.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** A circuit of a client that stops reading, with an accomplice at its second hop. */
interface Deaf {
  readonly circuit: RawCircuit;
  readonly host: string;
}

/** Opens a circuit from `host` through the lab's first relay to the accomplice, and lets nothing more reach that host. */
const openDeaf = (lab: Lab, accomplice: RawRelay, host: string) =>
  Effect.gen(function* () {
    const channel = yield* lab.connect(host);
    const circuit = yield* openRaw(lab, {}, channel);
    circuit.extend(0, accomplice.identity);
    yield* settled(circuit.wait("EXTENDED2"));
    lab.memory.stall(HOSTS[0], host, true);
    return { circuit, host } satisfies Deaf;
  });

const startAccomplice = (lab: Lab) =>
  Effect.gen(function* () {
    const identity = yield* makeTestIdentity("10.9.9.9", 2, yield* Clock.currentTimeMillis);
    return yield* startRawRelay(lab.memory, identity);
  });

/** Cells that nobody will recognise: they are for the client to throw away. */
const noise = Buffer.alloc(32 * 509, 7);

const endsOf = (lab: Lab) =>
  lab.ends[0]!.map((cause) => (cause._tag === "Stopped" && cause.reason === "memory" ? "memory" : cause._tag));

describe("when memory is short", () => {
  // With less memory their channels' write buffers alone are more than what channels may have together.
  for (const [limit, victims] of [
    [72 * MIB, "circuits"],
    [16 * MIB, "channels"],
  ] as const) {
    it.effect(
      `200 clients that never read are kept within ${limit / MIB} MiB, and their neighbours notice nothing`,
      () =>
        Effect.gen(function* () {
          const lab = yield* makeLab({ relays: 2, memoryLimit: limit, line: { latency: "2 millis" } });
          const relay = lab.relays[0]!;
          const accomplice = yield* startAccomplice(lab);
          const neighbours = yield* Effect.forEach([1, 2, 3], () => openCircuit(lab, 2));
          const streams = yield* Effect.forEach(neighbours, (circuit) => settled(circuit.open(1, "example.com:80")));
          /** Each neighbour sends and has back a megabyte; how long that takes. */
          const transfers = Effect.gen(function* () {
            const start = yield* Clock.currentTimeMillis;
            yield* Effect.forEach(
              streams,
              ({ connection }, index) => {
                const bytes = pattern(index, 1_000_000);
                connection.write(bytes);
                return Effect.map(readBytes(connection, bytes.length), (got) => assert.isTrue(got.equals(bytes)));
              },
              { concurrency: "unbounded" },
            );
            return (yield* Clock.currentTimeMillis) - start;
          });
          yield* settled(transfers);
          const alone = yield* settled(transfers);

          const deaf: Array<Deaf> = [];
          for (let index = 0; index < 200; index++) {
            deaf.push(yield* openDeaf(lab, accomplice, `10.2.${index >> 6}.${1 + (index & 63)}`));
          }
          // Theirs, the neighbours', the exit's and the accomplice's.
          assert.strictEqual(relay.channels.channels().length, 203);
          // While the neighbours go on.
          const flood = Effect.gen(function* () {
            for (let round = 0; round < 50; round++) {
              for (const { near } of accomplice.circuits)
                near.outbox.push({ command: 3, count: 32, slab: Buffer.from(noise) });
              yield* Effect.sleep("4 millis");
            }
            while (accomplice.circuits.some(({ near }) => near.outbox.cells > 0)) yield* Effect.sleep("4 millis");
          });
          const [beside] = yield* settled(Effect.all([transfers, flood], { concurrency: "unbounded" }));
          const again = yield* settled(transfers);

          const sent = 200 * 50 * noise.length;
          assert.isAbove(sent, 2 * limit);
          assert.isAbove(relay.memory.peak, limit);
          // What one turn of the event loop may bring before the limit is enforced: a little from each accomplice's circuit.
          assert.isBelow(relay.memory.peak, limit + 200 * noise.length);
          assert.isAtMost(relay.memory.used, limit);
          assert.isAtMost(Math.max(beside, again), 1.1 * alone);
          for (const circuit of neighbours) assert.isUndefined(circuit.group.cause);
          const reclaimed = relay.memory.sums().find(({ kind }) => kind.name === victims)!;
          assert.isAbove(reclaimed.reclaimedHolders, 50);
          if (victims === "channels") return;
          assert.strictEqual(endsOf(lab).filter((end) => end === "memory").length, reclaimed.reclaimedHolders);
          assert.strictEqual(endsOf(lab).length, reclaimed.reclaimedHolders);
          // The accomplice was told why.
          const reasons = accomplice.circuits.flatMap(({ destroyed }) => destroyed ?? []);
          assert.strictEqual(reasons.length, reclaimed.reclaimedHolders);
          assert.deepStrictEqual([...new Set(reasons)], [DestroyReason.RESOURCELIMIT]);
        }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("200"))),
      60_000,
    );
  }

  it.effect("the circuit with the oldest bytes goes first, not the largest or the newest", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab({ memoryLimit: MIB, relays: 1 });
      const accomplice = yield* startAccomplice(lab);
      const deaf = yield* Effect.forEach(["10.2.0.1", "10.2.0.2", "10.2.0.3"], (host) =>
        openDeaf(lab, accomplice, host),
      );
      const push = (index: number, trains: number) =>
        Effect.gen(function* () {
          for (let train = 0; train < trains; train++) {
            accomplice.circuits[index]!.near.outbox.push({ command: 3, count: 32, slab: Buffer.from(noise) });
          }
          yield* Effect.repeat(TestClock.adjust("1 millis"), { times: 60 });
        });
      const alive = () => {
        const open = lab.relays[0]!.circuits.circuits();
        return deaf.map(({ circuit }) => open.some(({ near }) => near.circId === circuit.near.circId));
      };
      yield* push(1, 12);
      yield* push(0, 20);
      yield* push(2, 15);
      assert.deepStrictEqual(alive(), [true, true, true]);
      // From its limit down to three quarters of it: a little more than the first two have.
      yield* push(2, 30);
      assert.deepStrictEqual(alive(), [false, false, true]);
      yield* push(2, 5);
      assert.deepStrictEqual(alive(), [false, false, true]);
      assert.deepStrictEqual(endsOf(lab), ["memory", "memory"]);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("oldest"))),
  );

  for (const split of [false, true]) {
    it.effect(`streams' bytes count, and do not linger after the circuit (${split ? "split" : "single"})`, () =>
      Effect.gen(function* () {
        const origins: Array<Connection> = [];
        const lab = yield* makeLab({
          split,
          memoryLimit: 600 * KIB,
          limits: { streamBufferBytes: 10 * MIB },
          serve: (connection, target) => (target.endsWith(":80") ? echo(connection) : origins.push(connection)),
        });
        const neighbour = yield* openCircuit(lab, 1);
        const { connection } = yield* settled(neighbour.open(0, "example.com:80"));
        const hostile = yield* openRaw(lab, { congestionControl: true });
        hostile.begin(0, 1, 99);
        yield* settled(hostile.wait("CONNECTED"));
        hostile.sendData(0, 1, 32 * 30);
        yield* aSecond;
        const { memory, circuits } = lab.relays[0]!;
        // The destination does not read: all is there.
        assert.strictEqual(memory.used, 30 * 32 * 498);
        assert.strictEqual(circuits.circuits().length, 2);
        const bytes = pattern(1, 100_000);
        connection.write(bytes);
        assert.isTrue((yield* settled(readBytes(connection, bytes.length))).equals(bytes));
        hostile.sendData(0, 1, 32 * 10);
        yield* aSecond;
        assert.strictEqual(memory.used, 0);
        assert.strictEqual(hostile.destroyed, DestroyReason.RESOURCELIMIT);
        assert.strictEqual(lab.lingering.size, 0);
        assert.strictEqual(origins[0]!.status, "closed");
        assert.strictEqual(origins[0]!.failure?.kind, "reset");
        assert.deepStrictEqual(endsOf(lab), ["memory"]);
        connection.write(bytes);
        assert.isTrue((yield* settled(readBytes(connection, bytes.length))).equals(bytes));
      }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("streams"))),
    );
  }

  it("answers that nobody collects count, the oldest by when it came, until they are sent or the circuit ends", () => {
    const quota = new MemoryQuota();
    const memory = quota.open(CIRCUITS, { oldest: () => undefined, reclaim: () => {} });
    const under = new TableUnderTest({ memory });
    const before = memory.adjust(0);
    const begin = { _tag: "BEGIN", destination: { family: "name", address: "a.b" }, port: 1, flags: 0 } as const;
    const refused = Array.from({ length: 32 }, (_, index) => [index + 1, begin] as const);
    while (!under.table.blocked) under.deliver(...refused);
    const waiting = memory.bytes;
    assert.isAtLeast(waiting, 256 * 200);
    assert.strictEqual(under.table.heldBytes, waiting);
    assert.isAbove(under.table.oldest()!, before);
    assert.strictEqual(under.collect().length, 256);
    assert.strictEqual(memory.bytes, 0);
    assert.isUndefined(under.table.oldest());
    under.deliver(...refused);
    assert.isAbove(memory.bytes, 0);
    under.table.closeAll(EndReason.DESTROY);
    assert.strictEqual(memory.bytes, 0);
  });
});
