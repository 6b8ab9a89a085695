import {
  ChannelCommand,
  encodeChannelBody,
  type LinkSpecifier,
  RelayCommand,
  type RelayMessage,
  readBackwardMessage,
  relayCellV0,
  relayCommandName,
  writeRelayMessage,
} from "@allium/cell";
import { type Channel, type ChannelCircuit, type Entropy, slabBytes } from "@allium/channel";
import { ClientCrypto, splitKeyMaterial } from "@allium/crypto";
import { Signal } from "@allium/kernel";
import { Effect } from "effect";
import { beginHandshake } from "../../../../test/support/client-handshake.ts";
import type { AgreedHop } from "../../src/index.ts";
import { specifiersOf, type TestIdentity, targetOf } from "./relay-under-test.ts";

/** A message that came back. */
export interface Received {
  readonly hop: number;
  readonly streamId: number;
  readonly tag: string;
  readonly message: ReturnType<typeof readBackwardMessage>;
  /** The body, as it came. */
  readonly body: Buffer;
  /** The whole plain payload of its cell. */
  readonly cell: Buffer;
  /** What a SENDME for this cell has to prove. */
  readonly sendmeTag: Buffer;
}

/** How a raw client asks. */
export interface RawClientOptions {
  /** Asks for congestion control; else windows are fixed. */
  readonly congestionControl?: boolean;
}

/**
 * A circuit whose client keeps no rules: it seals and sends whatever it is told to, and notes what comes back. What a hostile
 * or a broken client would be to a relay.
 */
export class RawCircuit {
  readonly near: ChannelCircuit;
  readonly crypto = new ClientCrypto();
  readonly received: Array<Received> = [];
  /** Acknowledges DATA as a client must. */
  acknowledges = true;
  private readonly signal: Signal;
  private readonly reader = relayCellV0.makeReader();
  private readonly dataReceived: Array<number> = [];
  private readonly entropy: Entropy["Service"];
  private readonly increments: Array<number> = [];

  constructor(near: ChannelCircuit, signal: Signal, entropy: Entropy["Service"]) {
    this.near = near;
    this.signal = signal;
    this.entropy = entropy;
  }

  /** Sends a message to a hop. */
  send(hop: number, streamId: number, message: RelayMessage, early = false): void {
    const slab = Buffer.alloc(slabBytes(1));
    writeRelayMessage(relayCellV0, slab, 0, streamId, message);
    this.sendPlain(hop, slab, early);
  }

  /** Sends a message with whatever body. */
  sendBody(hop: number, streamId: number, command: number, body: Buffer, early = false): void {
    const slab = Buffer.alloc(slabBytes(1));
    relayCellV0.writeMessage(slab, 0, command, streamId, body, 0, body.length);
    this.sendPlain(hop, slab, early);
  }

  /** Seals and sends plain cells, in one train. */
  sendPlain(hop: number, slab: Buffer, early = false): void {
    const count = slab.length / slabBytes(1);
    for (let index = 0; index < count; index++) this.crypto.outbound.originate(slab, index, hop);
    this.push(this.crypto.outbound.encrypt(slab, count, hop), early);
  }

  /** Sends a payload that no hop will recognise. */
  sendNoise(early = false): void {
    this.push(this.entropy.bytes(slabBytes(1)), early);
  }

  /** DATA cells on a stream, full of zeros. */
  sendData(hop: number, streamId: number, cells: number): void {
    const slab = Buffer.alloc(slabBytes(cells));
    const data = Buffer.alloc(relayCellV0.maxDataLength);
    for (let index = 0; index < cells; index++) {
      relayCellV0.writeMessage(slab, index, RelayCommand.DATA, streamId, data, 0, data.length);
    }
    this.sendPlain(hop, slab);
  }

  begin(hop: number, streamId: number, port = 80): void {
    this.send(hop, streamId, {
      _tag: "BEGIN",
      destination: { family: "name", address: "example.com" },
      port,
      flags: 0,
    });
  }

  private push(slab: Buffer, early: boolean): void {
    const command = early ? ChannelCommand.RELAY_EARLY : ChannelCommand.RELAY;
    this.near.outbox.push({ command, count: slab.length / slabBytes(1), slab });
  }

  /** Takes what has come. */
  poll(): ReadonlyArray<Received> {
    for (let train = this.near.inbox.take(); train !== undefined; train = this.near.inbox.take()) {
      const plain = this.crypto.inbound.decrypt(train.slab, train.count);
      for (let index = 0; index < train.count; index++) this.onCell(plain, index);
    }
    return this.received;
  }

