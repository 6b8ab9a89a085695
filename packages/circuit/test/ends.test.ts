import { ChannelCommand, DestroyReason, EndReason } from "@allium/cell";
import { type Connection, layerEntropySeeded } from "@allium/channel";
import { Topology } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Exit } from "effect";
import { TestClock } from "effect/testing";
import { withSleepers } from "../../../test/support/counting-clock.ts";
import { errorOfEnd, meaningOf, refuseStream } from "../src/index.ts";
import {
  aSecond,
  assertGoesOn,
  assertNothingLeft,
  CLIENT,
  errorOf,
  HOSTS,
  makeLab,
  openCircuit,
  openRaw,
  settled,
} from "./support/lab.ts";
import { startRawRelay } from "./support/raw-relay.ts";
import { makeTestIdentity, specifiersOf } from "./support/relay-under-test.ts";

const seeded = (seed: string) => Effect.provide(layerEntropySeeded(seed));

/** A relay without rules beside the lab's. */
const rawRelay = (lab: Effect.Success<ReturnType<typeof makeLab>>, options?: Parameters<typeof startRawRelay>[2]) =>
  Effect.gen(function* () {
    const identity = yield* makeTestIdentity("10.0.0.9", 2, Date.UTC(2026, 0, 1));
    return yield* startRawRelay(lab.memory, identity, options);
  });

