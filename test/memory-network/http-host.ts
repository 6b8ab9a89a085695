import type { Serve } from "./internet.ts";

/** A request to a web server of a test. */
export interface WebRequest {
  readonly method: string;
  readonly target: string;
  /** Names in small letters. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** Its answer. */
export interface WebAnswer {
  /** @default 200 */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Buffer | string;
}

/** A web server: HTTP/1.1, one request after the other on a connection for as long as the client likes, no transfer encodings. */
export const web =
  (respond: (request: WebRequest) => WebAnswer): Serve =>
  (connection) => {
    let waiting: Buffer = Buffer.alloc(0);
    connection.onChange(() => {
      for (let bytes = connection.read(); bytes !== undefined; bytes = connection.read()) {
        waiting = Buffer.concat([waiting, bytes]);
      }
      for (let read = readRequest(waiting); read !== undefined; read = readRequest(waiting)) {
        waiting = read.rest;
        const { status = 200, headers = {}, body } = respond(read.request);
        const bytes = Buffer.from(body);
        const lines = Object.entries({ ...headers, "Content-Length": bytes.length }).map(
          ([name, value]) => `${name}: ${value}`,
        );
        connection.write(
          Buffer.concat([Buffer.from(`HTTP/1.1 ${status} ${status}\r\n${lines.join("\r\n")}\r\n\r\n`), bytes]),
        );
        if (read.request.headers.get("connection")?.toLowerCase() === "close") connection.end();
      }
      if (connection.status === "ended") connection.end();
    });
  };

const readRequest = (bytes: Buffer): { readonly request: WebRequest; readonly rest: Buffer } | undefined => {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [first = "", ...lines] = bytes.toString("latin1", 0, end).split("\r\n");
  const [method = "", target = ""] = first.split(" ");
  const headers = new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const from = end + 4;
  const to = from + Number(headers.get("content-length") ?? 0);
  if (bytes.length < to) return undefined;
  return { request: { method, target, headers, body: bytes.subarray(from, to) }, rest: bytes.subarray(to) };
};
