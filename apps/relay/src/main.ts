#!/usr/bin/env -S node --min-semi-space-size=2 --max-semi-space-size=2
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, Layer } from "effect";
import { CliConfig, Command, GlobalFlag } from "effect/cli";
import packageJson from "../package.json" with { type: "json" };
import { command } from "./cli.ts";
import { tuneCollector } from "./collector.ts";
import { tuneCompiler } from "./compiler.ts";
import { runMain } from "./run-main.ts";

tuneCollector();
tuneCompiler();

const cli = CliConfig.layer({
  builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel],
});

runMain(
  Command.run(command, { version: packageJson.version }).pipe(Effect.provide(Layer.merge(cli, NodeServices.layer))),
);