describe("extending", () => {
  it.effect("nobody listens at the address: DESTROY (CONNECTFAILED)", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab({ relays: 2 });
      const circuit = yield* openRaw(lab);
      circuit.extend(0, lab.relays[1]!.identity, { specifiers: specifiersOf(lab.relays[1]!.identity, 9002) });
      yield* aSecond;
      assert.strictEqual(circuit.destroyed, DestroyReason.CONNECTFAILED);
      assert.deepInclude(errorOf(lab.ends[0]?.[0]), { _tag: "ExtendFailed", problem: "connect" });
      assertNothingLeft(lab);
    }).pipe(Effect.scoped, seeded("refused")),
  );

  it.effect("somebody else answers there: DESTROY (OR_IDENTITY), and a neighbour goes on", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab({ relays: 3 });
      const neighbour = yield* openCircuit(lab, 1);
      const { connection } = yield* settled(neighbour.open(0, "example.com:80"));
      const circuit = yield* openRaw(lab);
      const [address] = specifiersOf(lab.relays[1]!.identity);
      const [, rsa, ed25519] = specifiersOf(lab.relays[2]!.identity);
      circuit.extend(0, lab.relays[2]!.identity, { specifiers: [address, rsa, ed25519] });
      yield* aSecond;
      assert.strictEqual(circuit.destroyed, DestroyReason.OR_IDENTITY);
      assert.deepInclude(errorOf(lab.ends[0]?.[0]), { _tag: "ExtendFailed", problem: "identity" });
      yield* assertGoesOn(connection);
    }).pipe(Effect.scoped, seeded("identity")),
  );

  it.effect("back to the relay that it came from: DESTROY (PROTOCOL) on both sides", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab({ relays: 2 });
      const circuit = yield* openRaw(lab);
      yield* settled(circuit.extendTo(lab.relays[1]!.identity));
      circuit.extend(1, lab.relays[0]!.identity);
      yield* aSecond;
      assert.deepInclude(errorOf(lab.ends[1]?.[0]), { _tag: "CircuitProtocolError", where: "EXTEND2" });
      // The first relay tells the client that it was told: not why, that is between the two relays.
      assert.deepInclude(errorOf(lab.ends[0]?.[0]), { side: "far", how: "destroy", reason: DestroyReason.PROTOCOL });
      assert.strictEqual(circuit.destroyed, DestroyReason.DESTROYED);
      assertNothingLeft(lab);
    }).pipe(Effect.scoped, seeded("back")),
  );

  it.effect("a second time, after CREATED2: DESTROY (PROTOCOL) to the client, and on to the next relay", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab({ relays: 2 });
      const circuit = yield* openRaw(lab);
      yield* settled(circuit.extendTo(lab.relays[1]!.identity));
      circuit.extend(0, lab.relays[1]!.identity);
      yield* aSecond;
      assert.strictEqual(circuit.destroyed, DestroyReason.PROTOCOL);
      assert.deepInclude(errorOf(lab.ends[1]?.[0]), { side: "near", how: "destroy", reason: DestroyReason.PROTOCOL });
      assertNothingLeft(lab);
    }).pipe(Effect.scoped, seeded("twice")),
  );

  it.effect("CREATED2 with a handshake that no message can carry: DESTROY (PROTOCOL) on both sides", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab({ relays: 1 });
      const destroyed: Array<number> = [];
      const next = yield* rawRelay(lab, {
        onCreate: (request) => {
          const near = request.accept({
            inbound: { notify: () => {}, wait: Effect.never, isSet: false },
            onEnd: () => {
              const end = near.inbox.ended();
              if (end?._tag === "Destroyed") destroyed.push(end.reason);
            },
          });
          near.sendCell(ChannelCommand.CREATED2, Buffer.from([0x01, 0xf1]));
          return true;
        },
      });
      const circuit = yield* openRaw(lab);
      circuit.extend(0, next.identity);
      yield* aSecond;
      assert.strictEqual(circuit.destroyed, DestroyReason.PROTOCOL);
      assert.deepInclude(errorOf(lab.ends[0]?.[0]), { _tag: "CircuitProtocolError", where: "CREATED2" });
      assert.deepStrictEqual(destroyed, [DestroyReason.PROTOCOL]);
      assertNothingLeft(lab);
    }).pipe(Effect.scoped, seeded("long handshake")),
  );

  it.effect("RELAY before CREATED2 is passed on, as by tor: the client cannot read it either", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab({ relays: 1 });
      const next = yield* rawRelay(lab, {
        onCreate: (request) => {
          const near = request.accept({
            inbound: { notify: () => {}, wait: Effect.never, isSet: false },
          });
          near.outbox.push({ command: ChannelCommand.RELAY, count: 1, slab: Buffer.alloc(509) });
          return true;
        },
      });
      const circuit = yield* openRaw(lab);
      circuit.extend(0, next.identity);
      yield* aSecond;
      const { inbox } = circuit.near;
      assert.deepInclude(inbox.take(), { command: ChannelCommand.RELAY, count: 1 });
      assert.isUndefined(inbox.ended());
      circuit.near.destroy(DestroyReason.NONE);
      yield* aSecond;
      assertNothingLeft(lab);
    }).pipe(Effect.scoped, seeded("before CREATED2")),
  );

  it.effect("RELAY_EARLY towards the client: DESTROY (PROTOCOL) on both sides", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab({ relays: 1 });
      const next = yield* rawRelay(lab);
      const circuit = yield* openRaw(lab);
      yield* settled(circuit.extendTo(next.identity));
      next.circuits[0]!.send(0, { _tag: "DROP" }, ChannelCommand.RELAY_EARLY);
      yield* aSecond;
      assert.strictEqual(circuit.destroyed, DestroyReason.PROTOCOL);
      assert.deepInclude(errorOf(lab.ends[0]?.[0]), { where: "RELAY_EARLY" });
      assert.strictEqual(next.circuits[0]!.destroyed, DestroyReason.PROTOCOL);
      assertNothingLeft(lab);
    }).pipe(Effect.scoped, seeded("towards the client")),
  );

  it.effect("the next relay never answers: TRUNCATE gives up, and the circuit can be extended to another", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab({ relays: 2 });
      const circuit = yield* openRaw(lab);
      // While the channel is being opened, and nothing can have been sent yet.
      lab.memory.stall(HOSTS[0], HOSTS[1], true);
      circuit.extend(0, lab.relays[1]!.identity);
      yield* aSecond;
      circuit.send(0, 0, { _tag: "TRUNCATE" });
      yield* settled(circuit.wait("TRUNCATED"));
      lab.memory.stall(HOSTS[0], HOSTS[1], false);
      yield* aSecond;
      assert.strictEqual(lab.relays[1]!.circuits.circuits().length, 0);
      yield* settled(circuit.extendTo(lab.relays[1]!.identity));
      circuit.begin(1, 1);
      yield* settled(circuit.wait("CONNECTED"));
      assert.strictEqual(lab.relays[1]!.circuits.counters.created, 1);
    }).pipe(Effect.scoped, seeded("never")),
  );
});

