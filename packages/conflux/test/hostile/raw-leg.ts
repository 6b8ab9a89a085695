import {
  ChannelCommand,
  type ConfluxLink,
  ConfluxUx,
  DestroyReason,
  destroyReasonName,
  RelayCommand,
  type RelayMessage,
  relayCellV0,
} from "@allium/cell";
import { slabBytes } from "@allium/channel";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import type { RawCircuit } from "../../../circuit/test/support/raw-client.ts";

/** The nonces of sets, each of another number. */
export const nonceOf = (number: number): Buffer => {
  const nonce = Buffer.alloc(32);
  nonce.writeUInt32BE(number);
  return nonce;
};

/** A circuit to an exit whose client keeps no rules, and what it says as a leg. */
export class RawLeg {
  readonly circuit: RawCircuit;
  private hasLeft = false;

  constructor(circuit: RawCircuit) {
    this.circuit = circuit;
  }

  say(message: RelayMessage, streamId = 0): void {
    this.circuit.send(0, streamId, message);
  }

  /** A message with whatever body, on whatever stream (tor-spec, "Relay cells"). */
  body(command: number, body: Buffer, streamId = 0): void {
    const slab = Buffer.alloc(slabBytes(1));
    slab.writeUInt8(command, 0);
    slab.writeUInt16BE(streamId, 3);
    slab.writeUInt16BE(body.length, 9);
    body.copy(slab, 11);
    this.circuit.sendPlain(0, slab);
  }

  /** Sends the bytes of a cell that is good on another leg. */
  replay(of: RawLeg): void {
    const slab = Buffer.alloc(slabBytes(1));
    relayCellV0.writeMessage(slab, 0, RelayCommand.DATA, STREAM, Buffer.alloc(100), 0, 100);
    const { outbound } = of.circuit.crypto;
    outbound.originate(slab, 0, 0);
    const bytes = Buffer.from(outbound.encrypt(slab, 1, 0));
    for (const leg of [of, this]) {
      leg.circuit.near.outbox.push({ command: ChannelCommand.RELAY, count: 1, slab: Buffer.from(bytes) });
    }
  }

  link(changes: Partial<ConfluxLink> = {}): void {
    this.say({
      _tag: "CONFLUX_LINK",
      nonce: nonceOf(1),
      lastSeqnoSent: 0n,
      lastSeqnoReceived: 0n,
      desiredUx: ConfluxUx.HIGH_THROUGHPUT,
      ...changes,
    });
  }

  ack(): void {
    this.say({ _tag: "CONFLUX_LINKED_ACK" });
  }

  /** SWITCH: the next cell on this leg comes after so many others. */
  skip(relativeSeqno: number): void {
    this.say({ _tag: "CONFLUX_SWITCH", relativeSeqno });
  }

  begin(streamId = STREAM, port = 80): void {
    this.circuit.begin(0, streamId, port);
  }

  /** So many cells that count, in trains as they come from a channel. */
  data(cells: number, streamId = STREAM, length = 100): void {
    const body = Buffer.alloc(length);
    for (let left = cells; left > 0; left -= TRAIN) {
      const count = Math.min(left, TRAIN);
      const slab = Buffer.alloc(slabBytes(count));
      for (let index = 0; index < count; index++) {
        relayCellV0.writeMessage(slab, index, RelayCommand.DATA, streamId, body, 0, length);
      }
      this.circuit.sendPlain(0, slab);
    }
  }

  /** Very many cells, as fast as the exit's channel takes them, until the leg ends. `look` is called now and then. */
  flood(cells: number, streamId = STREAM, look: () => void = () => {}): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      for (let left = cells; left > 0 && this.state === "open"; left -= BURST) {
        this.data(BURST, streamId);
        yield* TestClock.adjust("5 millis");
        while (this.state === "open" && this.circuit.near.outbox.cells > BURST) yield* TestClock.adjust("5 millis");
        look();
      }
    });
  }

  /** Ends the circuit from the client's side. */
  leave(): void {
    this.hasLeft = true;
    this.circuit.near.destroy(DestroyReason.NONE);
  }

  /** How often a message came on the circuit, or on a stream. */
  count(tag: string, streamId = 0): number {
    return this.circuit.tags(streamId).filter((other) => other === tag).length;
  }

  /** Bytes that came on a stream. */
  bytesOf(streamId: number): number {
    return this.circuit
      .poll()
      .filter((received) => received.streamId === streamId && received.tag === "DATA")
      .reduce((sum, { body }) => sum + body.length, 0);
  }

  /** What has become of it: `open`, `left`, or the reason in the DESTROY that came. */
  get state(): string {
    if (this.hasLeft) return "left";
    const { destroyed } = this.circuit;
    if (destroyed !== undefined) return destroyReasonName(destroyed) ?? `${destroyed}`;
    return this.circuit.near.inbox.isClosed ? "cut" : "open";
  }
}

/** The stream that most cases have something to do with. */
export const STREAM = 5;

/** Cells of a flood that are sent at once. */
const BURST = 320;

/** Cells of a train: the most that a channel hands on at once. */
const TRAIN = 32;
