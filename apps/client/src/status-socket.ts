import { chmodSync, rmSync } from "node:fs";
import { createServer, get, type IncomingMessage, type Server } from "node:http";
import { join } from "node:path";
import { Clock, Effect, type Scope } from "effect";
import { NoProxyRunning } from "./errors.ts";
import { parseReport, type ReportedTunnels, type StatusSources, statusReport } from "./status-report.ts";

/** The socket's name in the data directory. */
const SOCKET = "status.sock";
/** The longest path that a socket may have on Linux is 107 bytes, on others a little less. */
const MAX_PATH_BYTES = 100;
const MAX_CONNECTIONS = 16;
const ANSWER_TIMEOUT_MILLIS = 5_000;
/** Far more than a thousand tunnels take. */
const MAX_REPORT_BYTES = 16 * 1024 * 1024;

const socketOf = (dataDir: string): string => join(dataDir, SOCKET);

/**
 * Tells who may read the data directory about the running client, by HTTP on a socket in it: `GET /status`, until the scope closes.
 * Whoever holds the data directory is the only one who may call it.
 */
export const serveStatus = (dataDir: string, sources: StatusSources): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const path = socketOf(dataDir);
    if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
      return yield* Effect.logWarning(
        `the path of ${SOCKET} in data_dir is too long for a socket: circuits of this client cannot be shown`,
      );
    }
    const clock = yield* Clock.Clock;
    const server = createServer((request, response) => {
      request.resume();
      response.setHeader("Connection", "close");
      if (request.method !== "GET" || request.url !== "/status") {
        response.writeHead(404).end();
        return;
      }
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify(statusReport(sources, clock.currentTimeMillisUnsafe())));
    });
    server.maxConnections = MAX_CONNECTIONS;
    server.requestTimeout = ANSWER_TIMEOUT_MILLIS;
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        // It is that of a client that was killed: this one holds the directory.
        rmSync(path, { force: true });
        server.on("error", (error) => resume(Effect.logWarning(`no status at ${path}: ${error.message}`)));
        server.listen(path, () => {
          chmodSync(path, 0o600);
          resume(Effect.void);
        });
      }),
      () => Effect.sync(() => close(server)),
    );
  });

const close = (server: Server): void => {
  server.close();
  server.closeAllConnections();
};

const read = (path: string): Effect.Effect<string, string> =>
  Effect.callback((resume) => {
    const fail = (why: string) => resume(Effect.fail(why));
    const request = get({ socketPath: path, path: "/status", timeout: ANSWER_TIMEOUT_MILLIS, agent: false }, (answer) =>
      collect(answer, (text) => {
        if (answer.statusCode === 200) resume(Effect.succeed(text));
        else fail(`it answers with status ${answer.statusCode}`);
      }),
    );
    request.on("timeout", () => request.destroy(new Error("it does not answer")));
    request.on("error", (error: NodeJS.ErrnoException) => fail(reasons[error.code ?? ""] ?? error.message));
    return Effect.sync(() => request.destroy());
  });

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "start one with `allium-client proxy`",
  ECONNREFUSED: "it was killed; start one with `allium-client proxy`",
  EACCES: "it belongs to another user",
};

const collect = (answer: IncomingMessage, done: (text: string) => void): void => {
  const chunks: Array<Buffer> = [];
  let length = 0;
  answer.on("data", (chunk: Buffer) => {
    length += chunk.length;
    if (length > MAX_REPORT_BYTES) answer.destroy(new Error("its answer has no end"));
    else chunks.push(chunk);
  });
  answer.on("end", () => done(Buffer.concat(chunks).toString("utf8")));
};

/** Asks the client that runs in a data directory: what it tells, and what of it can be shown. */
export const readStatus = (
  dataDir: string,
): Effect.Effect<{ readonly text: string; readonly report: ReportedTunnels }, NoProxyRunning> =>
  read(socketOf(dataDir)).pipe(
    Effect.flatMap((text) => Effect.fromResult(parseReport(text)).pipe(Effect.map((report) => ({ text, report })))),
    Effect.mapError((detail) => new NoProxyRunning({ dataDir, detail })),
  );
