import {
  type CellDecoder,
  CellError,
  ChannelCommand,
  type Create2,
  type CreateFast,
  DestroyReason,
  type PaddingNegotiate,
  readOpenMessage,
} from "@allium/cell";
import { Signal, type Turn } from "@allium/kernel";
import { type Clock, Effect } from "effect";
import type { ChannelActivity } from "./channel-activity.ts";
import type { CircuitMap } from "./circuit-map.ts";
import { ChannelLost, ChannelProtocolError } from "./errors.ts";
import type { Connection } from "./transport.ts";

// Where a cell goes:
//
// | cell | to |
// | --- | --- |
// | RELAY, RELAY_EARLY | the inbox of its circuit |
// | CREATE2, CREATE_FAST | whoever accepts circuits; dropped for an ID in use, as `tor` does: an answer would end the circuit that has it |
// | CREATE | answered with DESTROY: TAP is gone |
// | CREATED2, CREATED_FAST, CREATED | the inbox of the circuit that waits for it |
// | DESTROY | its circuit, which is over then |
// | PADDING_NEGOTIATE | the padding machine; a violation where this side is a client (padding-spec 2.5) |
// | PADDING, VPADDING, NETINFO, VERSIONS, AUTHORIZE, commands that nobody knows | nowhere |
// | CERTS, AUTH_CHALLENGE, AUTHENTICATE; VERSIONS that is malformed | a violation |
// | CREATE2, malformed | answered with DESTROY |
// | CREATED2, CREATED_FAST, CREATED for a circuit that the peer has asked for | the circuit ends |
// | what else is malformed, or has circuit ID 0 where it must have one, or the other way round | nowhere |
//
// Cells of circuits that are not there, or do not wait for them, are counted and dropped: their DESTROY may still be on its way.

/** What a channel's reader works with, and whom it tells. */
export interface ChannelReaderOptions {
  readonly connection: Connection;
  /** The decoder that the handshake has read with; it may hold cells. */
  readonly decoder: CellDecoder;
  readonly circuits: CircuitMap;
  readonly activity: ChannelActivity;
  readonly clock: Clock.Clock;
  /** Whether a CREATE for this ID may be answered. */
  readonly isTheirs: (circId: number) => boolean;
  /** Whether so many answers wait that CREATEs must be dropped. */
  readonly answersFull: () => boolean;
  readonly onCreate: (circId: number, message: Create2 | CreateFast) => void;
  readonly refuse: (circId: number, reason: number) => void;
  readonly onDestroy: (circId: number, reason: number) => boolean;
  /** @throws ChannelProtocolError */
  readonly onPaddingNegotiate: (message: PaddingNegotiate) => void;
}

/** The reading half of a channel: it hands every cell to where it belongs, and never waits for who is to have it. */
export class ChannelReader {
  private readonly options: ChannelReaderOptions;
  /** Begins a turn. */
  readonly readable = Signal.make();
  /** How much was done since others last had a turn. */
  private work = 0;

  constructor(options: ChannelReaderOptions) {
    this.options = options;
  }

  /** To be called when the connection has changed. */
  readonly wake = (): void => this.readable.notify();

  /** A turn of the reader: hands on what has come. */
  readonly turn: Turn<ChannelLost | ChannelProtocolError> = () => {
    const { connection, decoder, activity, clock } = this.options;
    for (;;) {
      const violation = this.dispatch();
      if (violation !== undefined) return Effect.fail(violation);
      if (this.work >= TURN_WORK) {
        // A peer that sends without end must not keep the process to itself.
        this.work = 0;
        return Effect.yieldNow;
      }
      const chunk = connection.read();
      if (chunk !== undefined) {
        activity.counters.bytesIn += chunk.length;
        activity.lastTransfer = clock.currentTimeMillisUnsafe();
        decoder.push(chunk);
      } else if (connection.status !== "open") {
        return Effect.fail(new ChannelLost({ cause: connection.failure }));
      } else {
        this.work = 0;
        return undefined;
      }
    }
  };

