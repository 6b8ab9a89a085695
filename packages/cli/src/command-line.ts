import * as NodeServices from "@effect/platform-node/NodeServices";
import { Console, Effect, Layer } from "effect";
import { CliConfig, Command, Flag, GlobalFlag } from "effect/cli";
import { tuneCollector } from "./collector.ts";
import { tuneCompiler } from "./compiler.ts";
import { runMain } from "./run-main.ts";

/** `--config FILE`, the flag of every command that needs a configuration. */
export const configFlag: Flag.Flag<string> = Flag.String("config").pipe(
  Flag.withAlias("c"),
  Flag.withMetavar("FILE"),
  Flag.withDescription("The configuration, a TOML file"),
);

/** What `check-config` is made of. */
export interface CheckConfigOptions<Config, E, R> {
  /** A command line, for the help: `allium-relay check-config --config relay.toml`. */
  readonly example: string;
  /** Reads the file of this name, and says of the whole of it what is wrong. */
  readonly load: (file: string) => Effect.Effect<Config, E, R>;
  /** What the configuration means, for people. */
  readonly summarize: (config: Config) => string;
}

/** The command `check-config`: warnings go to standard error, what the configuration means to standard output. */
export const checkConfigCommand = <Config extends { readonly warnings: ReadonlyArray<string> }, E, R>({
  example,
  load,
  summarize,
}: CheckConfigOptions<Config, E, R>) =>
  Command.make("check-config", { config: configFlag }, (flags) =>
    Effect.gen(function* () {
      const config = yield* load(flags.config);
      for (const warning of config.warnings) yield* Console.error(`warning: ${warning}`);
      yield* Console.log(summarize(config));
    }).pipe(Effect.interruptible),
  ).pipe(
    Command.withDescription(
      "Read a configuration and say what it means, or what is wrong with it: all mistakes at once, each with its line. " +
        "Starts nothing and writes nothing.",
    ),
    Command.withShortDescription("Check a configuration"),
    Command.withExamples([{ command: example }]),
  );

/**
 * Runs what the command line of the process asks for, to its end: see `runMain`. Beside the program's own flags there are `--help`,
 * `--version`, `--completions` and `--log-level`. The platform's collector and compiler are tuned for programs that move cells.
 */
export const runCommandLine = <Name extends string, Input, Context, E>(
  command: Command.Command<Name, Input, Context, E, Command.Environment>,
  version: string,
): void => {
  tuneCollector();
  tuneCompiler();
  const cli = CliConfig.layer({
    builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel],
  });
  runMain(Command.run(command, { version }).pipe(Effect.provide(Layer.merge(cli, NodeServices.layer))));
};