describe("TRUNCATE", () => {
  it.effect("ends what is behind with DESTROY (REQUESTED), and the rest goes on", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab({ relays: 3 });
      const circuit = yield* openRaw(lab);
      for (const { identity } of lab.relays.slice(1)) yield* settled(circuit.extendTo(identity));
      circuit.begin(0, 5);
      yield* settled(circuit.wait("CONNECTED"));
      circuit.send(0, 0, { _tag: "TRUNCATE" });
      const { message } = yield* settled(circuit.wait("TRUNCATED"));
      assert.deepInclude(message, { reason: DestroyReason.REQUESTED });
      yield* aSecond;
      assert.deepInclude(errorOf(lab.ends[1]?.[0]), { side: "near", reason: DestroyReason.REQUESTED });
      assert.deepInclude(errorOf(lab.ends[2]?.[0]), { side: "near", reason: DestroyReason.DESTROYED });
      circuit.begin(0, 6);
      yield* settled(circuit.wait("CONNECTED", 1));
      assert.strictEqual(lab.relays[0]!.circuits.circuits().length, 1);
    }).pipe(Effect.scoped, seeded("truncate")),
  );
});

describe("an end on one side is told to the other", () => {
  const threeHops = Effect.gen(function* () {
    const lab = yield* makeLab({ relays: 3 });
    const circuit = yield* openCircuit(lab, 3);
    const neighbour = yield* openCircuit(lab, 1);
    const { connection } = yield* settled(circuit.open(2, "example.com:80"));
    const other = yield* settled(neighbour.open(0, "example.com:80"));
    return { lab, circuit, neighbour, connection, other: other.connection };
  });

  it.effect("the client's DESTROY goes through all relays, and closes the origin's connection", () =>
    Effect.gen(function* () {
      const { lab, circuit, neighbour, other } = yield* threeHops;
      yield* circuit.group.stop("finished");
      yield* aSecond;
      assert.deepStrictEqual(
        lab.ends.map(([cause]) => errorOf(cause)),
        [
          // Who began a circuit gives no reason.
          errorOfEnd("near", { _tag: "Destroyed", reason: DestroyReason.NONE }),
          errorOfEnd("near", { _tag: "Destroyed", reason: DestroyReason.DESTROYED }),
          errorOfEnd("near", { _tag: "Destroyed", reason: DestroyReason.DESTROYED }),
        ],
      );
      yield* assertGoesOn(other);
      yield* neighbour.group.stop("finished");
      yield* aSecond;
      assertNothingLeft(lab);
    }).pipe(Effect.scoped, seeded("client")),
  );

  it.effect("the exit's DESTROY goes to the client, whose streams end with DESTROY", () =>
    Effect.gen(function* () {
      const { lab, circuit, neighbour, connection, other } = yield* threeHops;
      lab.relays[2]!.circuits.circuits()[0]!.stop("shutdown");
      yield* aSecond;
      assert.deepInclude(errorOf(circuit.group.cause), { side: "near", reason: DestroyReason.DESTROYED });
      assert.deepInclude(errorOf(lab.ends[1]?.[0]), { side: "far", reason: DestroyReason.FINISHED });
      assert.deepInclude(errorOf(lab.ends[0]?.[0]), { side: "far", reason: DestroyReason.DESTROYED });
      assert.notStrictEqual(connection.status, "open");
      yield* assertGoesOn(other);
      yield* neighbour.group.stop("finished");
      yield* aSecond;
      assertNothingLeft(lab);
    }).pipe(Effect.scoped, seeded("exit")),
  );

  it.effect("a channel between two relays breaks: CHANNEL_CLOSED to both sides, within a second", () =>
    Effect.gen(function* () {
      const { lab, circuit, other } = yield* threeHops;
      assert.strictEqual(lab.memory.cut(HOSTS[1], HOSTS[2]), 1);
      yield* aSecond;
      assert.deepInclude(errorOf(lab.ends[1]?.[0]), { side: "far", how: "channel" });
      assert.deepInclude(errorOf(lab.ends[2]?.[0]), { side: "near", how: "channel" });
      assert.deepInclude(errorOf(lab.ends[0]?.[0]), { side: "far", reason: DestroyReason.CHANNEL_CLOSED });
      assert.deepInclude(errorOf(circuit.group.cause), { side: "near", reason: DestroyReason.DESTROYED });
      yield* assertGoesOn(other);
    }).pipe(Effect.scoped, seeded("channel")),
  );

  it.effect("the client vanishes: every relay has let go within a second", () =>
    Effect.gen(function* () {
      const { lab } = yield* threeHops;
      assert.strictEqual(lab.memory.cut(CLIENT, HOSTS[0]), 1);
      yield* aSecond;
      assert.deepInclude(errorOf(lab.ends[0]?.[0]), { side: "near", how: "channel" });
      assert.deepInclude(errorOf(lab.ends[1]?.[0]), { side: "near", reason: DestroyReason.CHANNEL_CLOSED });
      assert.deepInclude(errorOf(lab.ends[2]?.[0]), { side: "near", reason: DestroyReason.DESTROYED });
      assertNothingLeft(lab);
    }).pipe(Effect.scoped, seeded("vanishes")),
  );

  it.effect("what came before a DESTROY is delivered, to the origin and to the client", () =>
    Effect.gen(function* () {
      const received: Array<Buffer> = [];
      const lab = yield* makeLab({
        relays: 2,
        serve: (connection) => {
          connection.onChange(() => {
            for (let bytes = connection.read(); bytes !== undefined; bytes = connection.read()) received.push(bytes);
            if (connection.status === "ended") connection.end();
          });
        },
      });
      const circuit = yield* openRaw(lab);
      yield* settled(circuit.extendTo(lab.relays[1]!.identity));
      circuit.begin(1, 1);
      yield* settled(circuit.wait("CONNECTED"));
      circuit.sendData(1, 1, 60);
      // Once the cells are on their way.
      while (circuit.near.outbox.cells > 0) yield* TestClock.adjust(0);
      circuit.near.destroy(DestroyReason.NONE);
      yield* aSecond;
      assert.strictEqual(Buffer.concat(received).length, 60 * 498);
      assertNothingLeft(lab);
    }).pipe(Effect.scoped, seeded("before DESTROY")),
  );
});

