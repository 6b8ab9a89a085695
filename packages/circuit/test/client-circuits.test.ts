import { ChannelCommand, DestroyReason, EndReason, encodeChannelBody } from "@allium/cell";
import { type CreateRequest, Entropy, layerEntropySeeded, MemoryNetwork } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber, Option } from "effect";
import { TestClock } from "effect/testing";
import { describeEnd, type HopFailed } from "../src/index.ts";
import { pattern, readBytes } from "./support/application.ts";
import { beginOf, hopOf, makeClient } from "./support/client-circuit.ts";
import { aSecond, assertNothingLeft, CLIENT, connectAsClient, makeLab, settled } from "./support/lab.ts";
import { type RawRelayCircuit, startRawRelay } from "./support/raw-relay.ts";
import { makeTestIdentity } from "./support/relay-under-test.ts";

const NOW = Date.UTC(2026, 0, 1);

/** Relays that keep the rules, and a client. */
const withLab = (relays: number) =>
  Effect.gen(function* () {
    const lab = yield* makeLab({ relays });
    const client = yield* makeClient(lab.channel, { entropy: lab.entropy });
    const [first, ...rest] = lab.relays.map(({ identity }) => hopOf(identity));
    const build = Effect.gen(function* () {
      const circuit = yield* client.create(first!);
      for (const hop of rest) yield* circuit.extend(hop);
      return circuit;
    });
    return { lab, client, build: settled(build) };
  });

/** A first relay that does what it is told to, and a client. */
const withRawRelay = (onCreate?: (request: CreateRequest) => boolean) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(NOW);
    const memory = yield* MemoryNetwork.make();
    const identity = yield* makeTestIdentity("10.0.0.9", 0, NOW);
    const other = yield* makeTestIdentity("10.0.0.8", 1, NOW);
    const relay = yield* Effect.orDie(startRawRelay(memory, identity, onCreate === undefined ? {} : { onCreate }));
    const channel = yield* connectAsClient(memory, CLIENT, identity);
    const client = yield* makeClient(channel, { entropy: yield* Entropy });
    return { relay, channel, client, first: hopOf(identity), next: hopOf(other) };
  });

/** A circuit whose first relay has been asked to extend it; `error` is what becomes of it. */
const extending = Effect.gen(function* () {
  const { relay, client, first, next } = yield* withRawRelay();
  const circuit = yield* settled(client.create(first));
  const fiber = yield* Effect.forkChild(flipped(circuit.extend(next)));
  yield* aSecond;
  return { circuit, near: relay.circuits[0]!, error: Fiber.join(fiber) };
});

/** A circuit of which a stream has been asked for; `error` is what becomes of it. */
const opening = Effect.gen(function* () {
  const { relay, client, first } = yield* withRawRelay();
  const circuit = yield* settled(client.create(first));
  const fiber = yield* Effect.forkChild(settled(Effect.flip(circuit.open(beginOf("example.com:80")))));
  yield* aSecond;
  return { circuit, near: relay.circuits[0]!, error: Fiber.join(fiber) };
});

const flipped = <A, R>(effect: Effect.Effect<A, HopFailed, R>) => settled(Effect.flip(effect));

