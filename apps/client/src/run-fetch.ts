import { resolve } from "node:path";
import { makeLogs } from "@allium/cli";
import { BootstrapError, layerTorClient, plainOpener, TorClient } from "@allium/client";
import { Clock, Console, Effect, type LogLevel, type Option } from "effect";
import { showBootstrap } from "./bootstrap-progress.ts";
import type { ProgramConfig } from "./config/load.ts";
import { holdDataDirectory } from "./data-directory.ts";
import { type DownloadProgress, download } from "./download.ts";
import { FetchFailed } from "./errors.ts";
import { platform, stopped } from "./platform.ts";
import { ProgressLine } from "./progress.ts";
import { TunnelWatch } from "./tunnel-watch.ts";

/** What to fetch. */
export interface FetchRequest {
  readonly url: URL;
  /** Standard output if it is undefined. */
  readonly output: string | undefined;
  /** How long the client may take until it can build circuits. */
  readonly bootstrapMillis: number;
}

const size = (bytes: number): string =>
  bytes < 1_024
    ? `${bytes} B`
    : bytes < 1_048_576
      ? `${(bytes / 1_024).toFixed(1)} KiB`
      : `${(bytes / 1_048_576).toFixed(1)} MiB`;

/** Fetches a URL with a client of its own, and sees to it that nothing goes another way. */
export const runFetch = (config: ProgramConfig, request: FetchRequest, logLevel: Option.Option<LogLevel.LogLevel>) => {
  const line = new ProgressLine(process.stderr);
  // Who waits for a file wants to know what is wrong, and nothing else.
  const logs = makeLogs({ ...config.log, level: "warn" }, logLevel, (write) => line.around(write));
  const watch = new TunnelWatch();

  const fetching = Effect.gen(function* () {
    const { url } = request;
    const client = yield* TorClient;
    const progress = yield* Effect.forkScoped(showBootstrap(client, line));
    yield* client.ready.pipe(
      Effect.timeoutOrElse({
        duration: request.bootstrapMillis,
        orElse: () =>
          Effect.suspend(() => {
            const { trouble, waitsFor } = client.status();
            const { problem, detail } = trouble ?? {
              problem: "no-guard",
              detail: `nothing was heard yet while ${waitsFor}`,
            };
            return Effect.fail(new BootstrapError({ problem, detail }));
          }),
      }),
      Effect.mapError(stopped(config)),
    );
    progress.interruptUnsafe();
    const clock = yield* Clock.Clock;
    const seconds = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e9;
    const started = seconds();
    const onProgress = ({ received, total }: DownloadProgress): void => {
      const rate = received / Math.max(seconds() - started, 0.001);
      const share = total === undefined || total === 0 ? undefined : received / total;
      line.show(share, `${size(received)}${total === undefined ? "" : ` of ${size(total)}`}, ${size(rate)}/s`);
    };
    const opener = plainOpener(client, yield* Effect.context<never>());
    const file = request.output === undefined ? undefined : resolve(request.output);
    const { bytes } = yield* Effect.tryPromise({
      try: (signal) => download(opener, { url, file, onProgress, signal }),
      catch: (error) =>
        error instanceof FetchFailed ? error : new FetchFailed({ detail: String(error), cause: error }),
    });
    line.clear();
    return bytes;
  });

  return Effect.gen(function* () {
    yield* holdDataDirectory(config.client.dataDir);
    watch.start();
    const bytes = yield* fetching.pipe(
      Effect.scoped,
      Effect.provide(layerTorClient(config.client)),
      Effect.provide(watch.layer),
      Effect.provide(platform),
      Effect.catchTag("DataDirError", (error) => Effect.fail(stopped(config)(error))),
    );
    const { relays, leaks } = watch.stop();
    if (leaks.length > 0)
      return yield* new FetchFailed({ detail: `something went outside of the tunnel: ${leaks.join("; ")}` });
    if (request.output !== undefined)
      yield* Console.error(
        `${request.output}: ${size(bytes)}. Nothing left this computer but connections to ${relays === 1 ? "1 relay" : `${relays} relays`}`,
      );
  }).pipe(
    Effect.scoped,
    Effect.ensuring(Effect.sync(() => line.clear())),
    Effect.tapError((error) => ("isLogged" in error ? Effect.logError(error.message) : Effect.void)),
    Effect.provide(logs.layer),
    Effect.interruptible,
  );
};
