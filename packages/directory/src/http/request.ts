import { type Headers, HeadReader, HttpError, shorten } from "./head.ts";

/** A request, without the body that one of another method than GET may have. */
export interface HttpRequest {
  readonly method: string;
  /** The target as it came; begins with a slash. */
  readonly target: string;
  readonly headers: Headers;
}

const requestLine = /^([A-Z]{1,16}) (\/[\x21-\x7e]*) HTTP\/1\.[0-9]$/;

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

/** Whether a request's `Accept-Encoding` names an encoding; undefined if it has no such field. */
export const accepts = (headers: Headers, encoding: string): boolean | undefined => {
  const text = headers.get("accept-encoding");
  if (text === undefined) return undefined;
  return text.split(",").some((entry) => {
    const [name, ...parameters] = entry.split(";").map((part) => part.trim().toLowerCase());
    return name === encoding && !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
  });
};
