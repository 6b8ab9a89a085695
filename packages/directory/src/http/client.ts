import { type Connection, TransportError } from "@allium/channel";
import { Signal } from "@allium/kernel";
import { type Duration, Effect, type Scope } from "effect";
import { DirectoryFetchError } from "../errors.ts";
import type { DirectorySource } from "../sources/source.ts";
import type { DirectoryTiming } from "../timing.ts";
import { acceptEncoding, BodyError, unpackBody } from "./body.ts";
import { type Headers, HttpError, shorten } from "./head.ts";
import { type HttpResponse, ResponseReader } from "./response.ts";

/** One request to a directory. */
export interface DirectoryRequest {
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

/** Who is asked, and the way there. */
export type Asked = Pick<DirectorySource, "address" | "connect">;

/** A request as it is named in errors and logs. */
const urlOf = ({ address }: Asked, { path }: DirectoryRequest): string => `http://${address}${shorten(path, 120)}`;

/** The bytes of a request (dir-spec 6.1). */
const formatRequest = ({ address }: Asked, request: DirectoryRequest): Buffer => {
  const { path, post, ifModifiedSince, diffFrom } = request;
  const lines = [`${post === undefined ? "GET" : "POST"} ${path} HTTP/1.0`, `Host: ${address}`];
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
  asked: Asked,
  request: DirectoryRequest,
  timing: DirectoryTiming,
): Effect.fn.Return<DirectoryResponse, DirectoryFetchError> {
  const url = urlOf(asked, request);
  const response = yield* Effect.scoped(
    Effect.flatMap(connectTo(asked, url, timing), (connection) => {
      connection.write(formatRequest(asked, request));
      return receive(connection, request, url, timing);
    }),
  ).pipe(late(url, timing.exchangeTimeout, "no whole answer in time"));
  const { status, reason, headers } = response;
  const encoding = (headers.get("content-encoding") ?? "identity").toLowerCase();
  const body = yield* Effect.mapError(unpackBody(encoding, response.body, request.limit), (cause) =>
    toFetchError(cause, url),
  );
  return { url, status, reason, headers, body };
});

/**
 * A connection to a directory, until the scope closes.
 *
 * @param url for errors
 */
export const connectTo = (
  asked: Asked,
  url: string,
  { connectTimeout }: DirectoryTiming,
): Effect.Effect<Connection, DirectoryFetchError, Scope.Scope> =>
  Effect.acquireRelease(asked.connect, (connection) => Effect.sync(() => connection.destroy()), {
    interruptible: true,
  }).pipe(
    Effect.mapError((cause) => new DirectoryFetchError({ url, problem: "transport", detail: cause.message, cause })),
    late(url, connectTimeout, "no connection in time"),
  );

/** Fails what takes too long. */
const late = (url: string, duration: Duration.Duration, detail: string) =>
  Effect.timeoutOrElse({
    duration,
    orElse: () => Effect.fail(new DirectoryFetchError({ url, problem: "timeout", detail })),
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
      yield* changed.wait.pipe(late(url, timing.stallTimeout, "the answer does not go on"));
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
