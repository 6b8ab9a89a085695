/** A program with a configuration and nothing to do: what a relay or a client is around its work. */
import { Effect, Schema } from "effect";
import { Command } from "effect/cli";
import {
  checkConfigCommand,
  programKeys,
  programLimits,
  programSettings,
  readConfig,
  runCommandLine,
  Values,
} from "../../src/index.ts";

const { endpoint, withDefault } = Values;

const File = Schema.Struct({
  listen: endpoint("127.0.0.1:9150"),
  ...programKeys(30),
  limits: withDefault(Schema.Struct(programLimits), {}),
});

const load = (name: string) =>
  Effect.map(readConfig(name, File), (read) => {
    const isOpen = read.said.listen.host === "0.0.0.0";
    return programSettings(read, isOpen ? [read.source.warning(["listen"], "everybody can reach it")] : []);
  });

const checkConfig = checkConfigCommand({
  example: "service check-config --config service.toml",
  load,
  summarize: ({ file: _, warnings: __, ...settings }) => JSON.stringify(settings),
});

runCommandLine(Command.make("service").pipe(Command.withSubcommands([checkConfig])), "1.2.3");