describe("a client's circuit", () => {
  it.effect("leads through the relays that it was extended to, and says so", () =>
    Effect.gen(function* () {
      const { lab, client, build } = yield* withLab(3);
      const circuit = yield* build;
      assert.deepStrictEqual(
        circuit.path.map(({ target }) => target.endpoints[0]?.host),
        lab.relays.map(({ identity }) => identity.host),
      );
      assert.deepStrictEqual(client.circuits(), [circuit]);
      assert.strictEqual(circuit.congestion(2)?.algorithm, "vegas");
      circuit.stop("finished");
      yield* aSecond;
      assert.deepStrictEqual(circuit.end, { cause: { _tag: "Stopped", reason: "finished" } });
      assert.deepStrictEqual(client.circuits(), []);
      assertNothingLeft(lab);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("path"))),
  );

  it.effect("begins with CREATE_FAST at a relay whose onion key is not known", () =>
    Effect.gen(function* () {
      const { lab, client } = yield* withLab(1);
      const circuit = yield* settled(client.create({ ...hopOf(lab.relays[0]!.identity), onionKey: undefined }));
      assert.strictEqual(lab.relays[0]!.circuits.counters.handshakes.fast, 1);
      const { connection } = yield* settled(circuit.open({ _tag: "BEGIN_DIR" }));
      connection.write(Buffer.from("GET"));
      assert.strictEqual((yield* settled(readBytes(connection, 3))).toString(), "GET");
      assert.strictEqual(circuit.congestion(0)?.algorithm, "fixed-window");
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("fast"))),
  );

  it.effect("has no stream reactor at a hop before a stream is asked for there, and one for all of them then", () =>
    Effect.gen(function* () {
      const { build } = yield* withLab(2);
      const circuit = yield* build;
      assert.deepStrictEqual([circuit.paths.state(0), circuit.paths.state(1)], ["empty", "empty"]);
      const streams = Array.from({ length: 20 }, () => circuit.open(beginOf("example.com:80")));
      const opened = yield* settled(Effect.all(streams, { concurrency: "unbounded" }));
      assert.deepStrictEqual([circuit.paths.state(0), circuit.paths.state(1)], ["empty", "direct"]);
      assert.strictEqual(circuit.streams, 20);
      for (const { connection } of opened) connection.end();
      yield* aSecond;
      assert.strictEqual(circuit.streams, 0);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("lazy"))),
  );

  it.effect("ends with the client's scope", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab();
      const first = hopOf(lab.relays[0]!.identity);
      yield* Effect.scoped(
        Effect.flatMap(makeClient(lab.channel, { entropy: lab.entropy }), ({ create }) => settled(create(first))),
      );
      yield* aSecond;
      assertNothingLeft(lab);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("scope"))),
  );
});

describe("a relay that does not become the first hop", () => {
  const cases: ReadonlyArray<{
    readonly what: string;
    readonly onCreate: (request: CreateRequest) => void;
    readonly problem: RegExp;
  }> = [
    {
      what: "since it refuses",
      onCreate: (request) => request.refuse(DestroyReason.RESOURCELIMIT),
      problem: /^hop 0 \(\$[0-9A-F]{40}\): closed with RESOURCELIMIT$/,
    },
    {
      what: "since it hangs up",
      onCreate: ({ channel }) => channel.close("shutdown"),
      problem: /: the channel closed$/,
    },
    {
      what: "since its answer proves another key",
      onCreate: (request) =>
        request
          .accept({ inbound: { notify: () => {} } as never })
          .sendCell(ChannelCommand.CREATED2, encodeChannelBody({ _tag: "CREATED2", handshake: Buffer.alloc(96, 9) })),
      problem: /: its answer is wrong: ntor-v3 handshake/,
    },
    {
      what: "since its answer is cut short",
      onCreate: (request) =>
        request
          .accept({ inbound: { notify: () => {} } as never })
          .sendCell(ChannelCommand.CREATED2, encodeChannelBody({ _tag: "CREATED2", handshake: Buffer.alloc(3) })),
      problem: /: its answer is wrong: ntor-v3 handshake/,
    },
    {
      what: "since it answers CREATE2 as CREATE_FAST is answered",
      onCreate: (request) =>
        request
          .accept({ inbound: { notify: () => {} } as never })
          .sendCell(ChannelCommand.CREATED_FAST, Buffer.alloc(509)),
      problem: /: its answer is wrong/,
    },
  ];
  for (const { what, onCreate, problem } of cases) {
    it.effect(`${what}: the error names it, and nothing is left`, () =>
      Effect.gen(function* () {
        const { channel, client, first } = yield* withRawRelay((request) => {
          onCreate(request);
          return true;
        });
        const error = yield* flipped(client.create(first));
        assert.match(error.message, problem);
        yield* aSecond;
        assert.strictEqual(channel.circuitCount, 0);
        assert.deepStrictEqual(client.circuits(), []);
      }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded(what))),
    );
  }

  it.effect("since it never answers: whoever gives up leaves nothing behind", () =>
    Effect.gen(function* () {
      const { channel, client, first } = yield* withRawRelay((request) => {
        request.accept({ inbound: { notify: () => {} } as never });
        return true;
      });
      const fiber = yield* Effect.forkChild(Effect.timeoutOption(client.create(first), "10 seconds"));
      yield* aSecond;
      assert.strictEqual(channel.circuitCount, 1);
      yield* TestClock.adjust("10 seconds");
      assert.isTrue(Option.isNone(yield* Fiber.join(fiber)));
      assert.strictEqual(channel.circuitCount, 0);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("silent"))),
  );
});

