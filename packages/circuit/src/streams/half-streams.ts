import { RelayCommand } from "@allium/cell";
import { CircuitProtocolError } from "../errors.ts";

/** What may still come for a stream that this side has closed. */
interface HalfStream {
  /** DATA cells that the other side may have sent before it saw our END. */
  dataCells: number;
  sendmes: number;
  /** CONNECTED or RESOLVED may still come. */
  awaitsAnswer: boolean;
}

/**
 * Streams that this side has closed and the other side may not know of yet: messages for them are dropped, as long as they
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
  add(
    id: number,
    allowance: { readonly dataCells: number; readonly sendmes: number; readonly awaitsAnswer: boolean },
  ): void {
    if (this.streams.size >= MAX_HALF_STREAMS) {
      // The oldest is the least likely to be heard of again.
      for (const oldest of this.streams.keys()) {
        this.streams.delete(oldest);
        break;
      }
    }
    this.streams.set(id, { ...allowance });
  }

  /**
   * A message came for a stream that is not on the table. Dropped if it is one of ours that was closed and may have it.
   * @throws CircuitProtocolError
   */
  absorb(id: number, command: number): void {
    const stream = this.streams.get(id);
    if (stream === undefined) throw refuse(id, command, "there is no such stream");
    switch (command) {
      case RelayCommand.END:
        this.streams.delete(id);
        return;
      case RelayCommand.DATA:
        if (stream.dataCells-- <= 0) throw refuse(id, command, "more than its window allowed");
        return;
      case RelayCommand.SENDME:
        if (stream.sendmes-- <= 0) throw refuse(id, command, "more than was sent");
        return;
      case RelayCommand.XON:
      case RelayCommand.XOFF:
        return;
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

/** Half-closed streams remembered per hop: as many as there are stream IDs would be without a bound. */
const MAX_HALF_STREAMS = 4_096;
