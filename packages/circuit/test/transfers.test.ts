import { createHash } from "node:crypto";
import { type Connection, layerEntropySeeded } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect } from "effect";
import { TestClock } from "effect/testing";
import { pattern, readBytes } from "./support/application.ts";
import { echo } from "./support/echo-openers.ts";
import { aSecond, assertNothingLeft, type LabOptions, makeLab, openCircuit, openRaw, settled } from "./support/lab.ts";

const MEGABYTES = 5;
const BYTES = MEGABYTES * 1_000_000;

/** Sends to the exit while the exit sends to the client; resolves to what each has received. */
const bothWays = (options: LabOptions, congestionControl: boolean, bytes = BYTES) =>
  Effect.gen(function* () {
    const up = pattern(1, bytes);
    const down = pattern(2, bytes);
    const origins: Array<Connection> = [];
    const lab = yield* makeLab({ relays: 2, ...options, serve: (connection) => origins.push(connection) });
    const circuit = yield* openCircuit(lab, 2, { congestionControl });
    const { connection } = yield* settled(circuit.open(1, "example.com:80"));
    const start = yield* Clock.currentTimeMillis;
    connection.write(up);
    origins[0]!.write(down);
    const [received, sent] = yield* settled(
      Effect.all([readBytes(connection, bytes), readBytes(origins[0]!, bytes)], { concurrency: 2 }),
    );
    const millis = (yield* Clock.currentTimeMillis) - start;
    assert.isTrue(received.equals(down));
    assert.isTrue(sent.equals(up));
    origins[0]!.end();
    return { lab, circuit, millis };
  });

describe(`${MEGABYTES} MB each way at once, over lines with latency`, () => {
  for (const congestionControl of [true, false]) {
    for (const split of [false, true]) {
      for (const maxTrain of [1, 32]) {
        const name = [
          congestionControl ? "Vegas" : "fixed windows",
          `${split ? "split" : "single"} stream reactor`,
          `trains of ${maxTrain}`,
        ];
        it.effect(name.join(", "), () =>
          Effect.gen(function* () {
            const { lab, circuit, millis } = yield* bothWays(
              { split, maxTrain, limits: { maxTrain }, line: { latency: "5 millis" } },
              congestionControl,
            );
            // Two lines of 5 ms: 20 ms there and back, so windows bound the rate, and time has passed.
            assert.isAbove(millis, 100);
            const view = circuit.hops[1]!.view;
            assert.strictEqual(view.algorithm, congestionControl ? "vegas" : "fixed-window");
            if (congestionControl) assert.isAtLeast(view.minRttUs as number, 20_000);
            yield* circuit.group.stop("finished");
            yield* aSecond;
            assertNothingLeft(lab);
          }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded(name.join()))),
        );
      }
    }
  }
});

describe("the same seed", () => {
  const trace = Effect.gen(function* () {
    const { lab, millis } = yield* bothWays({ line: { latency: "3 millis", bandwidth: 4_000_000 } }, true, 300_000);
    const digest = createHash("sha256");
    for (const { name, items, writerBlocks } of lab.registry.snapshot().links) {
      digest.update(`${name} ${items} ${writerBlocks}\n`);
    }
    for (const channel of [lab.channel, ...lab.relays.flatMap((relay) => relay.channels.channels())]) {
      digest.update(JSON.stringify(channel.counters));
    }
    return `${millis} ms, ${digest.digest("hex")}`;
  }).pipe(Effect.scoped);

  it.effect("gives the same trace, to the cell and to the millisecond", () =>
    Effect.gen(function* () {
      const one = yield* Effect.provide(trace, layerEntropySeeded("same"));
      const other = yield* Effect.provide(trace, layerEntropySeeded("same"));
      assert.strictEqual(other, one);
    }),
  );
});

