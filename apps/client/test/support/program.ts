import { fileURLToPath } from "node:url";
import { type ProgramEnd, RunningProgram } from "../../../../test/support/program.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** Starts `allium-client`. */
export const start = (...args: ReadonlyArray<string>): RunningProgram => new RunningProgram(main, args);

/** Runs `allium-client` to its end. */
export const run = (...args: ReadonlyArray<string>): Promise<ProgramEnd> => start(...args).end;
