#!/usr/bin/env -S NODE_COMPILE_CACHE=${HOME}/.cache/allium MALLOC_ARENA_MAX=1 node --min-semi-space-size=2 --max-semi-space-size=2
import { runCommandLine } from "@allium/cli";
import packageJson from "../package.json" with { type: "json" };
import { command } from "./cli.ts";

runCommandLine(command, packageJson.version);