  /** Hands whole cells of the decoder to where they belong, until there are none or the turn is over. */
  private dispatch(): ChannelProtocolError | undefined {
    try {
      const { decoder, circuits, activity } = this.options;
      const { counters } = activity;
      while (this.work < TURN_WORK && decoder.next()) {
        counters.cellsIn++;
        this.work++;
        const command = decoder.command;
        if (command === ChannelCommand.RELAY || command === ChannelCommand.RELAY_EARLY) {
          const circuit = circuits.get(decoder.circId);
          if (circuit === undefined) counters.strayCells++;
          else circuit.inbox.push(command, decoder.bytes, decoder.start);
          if (activity.usage !== "traffic") activity.noteRelay(command);
        } else {
          this.onMessage();
        }
      }
      return undefined;
    } catch (cause) {
      if (cause instanceof ChannelProtocolError) return cause;
      if (cause instanceof CellError) {
        return new ChannelProtocolError({ where: cause.subject, detail: cause.message });
      }
      throw cause;
    }
  }

  private onMessage(): void {
    const { decoder, activity } = this.options;
    const { circId } = decoder;
    const message = this.read();
    switch (message?._tag) {
      case undefined:
        this.onMalformed(circId);
        break;
      case "CREATE2":
      case "CREATE_FAST":
      case "CREATE":
        this.onCreate(circId, message);
        break;
      case "CREATED2":
      case "CREATED_FAST":
      case "CREATED":
        this.onCreated(circId);
        break;
      case "DESTROY":
        if (!this.options.onDestroy(circId, message.reason)) activity.counters.strayCells++;
        break;
      case "PADDING_NEGOTIATE":
        this.options.onPaddingNegotiate(message);
        break;
      case "PADDING":
      case "VPADDING":
        activity.counters.paddingIn++;
        break;
      default:
        break;
    }
  }

  /** Reads the present cell; `undefined` if it is one that may come, but malformed. */
  private read(): ReturnType<typeof readOpenMessage> | undefined {
    try {
      return readOpenMessage(this.options.decoder);
    } catch (cause) {
      if (!(cause instanceof CellError) || cause.problem === "unexpected") throw cause;
      // A list of versions that is none ends the channel, at whatever time it comes (tor-spec 4.1).
      const { command, start, end } = this.options.decoder;
      if (command === ChannelCommand.VERSIONS && (end - start) % 2 !== 0) throw cause;
      return undefined;
    }
  }

  /** As in `tor`, a malformed cell is at most its circuit's affair. */
  private onMalformed(circId: number): void {
    const { command } = this.options.decoder;
    if (circId === 0) this.options.activity.counters.strayCells++;
    else if (command === ChannelCommand.CREATE2) this.onCreate(circId, MALFORMED);
    else if (command === ChannelCommand.CREATED2) this.onCreated(circId);
    else this.options.activity.counters.strayCells++;
  }

  /** Whoever waits for it looks into it. If that cannot be anybody, since the peer has asked for the circuit itself, it is over. */
  private onCreated(circId: number): void {
    const { decoder, circuits, activity, onDestroy, refuse } = this.options;
    const circuit = circuits.get(circId);
    const payload = Buffer.from(decoder.bytes.subarray(decoder.start, decoder.end));
    if (circuit?.onCreated(decoder.command, payload) === true) return;
    activity.counters.strayCells++;
    if (circuit?.ours !== false) return;
    onDestroy(circId, DestroyReason.PROTOCOL);
    refuse(circId, DestroyReason.PROTOCOL);
  }

  private onCreate(circId: number, message: Create2 | CreateFast | { readonly _tag: "CREATE" }): void {
    const { circuits, activity, isTheirs, answersFull, onCreate, refuse } = this.options;
    this.work += CREATE_WORK;
    if (circuits.has(circId)) return;
    if (answersFull()) activity.counters.droppedCreates++;
    else if (message._tag === "CREATE" || !isTheirs(circId)) refuse(circId, DestroyReason.PROTOCOL);
    else onCreate(circId, message);
  }
}

/** Cells that a channel may read before its circuits, and other channels, have a turn: 64 KiB. */
const TURN_WORK = 128;

/** What cannot be read is refused as the handshake of old is. */
const MALFORMED = { _tag: "CREATE" } as const;

/** A CREATE is worth this many cells: its answer takes public-key operations. */
const CREATE_WORK = 64;