describe("an application that stops reading", () => {
  for (const split of [false, true]) {
    it.effect(`XOFF goes out, is kept to, and XON resumes (${split ? "split" : "single"})`, () =>
      Effect.gen(function* () {
        const origins: Array<Connection> = [];
        const lab = yield* makeLab({
          split,
          serve: (connection) => origins.push(connection),
          line: { latency: "5 millis" },
        });
        const circuit = yield* openCircuit(lab, 1, {});
        const { connection } = yield* settled(circuit.open(0, "example.com:80"));
        connection.write(Buffer.alloc(3_000_000));
        yield* TestClock.adjust("2 seconds");
        for (let step = 0; step < 400; step++) yield* TestClock.adjust("5 millis");
        const [handle] = lab.relays[0]!.circuits.circuits();
        const held = handle!.memory().total;
        // The threshold of 500 cells, and what was under way when it was passed.
        assert.isAbove(held, 200_000);
        assert.isBelow(held, 800_000);
        // Nothing more comes while it does not read.
        yield* TestClock.adjust("10 seconds");
        assert.strictEqual(handle!.memory().total, held);
        const all = yield* settled(readBytes(origins[0]!, 3_000_000));
        assert.strictEqual(all.length, 3_000_000);
      }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("xoff"))),
    );

    it.effect(
      `one that ignores XOFF stops its own circuit's input, and no other's (${split ? "split" : "single"})`,
      () =>
        Effect.gen(function* () {
          const limit = 100_000;
          const slow: Array<Connection> = [];
          const lab = yield* makeLab({
            split,
            limits: { streamBufferBytes: limit },
            serve: (connection, target) => {
              if (target.endsWith(":80")) echo(connection);
              else slow.push(connection);
            },
          });
          const circuit = yield* openRaw(lab, { congestionControl: true });
          circuit.begin(0, 1, 99);
          yield* settled(circuit.wait("CONNECTED"));
          const neighbour = yield* openCircuit(lab, 1);
          const { connection } = yield* settled(neighbour.open(0, "example.com:80"));
          for (let train = 0; train < 40; train++) circuit.sendData(0, 1, 32);
          yield* aSecond;
          const [handle] = lab.relays[0]!.circuits.circuits();
          const { streams, inboxes } = handle!.memory();
          assert.isAtMost(streams, limit + 32 * 498);
          // One train waits in the link, one is in the hands of ingress; the rest is in the inbox.
          assert.isAtLeast(inboxes, 40 * 32 * 509 - (limit / 498 + 1 + 4 * 32) * 509);
          assert.isUndefined(circuit.destroyed);
          const bytes = pattern(3, 400_000);
          connection.write(bytes);
          assert.isTrue((yield* settled(readBytes(connection, bytes.length))).equals(bytes));
          assert.strictEqual(handle!.memory().streams, streams);
          // And when it reads again, all of it is there.
          const late = yield* settled(readBytes(slow[0]!, 40 * 32 * 498));
          assert.strictEqual(late.length, 40 * 32 * 498);
          yield* aSecond;
          assert.strictEqual(handle!.memory().total, 0);
        }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("ignores"))),
    );
  }
});

describe("END", () => {
  it.effect("comes after all that the origin sent, however long the window keeps that waiting", () =>
    Effect.gen(function* () {
      const sent = pattern(4, 1_000_000);
      const lab = yield* makeLab({
        relays: 2,
        line: { latency: "2 millis" },
        serve: (connection) => {
          connection.write(sent);
          connection.end();
        },
      });
      for (const congestionControl of [true, false]) {
        const circuit = yield* openCircuit(lab, 2, { congestionControl });
        const { connection } = yield* settled(circuit.open(1, "example.com:80"));
        // Reads until the end.
        const received = yield* settled(readBytes(connection));
        assert.isTrue(received.equals(sent));
        assert.notStrictEqual(connection.status, "open");
        connection.end();
        yield* circuit.group.stop("finished");
      }
      yield* aSecond;
      assertNothingLeft(lab);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("end"))),
  );

  it.effect("and the other way: what the client sent before it closed reaches a slow origin", () =>
    Effect.gen(function* () {
      const origins: Array<Connection> = [];
      const lab = yield* makeLab({ serve: (connection) => origins.push(connection) });
      const circuit = yield* openCircuit(lab, 1);
      const { connection } = yield* settled(circuit.open(0, "example.com:80"));
      const sent = pattern(5, 100_000);
      connection.write(sent);
      connection.end();
      yield* aSecond;
      const received = yield* settled(readBytes(origins[0]!));
      assert.isTrue(received.equals(sent));
      origins[0]!.end();
      yield* circuit.group.stop("finished");
      yield* aSecond;
      assertNothingLeft(lab);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("slow origin"))),
  );

  it.effect("many streams of one circuit, opened and closed, leave nothing", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab({ relays: 2 });
      const circuit = yield* openCircuit(lab, 2);
      for (let round = 0; round < 3; round++) {
        const streams = yield* settled(
          Effect.all(
            Array.from({ length: 20 }, (_, index) => circuit.open(1, `example.com:${index + 2}`)),
            { concurrency: "unbounded" },
          ),
        );
        for (const [index, { connection }] of streams.entries()) {
          connection.write(Buffer.alloc(20_000, index));
        }
        for (const [index, { connection }] of streams.entries()) {
          const bytes = yield* settled(readBytes(connection, 20_000));
          assert.isTrue(bytes.equals(Buffer.alloc(20_000, index)));
          connection.end();
        }
        yield* aSecond;
      }
      const [handle] = lab.relays[1]!.circuits.circuits();
      assert.strictEqual(handle!.memory().total, 0);
      assert.strictEqual(lab.lingering.size, 0);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("many"))),
  );
});

describe("cells of this relay's own", () => {
  it.effect("are padded with random bytes: no two alike (tor-spec 6.1)", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab();
      const circuit = yield* openRaw(lab);
      for (let id = 1; id <= 20; id++) circuit.begin(0, id);
      yield* settled(circuit.wait("CONNECTED", 19));
      const paddings = circuit.received.map(({ cell, body }) => cell.subarray(11 + body.length + 4).toString("latin1"));
      assert.strictEqual(new Set(paddings).size, 20);
      // Messages of the circuit itself as well.
      for (let count = 0; count < 5; count++) circuit.send(0, 0, { _tag: "TRUNCATE" });
      yield* settled(circuit.wait("TRUNCATED", 4));
      const tails = circuit.received.slice(20).map(({ cell }) => cell.subarray(-16).toString("latin1"));
      assert.strictEqual(new Set(tails).size, 5);
      for (const { cell, body } of circuit.received) {
        assert.isTrue(cell.subarray(11 + body.length, 11 + body.length + 4).equals(Buffer.alloc(4)));
      }
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("padding"))),
  );
});
