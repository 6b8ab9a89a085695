import {
  DestroyReason,
  EndReason,
  HandshakeType,
  type LinkSpecifier,
  parseIp,
  RelayCommand,
  relayCellV0,
} from "@allium/cell";
import { layerEntropySeeded, slabBytes } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import {
  aSecond,
  assertGoesOn,
  assertNothingLeft,
  errorOf,
  type Lab,
  type LabOptions,
  makeLab,
  openCircuit,
  openRaw,
  settled,
} from "./support/lab.ts";
import type { RawCircuit } from "./support/raw-client.ts";
import { specifiersOf } from "./support/relay-under-test.ts";

interface Violation {
  readonly what: string;
  readonly where: string;
  /** Whether stream 1 is open before. */
  readonly onStream?: boolean;
  readonly commit: (circuit: RawCircuit, lab: Lab) => void | Effect.Effect<void>;
  readonly congestionControl?: boolean;
  readonly lab?: LabOptions;
  /** Connections that its application never reads to the end. */
  readonly lingering?: number;
}

const PRIVATE = "192.168.0.1";

/** An EXTEND2 that names the next relay by other specifiers than it should. */
const naming = (
  what: string,
  specifiers: (
    proper: readonly [LinkSpecifier, LinkSpecifier, LinkSpecifier],
    lab: Lab,
  ) => ReadonlyArray<LinkSpecifier>,
): Violation => ({
  what,
  where: "EXTEND2",
  commit: (circuit, lab) => {
    const { identity } = lab.relays[1]!;
    circuit.extend(0, identity, { specifiers: specifiers(specifiersOf(identity), lab) });
  },
});

const at = (address: string): LinkSpecifier => ({ _tag: "TLS_TCP", address: parseIp(address)!, port: 9001 });

const violations: ReadonlyArray<Violation> = [
  {
    what: "a cell that the last hop does not recognise",
    where: "RELAY",
    commit: (circuit) => circuit.sendNoise(),
  },
  {
    what: "more than eight RELAY_EARLY cells",
    where: "RELAY_EARLY",
    commit: (circuit) => {
      for (let count = 0; count < 9; count++) circuit.send(0, 0, { _tag: "DROP" }, true);
    },
  },
  {
    what: "EXTEND2 while the circuit is being extended",
    where: "EXTEND2",
    commit: (circuit, lab) => {
      circuit.extend(0, lab.relays[1]!.identity);
      circuit.extend(0, lab.relays[1]!.identity);
    },
  },
  {
    what: "EXTEND2 to the relay itself",
    where: "EXTEND2",
    commit: (circuit, lab) => {
      circuit.extend(0, lab.relays[0]!.identity);
    },
  },
  naming("EXTEND2 to the relay itself by its Ed25519 identity", (_, lab) => {
    const [address, , ed25519] = specifiersOf(lab.relays[0]!.identity);
    return [address, { _tag: "RSA_ID", id: Buffer.alloc(20, 7) }, ed25519];
  }),
  naming("EXTEND2 without an RSA identity", ([address, , ed25519]) => [address, ed25519]),
  naming("EXTEND2 with an RSA identity of zeros", ([address]) => [address, { _tag: "RSA_ID", id: Buffer.alloc(20) }]),
  naming("EXTEND2 to no address at all, in four bytes", ([, rsa]) => [at("0.0.0.0"), rsa]),
  naming("EXTEND2 without an address", ([, rsa, ed25519]) => [rsa, ed25519]),
  naming("EXTEND2 to port 0 only", (_, lab) => specifiersOf(lab.relays[1]!.identity, 0)),
  naming("EXTEND2 to a private address only", ([, rsa]) => [at(PRIVATE), rsa]),
  {
    what: "a truncated EXTEND2",
    where: "EXTEND2",
    commit: (circuit) => circuit.sendBody(0, 0, RelayCommand.EXTEND2, Buffer.from([3, 0, 6, 1]), true),
  },
  {
    what: "a CONNECTED from the client",
    where: "CONNECTED",
    onStream: true,
    commit: (circuit) => circuit.send(0, 1, { _tag: "CONNECTED", resolved: undefined }),
  },
  {
    what: "a CONFLUX_LINK where conflux is not offered",
    where: "CONFLUX_LINK",
    commit: (circuit) =>
      circuit.send(0, 0, {
        _tag: "CONFLUX_LINK",
        nonce: Buffer.alloc(32, 1),
        lastSeqnoSent: 0n,
        lastSeqnoReceived: 0n,
        desiredUx: 0,
      }),
  },
  {
    what: "a relay cell longer than itself",
    where: "RELAY cell",
    commit: (circuit) => {
      const slab = Buffer.alloc(slabBytes(1));
      slab[0] = RelayCommand.DROP;
      slab.writeUInt16BE(relayCellV0.maxDataLength + 1, 9);
      circuit.sendPlain(0, slab);
    },
  },
  {
    what: "a SENDME before anything was sent",
    where: "SENDME",
    commit: (circuit) => circuit.send(0, 0, { _tag: "SENDME", version: 1, tag: Buffer.alloc(20) }),
  },
  {
    what: "a SENDME with a tag longer than itself",
    where: "SENDME",
    onStream: true,
    commit: (circuit) =>
      Effect.gen(function* () {
        circuit.acknowledges = false;
        circuit.sendData(0, 1, 120);
        const { sendmeTag } = yield* settled(circuit.wait("DATA", 99));
        circuit.sendBody(0, 0, RelayCommand.SENDME, Buffer.concat([Buffer.of(1, 0, 200), sendmeTag]));
      }),
  },
  {
    what: "a SENDME with the tag of another cell",
    where: "SENDME",
    onStream: true,
    commit: (circuit) => sendmeAfterData(circuit, { _tag: "SENDME", version: 1, tag: Buffer.alloc(20, 1) }),
  },
  {
    what: "a SENDME of version 0 where the network no longer takes it",
    where: "SENDME",
    lab: { param: (name) => (name === "sendme_accept_min_version" ? 1 : undefined) },
    onStream: true,
    commit: (circuit) => sendmeAfterData(circuit, { _tag: "SENDME", version: 0 }),
  },
  {
    what: "more DATA than the stream's window, to an application that does not read",
    where: "flow control",
    lab: { serve: () => {} },
    lingering: 1,
    onStream: true,
    commit: (circuit) => circuit.sendData(0, 1, 501),
  },
  {
    what: "a stream SENDME that widens a full window",
    where: "flow control",
    onStream: true,
    commit: (circuit) => circuit.send(0, 1, { _tag: "SENDME", version: 0 }),
  },
  {
    what: "a stream SENDME where XON and XOFF are spoken",
    where: "flow control",
    congestionControl: true,
    onStream: true,
    commit: (circuit) => circuit.send(0, 1, { _tag: "SENDME", version: 0 }),
  },
  {
    what: "an XON of an unknown version",
    where: "XON",
    congestionControl: true,
    onStream: true,
    commit: (circuit) => circuit.sendBody(0, 1, RelayCommand.XON, Buffer.from([9, 0, 0, 0, 0])),
  },
];

