import { formatEndpoint } from "@allium/channel";
import { letFinish, listenForEnd, makeLogs, ShutdownTimeout, type Unfinished, untilInterrupted } from "@allium/cli";
import {
  layerNodeDatagrams,
  layerTorClient,
  makeDnsServer,
  makeProxyServer,
  type ProxyServer,
  TorClient,
} from "@allium/client";
import { Cause, Effect, type LogLevel, type Option } from "effect";
import { showBootstrap } from "./bootstrap-progress.ts";
import type { ProgramConfig } from "./config/load.ts";
import { holdDataDirectory } from "./data-directory.ts";
import { ClientStopped, DataDirectoryRefused } from "./errors.ts";
import { platform, stopped } from "./platform.ts";
import { ProgressLine } from "./progress.ts";
import { serveStatus } from "./status-socket.ts";

/** Says once why the proxy is over. What the user can mend is said in words; a stack helps only with a bug. */
const logEnd = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.void;
  const error = Cause.squash(cause);
  if (error instanceof ShutdownTimeout || error instanceof ClientStopped) return Effect.logError(error.message);
  // `runMain` prints it.
  if (error instanceof DataDirectoryRefused) return Effect.void;
  return Effect.logError("internal error, please report it", cause);
};

/** The applications that a proxy has, which SIGINT lets finish. */
const applicationsOf = (proxy: ProxyServer): Unfinished => ({
  count: proxy.counts().connections,
  name: "applications",
  drain: (waitMillis) => Effect.timeoutOption(proxy.drain, waitMillis),
});

/**
 * Runs a proxy on this machine until a signal ends it. What goes wrong is logged here.
 *
 * @param logLevel of the command line
 */
export const runProxy = (config: ProgramConfig, logLevel: Option.Option<LogLevel.LogLevel>) => {
  const line = new ProgressLine(process.stderr);
  const logs = makeLogs(config.log, logLevel, (write) => line.around(write));
  const { dataDir } = config.client;
  let running: ProxyServer | undefined;

  const proxy = Effect.gen(function* () {
    const client = yield* TorClient;
    const server = yield* makeProxyServer({
      listeners: [{ listen: config.socksListen, isolation: config.isolation }],
      maxConnections: config.maxConnections,
      warnOfAddresses: config.client.testNetwork !== true,
    });
    running = server;
    const dns =
      config.dnsListen === undefined
        ? undefined
        : yield* makeDnsServer({ listen: config.dnsListen, isolation: config.isolation }).pipe(
            Effect.provide(layerNodeDatagrams),
          );
    yield* serveStatus(dataDir, { client, proxy: server, dns: dns?.endpoint });
    yield* Effect.logInfo(
      `SOCKS and HTTP CONNECT at ${server.endpoints.map(formatEndpoint).join(", ")}` +
        (dns === undefined ? "" : `, DNS at ${formatEndpoint(dns.endpoint)}`),
    );
    yield* Effect.forkScoped(showBootstrap(client, line));
    yield* client.ready;
    return yield* client.failed;
  });

  return Effect.gen(function* () {
    const endRequests = yield* listenForEnd;
    for (const warning of config.warnings) yield* Effect.logWarning(warning);
    yield* Effect.logInfo("starting").pipe(Effect.annotateLogs({ config: config.file, dataDir }));
    const program = Effect.andThen(
      holdDataDirectory(dataDir),
      proxy.pipe(
        Effect.scoped,
        Effect.provide(layerTorClient(config.client)),
        Effect.provide(platform),
        Effect.mapError(stopped(config)),
      ),
    ).pipe(Effect.scoped);
    yield* untilInterrupted(
      program,
      config.shutdownTimeoutMillis,
      Effect.gen(function* () {
        if (running !== undefined) yield* letFinish(endRequests, config.shutdownWaitMillis, applicationsOf(running));
        yield* Effect.logInfo("ending: closing streams and circuits; a further signal ends at once");
      }),
    );
    yield* Effect.logInfo("ended");
  }).pipe(Effect.scoped, Effect.tapCause(logEnd), Effect.provide(logs.layer));
};
