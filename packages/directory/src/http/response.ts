import { contentLength, type Head, type Headers, HeadReader, HttpError, shorten } from "./head.ts";

/** An answer, its body as it came. */
export interface HttpResponse {
  readonly status: number;
  /** The text after the status. Authorities say there why they refuse a descriptor. */
  readonly reason: string;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** How large an answer may be. */
export interface ResponseLimits {
  readonly headBytes: number;
  /** Of the body as it comes, before it is unpacked. */
  readonly bodyBytes: number;
}

const statusLine = /^HTTP\/1\.[0-9] ([0-9]{3})(?: (.*))?$/;

/** Reads one answer of HTTP/1.0, whose body ends with its length or with the connection (RFC 1945, section 6). */
export class ResponseReader {
  readonly #limits: ResponseLimits;
  readonly #headReader: HeadReader;
  #head: { readonly status: number; readonly reason: string; readonly headers: Headers } | undefined;
  #length: number | undefined;
  #parts: Array<Buffer> = [];
  #received = 0;

  constructor(limits: ResponseLimits) {
    this.#limits = limits;
    this.#headReader = new HeadReader(limits.headBytes);
  }

  /**
   * Takes bytes as they came. What follows the announced length is not looked at.
   *
   * @returns the answer, as soon as its announced length is there
   * @throws HttpError
   */
  push(bytes: Buffer): HttpResponse | undefined {
    if (this.#head === undefined) {
      const head = this.#headReader.push(bytes);
      return head === undefined ? undefined : this.#begin(head);
    }
    return this.#take(bytes);
  }

  /**
   * The connection has ended.
   *
   * @throws HttpError if the answer is not complete
   */
  end(): HttpResponse {
    if (this.#head === undefined)
      throw new HttpError("malformed", `ended after ${this.#headReader.size} bytes, in the middle of its head`);
    if (this.#length !== undefined)
      throw new HttpError("malformed", `ended after ${this.#received} of ${this.#length} bytes`);
    return this.#finish(this.#received);
  }

  #begin(head: Head): HttpResponse | undefined {
    const match = statusLine.exec(head.startLine);
    if (match === null) throw new HttpError("malformed", `"${shorten(head.startLine)}" is no status line`);
    this.#head = { status: Number(match[1]), reason: (match[2] ?? "").trim(), headers: head.headers };
    if (head.headers.has("transfer-encoding"))
      throw new HttpError("malformed", "has a transfer encoding, which HTTP/1.0 does not know");
    this.#length = contentLength(head.headers);
    if (this.#length !== undefined && this.#length > this.#limits.bodyBytes)
      throw new HttpError("too-large", `announces ${this.#length} bytes, of which ${this.#limits.bodyBytes} may come`);
    return this.#take(head.rest);
  }

  #take(bytes: Buffer): HttpResponse | undefined {
    if (bytes.length > 0) this.#parts.push(bytes);
    this.#received += bytes.length;
    if (this.#length !== undefined) return this.#received >= this.#length ? this.#finish(this.#length) : undefined;
    if (this.#received > this.#limits.bodyBytes)
      throw new HttpError("too-large", `is longer than ${this.#limits.bodyBytes} bytes`);
    return undefined;
  }

  #finish(length: number): HttpResponse {
    const { status, reason, headers } = this.#head as { status: number; reason: string; headers: Headers };
    const body = this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts);
    return { status, reason, headers, body: body.subarray(0, length) };
  }
}
