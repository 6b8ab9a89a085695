import { type Connection, type Endpoint, formatEndpoint, Transport, TransportError } from "@allium/channel";
import { Signal } from "@allium/kernel";
import { Effect } from "effect";
import { DirectoryFetchError } from "../errors.ts";
import type { DirectoryTiming } from "../timing.ts";
import { acceptEncoding, BodyError, unpackBody } from "./body.ts";
import { type Headers, HttpError, shorten } from "./head.ts";
import { type HttpResponse, ResponseReader } from "./response.ts";

/** One request to a directory. */
export interface DirectoryRequest {
  readonly endpoint: Endpoint;
  /** Begins with `/tor/`. */
  readonly path: string;
  /** What to post; without it the request is a GET. */
  readonly post?: Buffer;
  /** For `If-Modified-Since`, in milliseconds since 1970. */
  readonly ifModifiedSince?: number | undefined;
  /** The consensus of which a diff would do, as `consensusSignedDigest` names it (dir-spec 4.5.2). */
  readonly diffFrom?: string | undefined;
  /** How many bytes the body may have, as it comes and unpacked. */
  readonly limit: number;
}

/** An answer, with its body unpacked. */
export interface DirectoryResponse {
  /** For errors about what is in it. */
  readonly url: string;
  readonly status: number;
  readonly reason: string;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** The most that the head of an answer may have. */
export const MAX_RESPONSE_HEAD = 16 * 1024;

/** A request as it is named in errors and logs. */
const urlOf = ({ endpoint, path }: DirectoryRequest): string =>
  `http://${formatEndpoint(endpoint)}${shorten(path, 120)}`;

/** The bytes of a request (dir-spec 6.1). */
export const formatRequest = (request: DirectoryRequest): Buffer => {
  const { endpoint, path, post, ifModifiedSince, diffFrom } = request;
  const lines = [`${post === undefined ? "GET" : "POST"} ${path} HTTP/1.0`, `Host: ${formatEndpoint(endpoint)}`];
  if (post === undefined) lines.push(`Accept-Encoding: ${acceptEncoding}`);
  else lines.push(`Content-Length: ${post.length}`);
  if (ifModifiedSince !== undefined) lines.push(`If-Modified-Since: ${new Date(ifModifiedSince).toUTCString()}`);
  if (diffFrom !== undefined) lines.push(`X-Or-Diff-From-Consensus: ${diffFrom}`);
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  return post === undefined ? head : Buffer.concat([head, post]);
};

/**
 * Sends one request over a connection of its own and reads the answer. Whatever its status, an answer is a success.
 */
export const exchange = Effect.fn("directory.exchange")(function* (
  request: DirectoryRequest,
  timing: DirectoryTiming,
): Effect.fn.Return<DirectoryResponse, DirectoryFetchError, Transport> {
  const transport = yield* Transport;
  const url = urlOf(request);
  const late = (what: string) => ({
    orElse: () => Effect.fail(new DirectoryFetchError({ url, problem: "timeout", detail: what })),
  });
  const broken = (cause: TransportError) =>
    new DirectoryFetchError({ url, problem: "transport", detail: cause.message, cause });

  const connect = transport
    .connect(request.endpoint, { tls: false })
    .pipe(
      Effect.mapError(broken),
      Effect.timeoutOrElse({ duration: timing.connectTimeout, ...late("no connection in time") }),
    );
  const response = yield* Effect.acquireUseRelease(
    connect,
    (connection) => {
      connection.write(formatRequest(request));
      return receive(connection, request, url, timing);
    },
    (connection) => Effect.sync(() => connection.destroy()),
  ).pipe(Effect.timeoutOrElse({ duration: timing.exchangeTimeout, ...late("no whole answer in time") }));
  const { status, reason, headers } = response;
  const encoding = (headers.get("content-encoding") ?? "identity").toLowerCase();
  const body = yield* Effect.mapError(unpackBody(encoding, response.body, request.limit), (cause) =>
    toFetchError(cause, url),
  );
  return { url, status, reason, headers, body };
});

/** Reads an answer to its end. */
const receive = (
  connection: Connection,
  request: DirectoryRequest,
  url: string,
  timing: DirectoryTiming,
): Effect.Effect<HttpResponse, DirectoryFetchError> => {
  const reader = new ResponseReader({ headBytes: MAX_RESPONSE_HEAD, bodyBytes: request.limit });
  const changed = Signal.make();
  connection.onChange(() => changed.notify());
  const step = Effect.try({
    try: (): HttpResponse | undefined => {
      for (let bytes = connection.read(); bytes !== undefined; bytes = connection.read()) {
        const response = reader.push(bytes);
        if (response !== undefined) return response;
      }
      if (connection.status === "open") return undefined;
      if (connection.failure !== undefined) throw connection.failure;
      return reader.end();
    },
    catch: (cause) => toFetchError(cause, url),
  });
  return Effect.gen(function* () {
    for (;;) {
      const response = yield* step;
      if (response !== undefined) return response;
      yield* changed.wait.pipe(
        Effect.timeoutOrElse({
          duration: timing.stallTimeout,
          orElse: () =>
            Effect.fail(new DirectoryFetchError({ url, problem: "timeout", detail: "the answer does not go on" })),
        }),
      );
    }
  });
};

/** What went wrong with the bytes, as an error that names the request. Anything unknown is a bug, and stays one. */
const toFetchError = (cause: unknown, url: string): DirectoryFetchError => {
  if (cause instanceof HttpError || cause instanceof BodyError)
    return new DirectoryFetchError({ url, problem: cause.problem, detail: cause.message, cause });
  if (cause instanceof TransportError)
    return new DirectoryFetchError({ url, problem: "transport", detail: cause.message, cause });
  throw cause;
};