/** Lets the relay send enough for a SENDME, and answers with this one. */
const sendmeAfterData = (circuit: RawCircuit, sendme: Parameters<RawCircuit["send"]>[2]) =>
  Effect.gen(function* () {
    circuit.acknowledges = false;
    circuit.sendData(0, 1, 120);
    yield* settled(circuit.wait("DATA", 100));
    circuit.send(0, 0, sendme);
  });

describe("a violation ends the circuit with DESTROY (PROTOCOL), and that circuit alone", () => {
  for (const violation of violations) {
    it.effect(violation.what, () =>
      Effect.gen(function* () {
        const lab = yield* makeLab({
          relays: 2,
          addressAllowed: (host) => host !== PRIVATE,
          ...violation.lab,
        });
        const neighbour = yield* openCircuit(lab, 2);
        const { connection } = yield* settled(neighbour.openDirectory(1));
        const circuit = yield* openRaw(lab, { congestionControl: violation.congestionControl === true });
        if (violation.onStream === true) {
          circuit.begin(0, 1);
          yield* settled(circuit.wait("CONNECTED"));
        }
        const committing = violation.commit(circuit, lab);
        if (committing !== undefined) yield* committing;
        yield* aSecond;
        assert.strictEqual(circuit.destroyed, DestroyReason.PROTOCOL);
        const error = errorOf(lab.ends[0]?.[0]);
        assert.strictEqual(error?._tag, "CircuitProtocolError");
        assert.strictEqual(error?._tag === "CircuitProtocolError" && error.where, violation.where);
        assert.strictEqual(lab.ends[0]?.length, 1);
        // The neighbour on the same channel goes on.
        yield* assertGoesOn(connection);
        yield* neighbour.group.stop("finished");
        yield* aSecond;
        assertNothingLeft(lab, violation.lingering);
      }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded(violation.what))),
    );
  }
});

