import { type Headers, HeadReader, HttpError, shorten } from "./head.ts";

/** A request, without the body that one of another method than GET may have. */
export interface HttpRequest {
  readonly method: string;
  /** The path that it is about; begins with a slash. */
  readonly target: string;
  readonly headers: Headers;
}

/** Proxies put the server before the path (RFC 1945, 5.1.2). */
const requestLine = /^([A-Z]{1,16}) (?:https?:\/\/[^/ ]*)?(\/[\x21-\x7e]*) HTTP\/1\.[0-9]$/;

/** Reads one request of HTTP/1.0 (RFC 1945, section 5). */
export class RequestReader {
  readonly #head: HeadReader;

  /** @param limit how many bytes the request may have before its empty line */
  constructor(limit: number) {
    this.#head = new HeadReader(limit);
  }

  /**
   * Takes bytes as they came.
   *
   * @returns the request, as soon as it is there
   * @throws HttpError
   */
  push(bytes: Buffer): HttpRequest | undefined {
    const head = this.#head.push(bytes);
    if (head === undefined) return undefined;
    const match = requestLine.exec(head.startLine);
    if (match === null) throw new HttpError("malformed", `"${shorten(head.startLine)}" is no request`);
    return { method: match[1] as string, target: match[2] as string, headers: head.headers };
  }
}
