import type { Destination } from "@allium/cell";
import type { DestinationError, Dialect, ProxyProtocolError } from "./errors.ts";
import type { ProxyEvent } from "./events.ts";
import type { ProxyFailure } from "./replies.ts";

/** The side of one protocol: what a negotiation hands its bytes to once it knows which it is. */
export interface ProxySpeaker {
  /** For errors that are not of its making. */
  readonly dialect: Dialect;
  /**
   * Uses up one message of the input, if it is complete; undefined if it is not.
   *
   * @throws ProxyProtocolError, DestinationError
   */
  next(input: ProxyInput): ProxyEvent | undefined;
  /** The reply to what `next` threw. */
  rejection(error: ProxyProtocolError | DestinationError): Buffer;
  /** @see ProxyNegotiation.succeeded */
  succeeded(answer: Destination | undefined, port: number): Buffer;
  /** @see ProxyNegotiation.failed */
  failed(failure: ProxyFailure): Buffer;
}

/** Bytes that came and are not used yet. */
export class ProxyInput {
  /** What is not used yet. */
  bytes: Buffer = Buffer.alloc(0);
  /** How many bytes were used before. */
  offset = 0;

  /** Adds bytes as they came. They are kept, not copied, until they are used. */
  push(chunk: Buffer): void {
    this.bytes = this.bytes.length === 0 ? chunk : Buffer.concat([this.bytes, chunk]);
  }

  /** Uses up `length` bytes, or all of them. */
  take(length = this.bytes.length): Buffer {
    const taken = this.bytes.subarray(0, length);
    this.bytes = this.bytes.subarray(length);
    this.offset += taken.length;
    return taken;
  }
}
