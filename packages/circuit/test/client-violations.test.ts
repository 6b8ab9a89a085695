import { ChannelCommand, DestroyReason, EndReason, RelayCommand, type RelayMessage } from "@allium/cell";
import { Entropy, layerEntropySeeded, MemoryNetwork } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { readBytes } from "./support/application.ts";
import { type ClientCircuit, createClientCircuit } from "./support/client-circuit.ts";
import { aSecond, CLIENT, connectAsClient, errorOf, settled } from "./support/lab.ts";
import { type RawRelayCircuit, startRawRelay } from "./support/raw-relay.ts";
import { makeTestIdentity } from "./support/relay-under-test.ts";

const NOW = Date.UTC(2026, 0, 1);

/** Two client-shaped circuits over one channel to a relay that does what it is told to. */
const clients = (congestionControl: boolean) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(NOW);
    const memory = yield* MemoryNetwork.make();
    const identity = yield* makeTestIdentity("10.0.0.9", 0, NOW);
    const relay = yield* Effect.orDie(startRawRelay(memory, identity));
    const entropy = yield* Entropy;
    const channel = yield* connectAsClient(memory, CLIENT, identity);
    const create = settled(createClientCircuit(channel, identity, { entropy, congestionControl }));
    const circuit = yield* create;
    const neighbour = yield* create;
    const [near, other] = relay.circuits as [RawRelayCircuit, RawRelayCircuit];
    return { circuit, near, neighbour, other };
  });

/** Answers the stream request number `index` that has come. */
const answer = (near: RawRelayCircuit, index = 0) =>
  Effect.gen(function* () {
    yield* aSecond;
    const request = near.poll().filter(({ tag }) => tag === "BEGIN" || tag === "RESOLVE")[index];
    assert.isDefined(request);
    const streamId = request?.streamId ?? 0;
    if (request?.tag === "BEGIN") near.send(streamId, { _tag: "CONNECTED", resolved: undefined });
    else near.send(streamId, { _tag: "RESOLVED", answers: [] });
    return streamId;
  });

/** Opens a stream; returns its ID and the application's end. */
const open = (circuit: ClientCircuit, near: RawRelayCircuit) =>
  Effect.gen(function* () {
    const [{ connection }, streamId] = yield* Effect.all(
      [Effect.mapError(circuit.open(0, "example.com:80"), (end) => new Error(end._tag)), answer(near)],
      { concurrency: 2 },
    ).pipe(Effect.orDie);
    return { connection, streamId };
  });

interface Violation {
  readonly what: string;
  readonly where: RegExp;
  readonly congestionControl?: boolean;
  readonly commit: (circuit: ClientCircuit, near: RawRelayCircuit) => void | Effect.Effect<void>;
}

/** What a relay may not say on an open stream. */
const onStream =
  (say: (near: RawRelayCircuit, streamId: number) => void) => (circuit: ClientCircuit, near: RawRelayCircuit) =>
    Effect.map(open(circuit, near), ({ streamId }) => say(near, streamId));

/** What a relay may not say once the client has closed a stream. */
const afterClose =
  (say: (near: RawRelayCircuit, streamId: number) => void) => (circuit: ClientCircuit, near: RawRelayCircuit) =>
    Effect.gen(function* () {
      const { connection, streamId } = yield* open(circuit, near);
      connection.end();
      yield* aSecond;
      assert.strictEqual(near.poll().at(-1)?.tag, "END");
      say(near, streamId);
    });

/** What a relay may not answer to a request of its client. */
const inAnswerTo =
  (ask: (circuit: ClientCircuit) => Effect.Effect<unknown, unknown>, message: RelayMessage) =>
  (circuit: ClientCircuit, near: RawRelayCircuit) =>
    Effect.gen(function* () {
      yield* Effect.forkChild(Effect.ignore(ask(circuit)));
      yield* aSecond;
      near.send(near.poll()[0]?.streamId ?? 0, message);
    });

const opening = (circuit: ClientCircuit) => circuit.open(0, "example.com:80");
const resolving = (circuit: ClientCircuit) => circuit.resolve(0, "example.com");

const CONNECTED = { _tag: "CONNECTED", resolved: undefined } as const;
const DATA = { _tag: "DATA", data: Buffer.alloc(498) } as const;
const END = { _tag: "END", reason: EndReason.DONE, resolved: undefined } as const;

