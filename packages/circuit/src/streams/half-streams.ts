import { RelayCommand } from "@allium/cell";
import type { Micros } from "../congestion/index.ts";
import { CircuitProtocolError } from "../errors.ts";
import { type StreamFlow, XonRate } from "../flow/index.ts";

/** A stream that this side has closed, and what may still come for it. */
interface HalfStream {
  /** Its flow control goes on: what the other side sends must still be within it. */
  readonly flow: StreamFlow;
  /** CONNECTED or RESOLVED may still come. */
  awaitsAnswer: boolean;
}

/**
 * Streams that a client has closed and the other side may not know of yet: messages for them are dropped, as long as they
 * are such as the other side could have sent before it saw the END. Anything else is a violation, since a relay on the path
 * could mark a circuit with messages that a careless endpoint ignores.
 */
export class HalfStreams {
  private readonly streams = new Map<number, HalfStream>();

  /** How many there are. */
  get size(): number {
    return this.streams.size;
  }

  /** Whether the ID may not be used for a new stream yet. */
  has(id: number): boolean {
    return this.streams.has(id);
  }

  /** A stream was closed by this side. */
  add(id: number, stream: { readonly flow: StreamFlow; readonly awaitsAnswer: boolean }): void {
    if (this.streams.size >= MAX_HALF_STREAMS) {
      // The oldest is the least likely to be heard of again.
      for (const oldest of this.streams.keys()) {
        this.streams.delete(oldest);
        break;
      }
    }
    this.streams.set(id, { ...stream });
  }

  /**
   * A message came for a stream that is not on the table. Dropped if it is one of ours that was closed and may have it.
   * @throws CircuitProtocolError, FlowError
   */
  absorb(id: number, command: number, now: Micros): void {
    const stream = this.streams.get(id);
    if (stream === undefined) throw refuse(id, command, "there is no such stream");
    switch (command) {
      case RelayCommand.END:
        this.streams.delete(id);
        return;
      case RelayCommand.DATA:
        // Nothing of it is ever taken: so it never makes room for more.
        stream.flow.receive.onDataReceived(Number.MAX_SAFE_INTEGER, now);
        return;
      case RelayCommand.SENDME:
        return stream.flow.send.onSendme();
      case RelayCommand.XON:
        return stream.flow.send.onXon(XonRate(0), now);
      case RelayCommand.XOFF:
        return stream.flow.send.onXoff();
      case RelayCommand.CONNECTED:
      case RelayCommand.RESOLVED:
        if (!stream.awaitsAnswer) throw refuse(id, command, "it was answered already");
        stream.awaitsAnswer = false;
        return;
      default:
        throw refuse(id, command, "the stream was closed");
    }
  }
}

const refuse = (id: number, command: number, detail: string): CircuitProtocolError =>
  new CircuitProtocolError({ where: `relay command ${command} on stream ${id}`, detail });

/** Half-closed streams that are remembered for one hop, as many as may be open. */
const MAX_HALF_STREAMS = 4_096;
