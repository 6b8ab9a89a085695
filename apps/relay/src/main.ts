#!/usr/bin/env -S node --min-semi-space-size=2 --max-semi-space-size=2
import { runCommandLine } from "@allium/cli";
import packageJson from "../package.json" with { type: "json" };
import { command } from "./cli.ts";

runCommandLine(command, packageJson.version);