  private onCell(plain: Buffer, index: number): void {
    const { reader } = this;
    const hop = this.crypto.inbound.origin(plain, index);
    if (hop < 0) throw new Error("a cell that no hop sent");
    const sendmeTag = this.crypto.inbound.tag();
    reader.reset(plain, index);
    while (reader.next()) {
      this.received.push({
        hop,
        streamId: reader.streamId,
        tag: relayCommandName(reader.command) ?? "?",
        message: readBackwardMessage(reader),
        body: Buffer.from(reader.bytes.subarray(reader.start, reader.end)),
        cell: Buffer.from(plain.subarray(slabBytes(index), slabBytes(index + 1))),
        sendmeTag,
      });
      if (reader.command !== RelayCommand.DATA) continue;
      const count = (this.dataReceived[hop] ?? 0) + 1;
      this.dataReceived[hop] = count;
      if (this.acknowledges && count % (this.increments[hop] ?? 100) === 0) {
        this.send(hop, 0, { _tag: "SENDME", version: 1, tag: sendmeTag });
      }
    }
  }

  /** Waits until a message with this tag has come, and returns the first that is not `seen`. */
  wait(tag: string, seen = 0): Effect.Effect<Received> {
    return Effect.gen({ self: this }, function* () {
      for (;;) {
        const found = this.poll().filter((received) => received.tag === tag)[seen];
        if (found !== undefined) return found;
        if (this.near.inbox.ended() !== undefined) return yield* Effect.die(new Error(`ended before ${tag}`));
        yield* this.signal.wait;
      }
    });
  }

  /** Tags of what has come on a stream, or with ID 0 for the circuit. */
  tags(streamId: number): ReadonlyArray<string> {
    return this.poll()
      .filter((received) => received.streamId === streamId)
      .map((received) => received.tag);
  }

  /** The reason in the DESTROY that came; `undefined` if none has. */
  get destroyed(): number | undefined {
    this.poll();
    const end = this.near.inbox.ended();
    return end?._tag === "Destroyed" ? end.reason : undefined;
  }

  addHop({ material, sendmeInc = 100 }: AgreedHop): void {
    this.increments[this.crypto.addHop(splitKeyMaterial(material))] = sendmeInc;
  }

  /** EXTEND2 as a client sends it, or with other specifiers. Returns what to do with the answer. */
  extend(
    hop: number,
    to: TestIdentity,
    options: { readonly specifiers?: ReadonlyArray<LinkSpecifier>; readonly early?: boolean } = {},
  ): (reply: Buffer) => void {
    const handshake = beginHandshake(targetOf(to), this.entropy.bytes(32));
    this.send(
      hop,
      0,
      {
        _tag: "EXTEND2",
        linkSpecifiers: options.specifiers ?? specifiersOf(to),
        handshakeType: handshake.type,
        handshake: handshake.request,
      },
      options.early ?? true,
    );
    return (reply) => this.addHop(handshake.finish(reply));
  }

  /** Extends the circuit as a client does, until it has a hop more. */
  extendTo(to: TestIdentity): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const before = this.tags(0).filter((tag) => tag === "EXTENDED2").length;
      const finish = this.extend(this.crypto.hops - 1, to);
      const { body } = yield* this.wait("EXTENDED2", before);
      finish(body.subarray(2));
    });
  }
}

/** Creates a circuit of one hop. */
export const createRawCircuit = (
  channel: Channel,
  guard: TestIdentity,
  entropy: Entropy["Service"],
  options: RawClientOptions,
): Effect.Effect<RawCircuit> =>
  Effect.gen(function* () {
    const signal = Signal.make();
    const near = yield* Effect.orDie(channel.openCircuit({ inbound: signal }));
    const circuit = new RawCircuit(near, signal, entropy);
    const handshake = beginHandshake(targetOf(guard), entropy.bytes(32), options.congestionControl);
    near.sendCell(
      ChannelCommand.CREATE2,
      encodeChannelBody({ _tag: "CREATE2", handshakeType: handshake.type, handshake: handshake.request }),
    );
    for (;;) {
      const control = near.inbox.takeControl();
      if (control !== undefined) {
        circuit.addHop(handshake.finish(control.payload.subarray(2, 2 + control.payload.readUInt16BE(0))));
        return circuit;
      }
      if (near.inbox.ended() !== undefined) return yield* Effect.die(new Error("CREATE2 was refused"));
      yield* signal.wait;
    }
  });