describe("a circuit that is blocked", () => {
  const blocked = Effect.gen(function* () {
    const origins: Array<Connection> = [];
    const lab = yield* makeLab({
      limits: { streamBufferBytes: 1_000 },
      inboxLimitBytes: 509 * 200,
      serve: (connection) => origins.push(connection),
    });
    const neighbour = yield* openCircuit(lab, 1);
    const { connection } = yield* settled(neighbour.openDirectory(0));
    const circuit = yield* openRaw(lab, { congestionControl: true });
    circuit.begin(0, 1);
    yield* settled(circuit.wait("CONNECTED"));
    return { lab, circuit, origins, connection };
  });

  it.effect("ends within FORCED_TEARDOWN_DELAY of the peer's DESTROY, for that reason", () =>
    Effect.gen(function* () {
      const { lab, circuit } = yield* blocked;
      circuit.sendData(0, 1, 150);
      yield* aSecond;
      assert.isAbove(lab.relays[0]!.circuits.circuits()[1]!.memory().inboxes, 0);
      circuit.near.destroy(DestroyReason.NONE);
      yield* TestClock.adjust("400 millis");
      assert.strictEqual(lab.ends[0]?.length, 0);
      yield* TestClock.adjust("200 millis");
      assert.deepInclude(errorOf(lab.ends[0]?.[0]), { _tag: "CircuitClosedByPeer", side: "near", reason: 0 });
    }).pipe(Effect.scoped, seeded("forced")),
  );

  it.effect("is ended with RESOURCELIMIT when its inbox overruns, and its neighbour on the channel goes on", () =>
    Effect.gen(function* () {
      const { lab, circuit, connection } = yield* blocked;
      circuit.sendData(0, 1, 400);
      yield* aSecond;
      assert.strictEqual(circuit.destroyed, DestroyReason.RESOURCELIMIT);
      assert.deepInclude(errorOf(lab.ends[0]?.[0]), { _tag: "CircuitLimit", limit: "near" });
      yield* assertGoesOn(connection);
    }).pipe(Effect.scoped, seeded("overrun")),
  );
});

