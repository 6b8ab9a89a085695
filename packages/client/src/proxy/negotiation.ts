import type { Destination } from "@allium/cell";
import { DestinationError, ProxyProtocolError } from "./errors.ts";
import type { ProxyEvent, ProxyOptions } from "./events.ts";
import { HttpConnectSpeaker } from "./http-connect.ts";
import type { ProxyFailure } from "./replies.ts";
import { Socks4Speaker } from "./socks4.ts";
import { Socks5Speaker } from "./socks5.ts";
import { ProxyInput, type ProxySpeaker } from "./speaker.ts";

const SOCKS4 = 0x04;
const SOCKS5 = 0x05;
/** Content type of a TLS record with a handshake in it (RFC 8446, 5.1). */
const TLS_HANDSHAKE = 0x16;
/** Methods of HTTP begin with a capital letter. */
const FIRST_LETTER = 0x41;
const LAST_LETTER = 0x5a;

/** A TLS record with an alert: fatal, unexpected_message (RFC 8446, section 6). The only answer that a TLS client can read. */
const TLS_ALERT = Buffer.of(0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x0a);

/**
 * The beginning of one connection to a proxy port: from the first byte that an application sends to the stream that it asks for.
 * SOCKS4, SOCKS4a, SOCKS5 and HTTP CONNECT share the port.
 *
 * | first byte | protocol |
 * | --- | --- |
 * | 04 | SOCKS4, SOCKS4a |
 * | 05 | SOCKS5 |
 * | A to Z | HTTP |
 * | 16 | TLS, by mistake: gets an alert |
 * | any other | none: closed |
 *
 * | state | input | what comes of it |
 * | --- | --- | --- |
 * | detecting | the first byte | speaking, or `Rejected`: over |
 * | speaking | part of a message | nothing yet |
 * | speaking | a whole message, but the last | `Reply` |
 * | speaking | the request | `Request`: decided. Or `Answered`: over, where no stream is needed |
 * | speaking | what cannot be | `Rejected`: over |
 * | decided | none: what comes is for the destination | |
 * | over | anything | ignored, until the connection is closed |
 *
 * It takes bytes and says what to do. It has no time: how long an application may take is for its caller to decide. What it holds is
 * bounded: see the page on buffers. The same bytes lead to the same events, however they are cut.
 */
export class ProxyNegotiation {
  readonly #options: ProxyOptions;
  readonly #input = new ProxyInput();
  #speaker: ProxySpeaker | undefined;
  #state: "open" | "decided" | "over" = "open";
  #received = 0;

  constructor(options: ProxyOptions = {}) {
    this.#options = options;
  }

  /**
   * Takes bytes as they came. They are kept until they are used: the caller does not write to them again.
   *
   * @returns what to do, in this order
   */
  receive(chunk: Buffer): ReadonlyArray<ProxyEvent> {
    if (this.#state === "decided") throw new Error("bytes for a destination were given to its negotiation");
    if (this.#state === "over") return [];
    this.#received += chunk.length;
    this.#input.push(chunk);
    const events: Array<ProxyEvent> = [];
    while (this.#state === "open") {
      const event = this.#next();
      if (event === undefined) break;
      events.push(event);
      if (event._tag === "Reply") continue;
      this.#state = event._tag === "Request" ? "decided" : "over";
      this.#input.take();
    }
    return events;
  }

  /**
   * The application sends no more.
   *
   * @returns what was wrong with that: it came before its request was complete. Undefined if it came after that, or if nothing came
   */
  end(): ProxyProtocolError | undefined {
    if (this.#state !== "open") return undefined;
    this.#state = "over";
    if (this.#received === 0) return undefined;
    const dialect = this.#speaker?.dialect ?? "unknown";
    return new ProxyProtocolError(dialect, "truncated", this.#received, "closed before the request was complete");
  }

  /**
   * The reply for a request that went well.
   *
   * @param answer for a look-up the address or the name that was found, for a stream the address that it has at the exit, if known
   * @param port the port that it has there
   */
  succeeded(answer?: Destination, port = 0): Buffer {
    return this.#decided.succeeded(answer, port);
  }

  /** The reply for a request that failed. The connection is to be closed when it is written. */
  failed(failure: ProxyFailure): Buffer {
    return this.#decided.failed(failure);
  }

  get #decided(): ProxySpeaker {
    if (this.#speaker === undefined || this.#state !== "decided") throw new Error("a reply without a request");
    return this.#speaker;
  }

  #next(): ProxyEvent | undefined {
    try {
      const [first] = this.#input.bytes;
      if (this.#speaker === undefined && first !== undefined) this.#speaker = this.#detect(first);
      return this.#speaker?.next(this.#input);
    } catch (error) {
      if (!(error instanceof ProxyProtocolError || error instanceof DestinationError)) throw error;
      return { _tag: "Rejected", error, bytes: this.#speaker?.rejection(error) ?? undetectedRejection(error) };
    }
  }

  #detect(first: number): ProxySpeaker {
    if (first === SOCKS4) return new Socks4Speaker();
    if (first === SOCKS5) return new Socks5Speaker(this.#options);
    if (first >= FIRST_LETTER && first <= LAST_LETTER) return new HttpConnectSpeaker(this.#options);
    if (first === TLS_HANDSHAKE)
      throw new ProxyProtocolError("tls", "tls", 0, "a TLS handshake: this port is not to be used over TLS");
    const byte = first.toString(16).padStart(2, "0");
    throw new ProxyProtocolError("unknown", "garbage", 0, `${byte} begins neither SOCKS nor HTTP`);
  }
}

/** What whoever speaks none of the protocols is told. */
const undetectedRejection = (error: ProxyProtocolError | DestinationError): Buffer =>
  error.problem === "tls" ? TLS_ALERT : Buffer.alloc(0);