const violations: ReadonlyArray<Violation> = [
  {
    what: "a cell that no hop sent",
    where: /^RELAY$/,
    commit: (_, near) => near.sendNoise(Buffer.alloc(509, 7)),
  },
  {
    what: "RELAY_EARLY towards the client",
    where: /RELAY_EARLY/,
    commit: (_, near) => near.send(0, { _tag: "DROP" }, ChannelCommand.RELAY_EARLY),
  },
  {
    what: "a message that only a client sends",
    where: /BEGIN/,
    commit: (_, near) => near.sendBody(3, RelayCommand.BEGIN, Buffer.from("a.b:80\0")),
  },
  {
    what: "EXTENDED2 that was not asked for",
    where: /EXTENDED2/,
    commit: (_, near) => near.send(0, { _tag: "EXTENDED2", handshake: Buffer.alloc(64) }),
  },
  {
    what: "a message of the circuit that nobody knows",
    where: /UNRECOGNIZED/,
    commit: (_, near) => near.sendBody(0, 200, Buffer.alloc(0)),
  },
  {
    what: "CONFLUX_LINKED without a link",
    where: /CONFLUX_LINKED/,
    commit: (_, near) =>
      near.sendBody(0, RelayCommand.CONFLUX_LINKED, Buffer.concat([Buffer.from([1]), Buffer.alloc(49)])),
  },
  {
    what: "a malformed TRUNCATED",
    where: /TRUNCATED/,
    commit: (_, near) => near.sendBody(0, RelayCommand.TRUNCATED, Buffer.alloc(0)),
  },
  { what: "DATA from a hop without streams", where: /^DATA$/, commit: (_, near) => near.send(9, DATA) },
  { what: "END from a hop without streams", where: /^END$/, commit: (_, near) => near.send(9, END) },
  {
    what: "DATA for a stream that never was",
    where: /stream/,
    commit: onStream((near, id) => near.send(id ^ 1, DATA)),
  },
  {
    what: "END for a stream that never was",
    where: /stream/,
    commit: onStream((near, id) => near.send(id ^ 1, END)),
  },
  { what: "DATA before CONNECTED", where: /DATA/, commit: inAnswerTo(opening, DATA) },
  { what: "CONNECTED twice", where: /CONNECTED/, commit: onStream((near, id) => near.send(id, CONNECTED)) },
  {
    what: "RESOLVED for a BEGIN",
    where: /RESOLVED/,
    commit: inAnswerTo(opening, { _tag: "RESOLVED", answers: [] }),
  },
  { what: "CONNECTED for a RESOLVE", where: /CONNECTED/, commit: inAnswerTo(resolving, CONNECTED) },
  {
    what: "END twice",
    where: /stream/,
    commit: onStream((near, id) => {
      near.send(id, END);
      near.send(id, END);
    }),
  },
  {
    what: "a stream SENDME that nothing was sent for",
    where: /flow control/,
    congestionControl: false,
    commit: onStream((near, id) => near.send(id, { _tag: "SENDME", version: 0 })),
  },
  {
    what: "XOFF before much was sent",
    where: /flow control/,
    commit: onStream((near, id) => near.send(id, { _tag: "XOFF" })),
  },
  {
    what: "XON before anything was sent",
    where: /flow control/,
    commit: onStream((near, id) => near.send(id, { _tag: "XON", kilobytesPerSecond: 0 })),
  },
  {
    what: "a SENDME of the circuit that nothing was sent for",
    where: /SENDME/,
    commit: (_, near) => near.send(0, { _tag: "SENDME", version: 1, tag: Buffer.alloc(20) }),
  },
  {
    what: "CONNECTED for a stream that the client closed, once more",
    where: /stream/,
    commit: afterClose((near, id) => near.send(id, CONNECTED)),
  },
  {
    what: "more DATA than its window for a stream that the client closed",
    where: /flow control/,
    congestionControl: false,
    commit: afterClose((near, id) => {
      for (let cell = 0; cell <= 500; cell++) near.send(id, DATA);
    }),
  },
  {
    what: "DATA after END for a stream that the client closed",
    where: /stream/,
    commit: afterClose((near, id) => {
      near.send(id, END);
      near.send(id, DATA);
    }),
  },
  {
    what: "a stream SENDME too many for a stream that the client closed",
    where: /flow control/,
    congestionControl: false,
    commit: afterClose((near, id) => near.send(id, { _tag: "SENDME", version: 0 })),
  },
  {
    what: "XOFF without cause for a stream that the client closed",
    where: /flow control/,
    commit: afterClose((near, id) => near.send(id, { _tag: "XOFF" })),
  },
];

describe("a client ends its circuit, alone, with a DESTROY that gives no reason, for", () => {
  for (const violation of violations) {
    it.effect(violation.what, () =>
      Effect.gen(function* () {
        const { circuit, near, neighbour, other } = yield* clients(violation.congestionControl ?? true);
        const committing = violation.commit(circuit, near);
        if (committing !== undefined) yield* committing;
        yield* aSecond;
        assert.strictEqual(near.destroyed, DestroyReason.NONE);
        const error = errorOf(circuit.group.cause);
        assert.strictEqual(error?._tag, "CircuitProtocolError");
        assert.match(error?._tag === "CircuitProtocolError" ? error.where : "", violation.where);
        const { connection, streamId } = yield* open(neighbour, other);
        other.send(streamId, { _tag: "DATA", data: Buffer.from("on") });
        assert.strictEqual((yield* settled(readBytes(connection, 2))).toString(), "on");
      }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded(violation.what))),
    );
  }
});

describe("a stream that the client has closed", () => {
  it.effect("may still get what was under way: DATA, END, an answer", () =>
    Effect.gen(function* () {
      for (const congestionControl of [true, false]) {
        const { circuit, near } = yield* clients(congestionControl);
        const { connection, streamId } = yield* open(circuit, near);
        connection.end();
        yield* aSecond;
        for (let cell = 0; cell < 500; cell++) near.send(streamId, DATA);
        near.send(streamId, END);
        yield* aSecond;
        assert.isUndefined(circuit.group.cause);
      }
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("under way"))),
  );

  it.effect("END before CONNECTED: what crosses it on the way is no violation", () =>
    Effect.gen(function* () {
      const { circuit, near } = yield* clients(true);
      yield* Effect.forkChild(Effect.ignore(circuit.open(0, "example.com:80")));
      yield* aSecond;
      const streamId = near.poll()[0]?.streamId ?? 0;
      circuit.close(0, streamId);
      yield* aSecond;
      assert.strictEqual(near.poll().at(-1)?.tag, "END");
      near.send(streamId, CONNECTED);
      near.send(streamId, DATA);
      near.send(streamId, END);
      yield* aSecond;
      assert.isUndefined(circuit.group.cause);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("crossing"))),
  );
});