describe("teardown", () => {
  it.effect("leaves no timer behind", () =>
    withSleepers((sleepers) =>
      Effect.gen(function* () {
        const lab = yield* makeLab({ relays: 2 });
        const idle = sleepers();
        const circuit = yield* openCircuit(lab, 2);
        yield* aSecond;
        // The channel to the second relay keeps time; the circuit itself needs no timer.
        const withChannel = sleepers();
        yield* settled(circuit.open(1, "example.com:80"));
        yield* circuit.group.stop("finished");
        // Sooner than any timer of a circuit would have run out by itself.
        yield* TestClock.adjust("20 millis");
        assertNothingLeft(lab);
        assert.strictEqual(sleepers(), withChannel);
        assert.isAtLeast(withChannel, idle);
      }).pipe(Effect.scoped, seeded("timers")),
    ),
  );

  it.effect("stopping it tells both sides FINISHED, or RESOURCELIMIT for want of memory", () =>
    Effect.gen(function* () {
      for (const [reason, expected] of [
        ["idle", DestroyReason.FINISHED],
        ["memory", DestroyReason.RESOURCELIMIT],
      ] as const) {
        const lab = yield* makeLab({ relays: 2 });
        const circuit = yield* openRaw(lab);
        yield* settled(circuit.extendTo(lab.relays[1]!.identity));
        const [handle] = lab.relays[0]!.circuits.circuits();
        handle!.stop(reason);
        handle!.stop("finished");
        yield* aSecond;
        assert.strictEqual(circuit.destroyed, expected);
        assert.deepInclude(errorOf(lab.ends[1]?.[0]), { side: "near", reason: expected });
        assert.deepStrictEqual(lab.ends[0], [{ _tag: "Stopped", reason }]);
        assertNothingLeft(lab);
      }
    }).pipe(Effect.scoped, seeded("stop")),
  );

  it("a defect is told as INTERNAL, the end of the process as FINISHED", () => {
    assert.deepStrictEqual(meaningOf({ _tag: "ReactorEnded", reactor: "ingress", exit: Exit.die(new Error("bug")) }), {
      destroyReason: DestroyReason.INTERNAL,
      endReason: EndReason.INTERNAL,
      level: "error",
    });
    assert.strictEqual(meaningOf({ _tag: "ScopeClosed", exit: Exit.void }).destroyReason, DestroyReason.FINISHED);
  });
});

describe("what can be seen of a circuit", () => {
  it.effect("its group, reactors and links in the topology, and the bytes that it holds", () =>
    Effect.gen(function* () {
      // An application that reads nothing.
      const lab = yield* makeLab({ relays: 1, serve: () => {} });
      const circuit = yield* openCircuit(lab, 1);
      const [handle] = lab.relays[0]!.circuits.circuits();
      assert.deepStrictEqual(handle!.memory(), { inboxes: 0, outboxes: 0, streams: 0, total: 0 });
      assert.isFalse(handle!.hasStreams());
      const { connection } = yield* settled(circuit.open(0, "example.com:80"));
      connection.write(Buffer.alloc(10_000));
      yield* aSecond;
      assert.deepStrictEqual(handle!.memory(), { inboxes: 0, outboxes: 0, streams: 10_000, total: 10_000 });
      const snapshot = lab.registry.snapshot();
      const group = snapshot.groups.find(({ name }) => name === handle!.name)!;
      assert.deepStrictEqual(
        group.reactors.map(({ name }) => name),
        ["egress", "ingress", "streams"],
      );
      const links = snapshot.links.filter(({ id }) => group.links.includes(id));
      assert.deepStrictEqual(
        links.map(({ name }) => name),
        ["ingress → egress", "ingress → streams", "streams → egress"],
      );
      // BEGIN and its answer went through two of them; nothing was to be told to egress.
      assert.deepStrictEqual(
        links.filter(({ items }) => items > 0).map(({ name }) => name),
        ["ingress → streams", "streams → egress"],
      );
      assert.include(Topology.toMermaid(snapshot), "ingress");
    }).pipe(Effect.scoped, seeded("topology")),
  );
});

describe("opening a stream is refused", () => {
  it("with the reason and what the name resolved to", () => {
    assert.deepStrictEqual(refuseStream(EndReason.CONNECTREFUSED), {
      _tag: "StreamRefusal",
      end: { _tag: "END", reason: EndReason.CONNECTREFUSED, resolved: undefined },
    });
  });
});
