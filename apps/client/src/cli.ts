import { checkConfigCommand, configFlag, UsageError } from "@allium/cli";
import { Console, Effect, Option } from "effect";
import { Argument, Command, Flag, GlobalFlag } from "effect/cli";
import { circuitsTable } from "./circuits-table.ts";
import { loadConfig } from "./config/load.ts";
import { summarize } from "./config/summary.ts";
import { parseUrl } from "./download.ts";
import { runFetch } from "./run-fetch.ts";
import { runProxy } from "./run-proxy.ts";
import { readStatus } from "./status-socket.ts";

const proxy = Command.make("proxy", { config: configFlag }, (flags) =>
  Effect.gen(function* () {
    const loaded = yield* Effect.interruptible(loadConfig(flags.config));
    yield* runProxy(loaded, yield* GlobalFlag.LogLevel);
  }),
).pipe(
  Command.withDescription(
    "Run a proxy in the foreground until SIGINT (Ctrl-C) or SIGTERM: SOCKS4a, SOCKS5 and HTTP CONNECT on one port, and DNS if it is " +
      "configured. After SIGINT it accepts nothing new, and waits up to shutdown_wait seconds for applications; SIGTERM, or a second " +
      "signal, ends them now. It logs to standard error, and shows there how far it has come.",
  ),
  Command.withShortDescription("Run a proxy for other programs"),
  Command.withExamples([{ command: "allium-client proxy --config client.toml" }]),
);

const fetchFlags = {
  config: configFlag,
  url: Argument.String("url").pipe(
    Argument.withDescription("What to fetch: http:// or https://; http:// if it is not said"),
  ),
  output: Flag.String("output").pipe(
    Flag.withAlias("o"),
    Flag.withMetavar("FILE"),
    Flag.withDescription("Where to save it; standard output if it is not said"),
    Flag.optional,
  ),
  bootstrapSeconds: Flag.Int("bootstrap-seconds").pipe(
    Flag.withMetavar("SECONDS"),
    Flag.withDescription("How long to wait for the network (120 if it is not said)"),
    Flag.withDefault(120),
  ),
};

const fetch = Command.make("fetch", fetchFlags, ({ config: file, url, output, bootstrapSeconds }) =>
  Effect.gen(function* () {
    const parsed = parseUrl(url);
    if (parsed === undefined)
      return yield* new UsageError({ detail: `"${url}" cannot be fetched, only http:// and https:// URLs` });
    const loaded = yield* Effect.interruptible(loadConfig(file));
    const request = { url: parsed, output: Option.getOrUndefined(output), bootstrapMillis: bootstrapSeconds * 1_000 };
    yield* runFetch(loaded, request, yield* GlobalFlag.LogLevel);
  }),
).pipe(
  Command.withDescription(
    "Fetch a URL over Tor, with a client of its own, and save it or print it. Redirections are followed, but not from https to http. A file " +
      "is there only when all of it is. The program watches itself: it fails if anything has left past the tunnel. Where a proxy runs " +
      "with the same data_dir, use that: curl --proxy socks5h://127.0.0.1:9150 URL",
  ),
  Command.withShortDescription("Fetch a URL"),
  Command.withExamples([{ command: "allium-client fetch --config client.toml -o page.html https://example.com/" }]),
);

const json = Flag.Boolean("json").pipe(
  Flag.withDefault(false),
  Flag.withDescription("Print everything that the proxy tells of itself, as JSON"),
);

const circuits = Command.make("circuits", { config: configFlag, json }, (flags) =>
  Effect.gen(function* () {
    const { client } = yield* loadConfig(flags.config);
    const { text, report } = yield* readStatus(client.dataDir);
    yield* Console.log(flags.json ? text : circuitsTable(report));
  }).pipe(Effect.interruptible),
).pipe(
  Command.withDescription(
    "Show the circuits of the proxy that runs with this configuration: what each is for, its state, its streams, and its path, the guard " +
      "first. Whoever may read data_dir may ask.",
  ),
  Command.withShortDescription("Show the circuits of a running proxy"),
  Command.withExamples([{ command: "allium-client circuits --config client.toml" }]),
);

const checkConfig = checkConfigCommand({
  example: "allium-client check-config --config client.toml",
  load: loadConfig,
  summarize,
});

/** The program's command line. */
export const command = Command.make("allium-client").pipe(
  Command.withDescription(
    "A Tor client. Write a configuration (client.example.toml is one to begin with), check it with check-config, and run the proxy.\n\n" +
      "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 wrong configuration, 4 data directory not to be used, or in use.",
  ),
  Command.withSubcommands([proxy, fetch, circuits, checkConfig]),
);
