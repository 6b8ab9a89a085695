import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { type ProgramEnd, RunningProgram } from "../../../test/support/program.ts";

const service = fileURLToPath(new URL("support/service.ts", import.meta.url));
const run = (...args: ReadonlyArray<string>): Promise<ProgramEnd> => new RunningProgram(service, args).end;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "allium-cli-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** What `check-config` makes of a text. */
const check = async (text: string): Promise<ProgramEnd> => {
  const file = join(directory, "service.toml");
  writeFileSync(file, text);
  const { code, stdout, stderr } = await run("check-config", "--config", file);
  return { code, stdout, stderr: stderr.replaceAll(file, "service.toml") };
};

describe("the command check-config", () => {
  it("says what a configuration means, with the keys that every program has", async () => {
    const { code, stdout, stderr } = await check('listen = "127.0.0.1:1"\n');
    assert.deepStrictEqual([code, stderr], [0, ""]);
    assert.deepStrictEqual(JSON.parse(stdout), {
      log: { level: "info", format: "logfmt" },
      shutdownWaitMillis: 30_000,
      shutdownTimeoutMillis: 10_000,
    });
  });

  it("warns on standard error, with the line, and says all the same what it means", async () => {
    const { code, stdout, stderr } = await check(
      'log_level = "debug"\nlog_format = "json"\nshutdown_wait = 1\nlisten = "0.0.0.0:1"\n[limits]\nshutdown_seconds = 2\n',
    );
    assert.deepStrictEqual([code, stderr], [0, "warning: service.toml:4: listen: everybody can reach it\n"]);
    assert.deepStrictEqual(JSON.parse(stdout), {
      log: { level: "debug", format: "json" },
      shutdownWaitMillis: 1_000,
      shutdownTimeoutMillis: 2_000,
    });
  });

  it("says all that is wrong, and ends with 3", async () => {
    const { code, stdout, stderr } = await check(
      'listen = "127.0.0.1:1"\nlog_level = "loud"\nlog_format = "xml"\nshutdown_wait = -1\n[limits]\nshutdown_seconds = 0\n',
    );
    assert.deepStrictEqual([code, stdout], [3, ""]);
    assert.deepStrictEqual(stderr.split("\n"), [
      'service.toml:2: log_level: expected "error", "warn", "info", "debug", "trace", got "loud"',
      'service.toml:3: log_format: expected "logfmt", "json", got "xml"',
      "service.toml:4: shutdown_wait: expected a whole number from 0 to 86400, got -1",
      "service.toml:6: limits.shutdown_seconds: expected a whole number from 1 to 3600, got 0",
      "",
    ]);
  });

  it("tells its flags and an example", async () => {
    const { code, stdout } = await run("check-config", "--help");
    assert.strictEqual(code, 0);
    assert.include(stdout, "--config, -c FILE");
    assert.include(stdout, "EXAMPLES\n  service check-config --config service.toml");
  });
});

describe("a command line", () => {
  it("tells the version of the program", async () => {
    assert.deepStrictEqual(await run("--version"), { code: 0, stdout: "service v1.2.3\n", stderr: "" });
  });

  it("that is wrong ends with 2", async () => {
    const { code, stdout, stderr } = await run("fly");
    assert.strictEqual(code, 2);
    assert.include(stdout + stderr, 'Unknown subcommand "fly"');
  });
});