describe("what is no violation", () => {
  it.effect("XON and XOFF on a stream with a window, at an exit", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab();
      const circuit = yield* openRaw(lab);
      circuit.begin(0, 1);
      yield* settled(circuit.wait("CONNECTED"));
      circuit.send(0, 1, { _tag: "XOFF" });
      circuit.send(0, 1, { _tag: "XON", kilobytesPerSecond: 1 });
      circuit.sendData(0, 1, 1);
      yield* settled(circuit.wait("DATA"));
      assert.isUndefined(circuit.destroyed);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("window"))),
  );

  it.effect("EXTEND2 with an Ed25519 identity of zeros: the client does not know it", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab({ relays: 2 });
      const circuit = yield* openRaw(lab);
      const [address, rsa] = specifiersOf(lab.relays[1]!.identity);
      circuit.extend(0, lab.relays[1]!.identity, {
        specifiers: [address, rsa, { _tag: "ED25519_ID", id: Buffer.alloc(32) }],
      });
      yield* settled(circuit.wait("EXTENDED2"));
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("zeros"))),
  );

  it.effect("messages without the stream ID that they need, or with one, and what only relays send: all dropped", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab();
      const circuit = yield* openRaw(lab);
      circuit.begin(0, 1);
      yield* settled(circuit.wait("CONNECTED"));
      const send = (command: number, streamId: number, body = Buffer.alloc(0)) => {
        const slab = Buffer.alloc(slabBytes(1));
        slab[0] = command;
        slab.writeUInt16BE(streamId, 3);
        slab.writeUInt16BE(body.length, 9);
        body.copy(slab, 11);
        circuit.sendPlain(0, slab);
      };
      const { BEGIN, DATA, END, DROP, TRUNCATE, EXTEND2, EXTENDED2, TRUNCATED, PADDING_NEGOTIATE } = RelayCommand;
      for (const command of [BEGIN, DATA, END]) send(command, 0, Buffer.from("example.com:80\0"));
      for (const command of [DROP, TRUNCATE, EXTEND2]) send(command, 1);
      for (const command of [EXTENDED2, TRUNCATED, PADDING_NEGOTIATE]) send(command, 0, Buffer.of(9));
      // The stream is still there, and the circuit's digests are in step.
      circuit.sendData(0, 1, 1);
      yield* settled(circuit.wait("DATA"));
      yield* aSecond;
      assert.isUndefined(circuit.destroyed);
      assert.deepStrictEqual(circuit.tags(0), []);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("no streams"))),
  );

  it.effect("EXTEND2 in RELAY is dropped", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab({ relays: 2 });
      const circuit = yield* openRaw(lab);
      circuit.extend(0, lab.relays[1]!.identity, { early: false });
      yield* aSecond;
      assert.isUndefined(circuit.destroyed);
      assert.strictEqual(lab.relays[1]?.circuits.circuits().length, 0);
      // It did not use up the right to extend.
      yield* settled(circuit.extendTo(lab.relays[1]!.identity));
      circuit.begin(1, 1);
      yield* settled(circuit.wait("CONNECTED"));
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("not early"))),
  );

  it.effect("eight RELAY_EARLY cells, DROP, commands that nobody knows, messages for streams that are not there", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab();
      const circuit = yield* openRaw(lab);
      for (let count = 0; count < 8; count++) circuit.send(0, 0, { _tag: "DROP" }, true);
      circuit.sendBody(0, 0, 200, Buffer.from("?"));
      circuit.sendBody(0, 7, 200, Buffer.from("?"));
      circuit.sendData(0, 7, 3);
      circuit.begin(0, 1);
      circuit.sendBody(0, 7, 200, Buffer.from("?"));
      circuit.sendBody(0, 7, RelayCommand.CONNECTED, Buffer.alloc(100));
      circuit.sendBody(0, 7, RelayCommand.XON, Buffer.of(9));
      circuit.sendData(0, 7, 3);
      circuit.send(0, 7, { _tag: "END", reason: EndReason.DONE, resolved: undefined });
      circuit.send(0, 7, { _tag: "SENDME", version: 0 });
      circuit.send(0, 7, { _tag: "XOFF" });
      yield* settled(circuit.wait("CONNECTED"));
      yield* aSecond;
      assert.isUndefined(circuit.destroyed);
      assert.deepStrictEqual(circuit.tags(7), []);
      assert.strictEqual(lab.relays[0]!.circuits.counters.drops, 8);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("dropped"))),
  );

  it.effect("a first BEGIN and a message of the circuit in the same train", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab();
      const circuit = yield* openRaw(lab);
      const begin = Buffer.from("example.com:80\0\0\0\0\0");
      // A circuit's first slab holds one cell, its second two, its third four.
      const slab = Buffer.alloc(slabBytes(7));
      for (const index of [0, 2, 3]) relayCellV0.writeMessage(slab, index, RelayCommand.DROP, 0, begin, 0, 0);
      relayCellV0.writeMessage(slab, 1, RelayCommand.BEGIN, 1, begin, 0, begin.length);
      for (const index of [4, 5, 6]) {
        relayCellV0.writeMessage(slab, index, RelayCommand.DATA, 1, begin, 0, begin.length);
      }
      circuit.sendPlain(0, slab);
      yield* settled(circuit.wait("DATA"));
      assert.deepStrictEqual(circuit.tags(1), ["CONNECTED", "DATA"]);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("same train"))),
  );

  it.effect("an unknown handshake in EXTEND2 is the next relay's affair", () =>
    Effect.gen(function* () {
      const lab = yield* makeLab({ relays: 2 });
      const circuit = yield* openRaw(lab);
      circuit.send(
        0,
        0,
        {
          _tag: "EXTEND2",
          linkSpecifiers: specifiersOf(lab.relays[1]!.identity),
          handshakeType: HandshakeType.NTOR_V3 + 40,
          handshake: Buffer.alloc(10),
        },
        true,
      );
      yield* aSecond;
      // The next relay answers with DESTROY, and so does this one.
      assert.strictEqual(circuit.destroyed, DestroyReason.DESTROYED);
      assertNothingLeft(lab);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("unknown handshake"))),
  );
});