describe("a relay that does not become the next hop", () => {
  it.effect("since the one before says TRUNCATED: the circuit is over, with the reason that came", () =>
    Effect.gen(function* () {
      const { circuit, near, error: failure } = yield* extending;
      assert.deepStrictEqual(
        near.poll().map(({ tag }) => tag),
        ["EXTEND2"],
      );
      assert.deepStrictEqual(near.commands, [ChannelCommand.RELAY_EARLY]);
      near.send(0, { _tag: "TRUNCATED", reason: DestroyReason.CONNECTFAILED });
      const error = yield* failure;
      assert.match(error.message, /^hop 1 \(.*: closed with CONNECTFAILED$/);
      assert.isDefined(circuit.end);
      yield* aSecond;
      assert.strictEqual(near.destroyed, DestroyReason.NONE);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("truncated"))),
  );

  it.effect("since whoever answers does not have its key", () =>
    Effect.gen(function* () {
      const { near, error: failure } = yield* extending;
      near.send(0, { _tag: "EXTENDED2", handshake: Buffer.alloc(96, 1) });
      const error = yield* failure;
      assert.match(error.message, /^hop 1 \(.*: its answer is wrong: ntor-v3 handshake/);
      yield* aSecond;
      assert.strictEqual(near.destroyed, DestroyReason.NONE);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("wrong key"))),
  );

  it.effect("since nobody waits any longer: the circuit is over", () =>
    Effect.gen(function* () {
      const { relay, client, first, next } = yield* withRawRelay();
      const circuit = yield* settled(client.create(first));
      const extending = yield* Effect.forkChild(Effect.timeoutOption(circuit.extend(next), "10 seconds"));
      yield* aSecond;
      yield* TestClock.adjust("10 seconds");
      assert.isTrue(Option.isNone(yield* Fiber.join(extending)));
      yield* aSecond;
      assert.isDefined(circuit.end);
      assert.strictEqual(relay.circuits[0]!.destroyed, DestroyReason.NONE);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("impatient"))),
  );

  it.effect("since the circuit has ended already", () =>
    Effect.gen(function* () {
      const { client, first, next } = yield* withRawRelay();
      const circuit = yield* settled(client.create(first));
      circuit.stop("finished");
      yield* aSecond;
      const error = yield* flipped(circuit.extend(next));
      assert.match(error.message, /: the circuit ended: finished$/);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("too late"))),
  );
});

describe("the end of a client's circuit, in words", () => {
  const cases: ReadonlyArray<readonly [words: string, end: (near: RawRelayCircuit) => void]> = [
    ["closed with RESOURCELIMIT", ({ near }) => near.destroy(DestroyReason.RESOURCELIMIT)],
    ["closed with reason 99", ({ near }) => near.destroy(99)],
    ["the channel closed", ({ near }) => near.channel.close("shutdown")],
  ];
  for (const [words, end] of cases) {
    it.effect(words, () =>
      Effect.gen(function* () {
        const { relay, client, first } = yield* withRawRelay();
        const circuit = yield* settled(client.create(first));
        end(relay.circuits[0]!);
        yield* aSecond;
        assert.strictEqual(circuit.end && describeEnd(circuit.end), words);
      }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded(words))),
    );
  }
});

describe("a stream of a client", () => {
  const open = Effect.gen(function* () {
    const { relay, client, first } = yield* withRawRelay();
    const circuit = yield* settled(client.create(first));
    const opening = yield* Effect.forkChild(settled(circuit.open(beginOf("example.com:80"))));
    yield* aSecond;
    const near = relay.circuits[0]!;
    const streamId = near.poll()[0]!.streamId;
    near.send(streamId, { _tag: "CONNECTED", resolved: undefined });
    const { connection } = yield* Fiber.join(opening);
    return { circuit, near, streamId, connection };
  });

  it.effect("ends in order with END DONE, behind the last byte", () =>
    Effect.gen(function* () {
      const { near, streamId, connection } = yield* open;
      const sent = pattern(1, 498);
      near.send(streamId, { _tag: "DATA", data: sent });
      near.send(streamId, { _tag: "END", reason: EndReason.DONE, resolved: undefined });
      assert.isTrue((yield* settled(readBytes(connection))).equals(sent));
      assert.isUndefined(connection.failure);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("done"))),
  );

  it.effect("breaks with any other END, behind the last byte, and says how", () =>
    Effect.gen(function* () {
      const { near, streamId, connection } = yield* open;
      const sent = pattern(1, 498);
      near.send(streamId, { _tag: "DATA", data: sent });
      near.send(streamId, { _tag: "END", reason: EndReason.CONNRESET, resolved: undefined });
      assert.isTrue((yield* settled(readBytes(connection))).equals(sent));
      assert.deepInclude(connection.failure, { kind: "reset", code: "END_CONNRESET" });
      assert.strictEqual(connection.status, "closed");
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("reset"))),
  );

  it.effect("breaks with its circuit", () =>
    Effect.gen(function* () {
      const { near, connection } = yield* open;
      near.near.destroy(DestroyReason.CHANNEL_CLOSED);
      yield* aSecond;
      assert.strictEqual(connection.status, "closed");
      assert.deepInclude(connection.failure, { kind: "other", code: "END_DESTROY" });
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("with it"))),
  );

  it.effect("tells its hop that it ends, and not why", () =>
    Effect.gen(function* () {
      const { near, connection } = yield* open;
      connection.destroy();
      yield* aSecond;
      assert.deepInclude(near.poll().at(-1)?.message, { _tag: "END", reason: EndReason.MISC });
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("misc"))),
  );

  it.effect("that is refused fails with the END that came", () =>
    Effect.gen(function* () {
      const { circuit, near, error: failure } = yield* opening;
      near.send(near.poll()[0]!.streamId, { _tag: "END", reason: EndReason.EXITPOLICY, resolved: undefined });
      const error = yield* failure;
      assert.strictEqual(error._tag, "StreamEnded");
      assert.strictEqual(error.message, "the stream was ended with EXITPOLICY");
      assert.strictEqual(circuit.streams, 0);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("refused"))),
  );

  it.effect("that waits when its circuit ends fails with that, and none is opened any more", () =>
    Effect.gen(function* () {
      const { circuit, near, error: failure } = yield* opening;
      near.near.destroy(DestroyReason.RESOURCELIMIT);
      const error = yield* failure;
      assert.strictEqual(error._tag, "CircuitGone");
      assert.strictEqual((yield* Effect.flip(circuit.open(beginOf("example.com:80"))))._tag, "CircuitGone");
      assert.strictEqual((yield* Effect.flip(circuit.open({ _tag: "BEGIN_DIR" })))._tag, "CircuitGone");
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("gone"))),
  );

  it.effect("that nobody waits for any longer is ended at its hop", () =>
    Effect.gen(function* () {
      const { relay, client, first } = yield* withRawRelay();
      const circuit = yield* settled(client.create(first));
      const opening = yield* Effect.forkChild(circuit.open(beginOf("example.com:80")));
      yield* aSecond;
      yield* Fiber.interrupt(opening);
      yield* aSecond;
      assert.deepStrictEqual(
        relay.circuits[0]!.poll().map(({ tag }) => tag),
        ["BEGIN", "END"],
      );
      assert.strictEqual(circuit.streams, 0);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("given up"))),
  );
});
