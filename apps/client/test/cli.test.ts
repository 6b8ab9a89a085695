import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, assert, beforeEach, describe, it } from "@effect/vitest";
import { PortPool } from "../../../test/network/ports.ts";
import { socksConnect } from "../../../test/network/socks.ts";
import { minimal } from "./support/config-text.ts";
import { run, start } from "./support/program.ts";

const ports = new PortPool();
afterAll(() => ports[Symbol.asyncDispose]());

let directory: string;
let file: string;
let port: number;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "allium-client-"));
  file = join(directory, "client.toml");
  port = await ports.take();
  writeFileSync(file, minimal.replace("9150", `${port}`));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const commands = ["proxy", "fetch", "circuits", "check-config"];

describe("help", () => {
  it("tells a newcomer the commands, where to begin, and the exit codes", async () => {
    const { code, stdout } = await run("--help");
    assert.strictEqual(code, 0);
    for (const word of [...commands, "client.example.toml", "Exit codes"]) assert.include(stdout, word);
  });

  for (const command of commands)
    it(`of ${command} has its flags and an example`, async () => {
      const { code, stdout } = await run(command, "--help");
      assert.strictEqual(code, 0);
      assert.include(stdout, "--config, -c FILE");
      assert.include(stdout, `EXAMPLES\n  allium-client ${command} --config client.toml`);
    });

  it("tells the version", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
    assert.deepStrictEqual(await run("--version"), { code: 0, stdout: `allium-client v${version}\n`, stderr: "" });
  });
});

describe("a wrong command line ends with 2", () => {
  const cases: ReadonlyArray<readonly [what: string, args: ReadonlyArray<string>, says: string]> = [
    ["without a command", [], "SUBCOMMANDS"],
    ["with a command that is none", ["fly"], 'Unknown subcommand "fly"'],
    ["without the configuration", ["proxy"], "Missing required flag: --config"],
    ["without what to fetch", ["fetch", "--config", "x"], "url"],
    ["with what cannot be fetched", ["fetch", "--config", "x", "ftp://example.com/"], "only http:// and https://"],
  ];
  for (const [what, args, says] of cases)
    it(what, async () => {
      const { code, stdout, stderr } = await run(...args);
      assert.strictEqual(code, 2);
      assert.include(stdout + stderr, says);
    });
});

describe("a wrong configuration ends with 3", () => {
  for (const command of commands)
    it(`of ${command}, and all mistakes are shown`, async () => {
      writeFileSync(file, minimal.replace("data_dir", "datadir").replace("9150", "99999"));
      const { code, stdout, stderr } = await run(command, "--config", file, ...(command === "fetch" ? ["x.test"] : []));
      assert.deepStrictEqual([code, stdout], [3, ""]);
      assert.strictEqual(
        stderr,
        [
          `${file}: data_dir: it is missing, and there is no default`,
          `${file}:1: datadir: there is no such key; did you mean "data_dir"?`,
          `${file}:2: socks_listen: expected an IP address and a port, as in "127.0.0.1:9150", got "127.0.0.1:99999"`,
          "",
        ].join("\n"),
      );
    });
});

describe("check-config", () => {
  it("tells what a configuration means, and writes nothing", async () => {
    const { code, stdout, stderr } = await run("check-config", "--config", file);
    assert.deepStrictEqual([code, stderr], [0, ""]);
    assert.include(stdout, `${file} is fine:`);
    assert.match(stdout, new RegExp(`proxy at +127\\.0\\.0\\.1:${port}`));
    assert.isFalse(existsSync(join(directory, "data")));
  });

  it("warns, and is content", async () => {
    writeFileSync(file, `${minimal}[isolation]\ncredentials = false\n`);
    const { code, stderr } = await run("check-config", "--config", file);
    assert.strictEqual(code, 0);
    assert.include(stderr, `warning: ${file}:6: isolation.credentials: `);
  });
});

describe("a proxy in a network where nobody answers", () => {
  it("listens, says what it waits for, and ends in order at SIGTERM", async () => {
    const program = start("proxy", "--config", file);
    await program.logged(`SOCKS and HTTP CONNECT at 127.0.0.1:${port}`);
    await program.logged("bootstrap ");
    program.child.kill("SIGTERM");
    const { code, stdout, stderr } = await program.end;
    assert.deepStrictEqual([code, stdout], [0, ""], stderr);
    assert.include(stderr, "message=ended");
    assert.isFalse(existsSync(join(directory, "data/lock")));
    assert.isFalse(existsSync(join(directory, "data/status.sock")));
  });

  it("tells of itself, and lets no other into its directory", async () => {
    const program = start("proxy", "--config", file);
    await program.logged("SOCKS and HTTP CONNECT");
    const circuits = await run("circuits", "--config", file);
    assert.strictEqual(circuits.code, 0, circuits.stderr);
    assert.match(circuits.stdout, /^\d+ %: .+\n/);
    const { stdout } = await run("circuits", "--json", "--config", file);
    assert.deepInclude(JSON.parse(stdout), { pid: program.child.pid, socks: `127.0.0.1:${port}` });

    const other = await run("fetch", "--config", file, "example.com");
    assert.strictEqual(other.code, 4);
    assert.include(other.stderr, `another client (process ${program.child.pid}) runs in it`);
    program.child.kill("SIGKILL");
    await program.end;

    // What it has left behind is in nobody's way.
    const gone = await run("circuits", "--config", file);
    assert.strictEqual(gone.code, 1);
    assert.include(gone.stderr, "it was killed");
    const next = start("proxy", "--config", file);
    await next.logged("SOCKS and HTTP CONNECT");
    next.child.kill("SIGTERM");
    assert.strictEqual((await next.end).code, 0);
  });

  it("lets applications go on after SIGINT for as long as was said, and ends at once at a second", async () => {
    const program = start("proxy", "--config", file);
    await program.logged("SOCKS and HTTP CONNECT");
    const waiting = socksConnect({ port, timeoutMs: 60_000 }, "example.com", 80);
    waiting.catch(() => {});
    await new Promise<void>((resolve, reject) => {
      const look = async (): Promise<void> => {
        const { stdout } = await run("circuits", "--json", "--config", file);
        if (JSON.parse(stdout).proxy.connections === 1) resolve();
        else void look();
      };
      look().catch(reject);
    });
    program.child.kill("SIGINT");
    await program.logged("ending when the 1 applications have ended, in 10s at the latest");
    program.child.kill("SIGINT");
    assert.strictEqual((await program.end).code, 0);
  });
});

describe("a proxy that cannot be run", () => {
  it("ends with 1 if its port is taken, and says by which key", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const { code, stderr } = await run("proxy", "--config", file);
    assert.strictEqual(code, 1);
    assert.include(
      stderr,
      `cannot listen on 127.0.0.1:${port} (EADDRINUSE): another program does, perhaps this client already; change socks_listen`,
    );
    await new Promise((resolve) => server.close(resolve));
  });

  it("ends with 4 if its directory cannot be used", async () => {
    writeFileSync(join(directory, "data"), "");
    const { code, stderr } = await run("proxy", "--config", file);
    assert.strictEqual(code, 4);
    assert.include(stderr, `${directory}/data: it is no directory (EEXIST)`);
  });

  it("ends with 4 if others can write into its directory", async () => {
    mkdirSync(join(directory, "data"), { mode: 0o777 });
    chmodSync(join(directory, "data"), 0o777);
    const { code, stderr } = await run("proxy", "--config", file);
    assert.strictEqual(code, 4);
    assert.include(stderr, "others can write into it (mode 0777)");
  });
});

describe("fetch in a network where nobody answers", () => {
  it("gives up, says what it waited for, and leaves no file", async () => {
    const page = join(directory, "page.html");
    const args = ["--bootstrap-seconds", "1", "-o", page, "http://example.com/"];
    const { code, stdout, stderr } = await run("fetch", "--config", file, ...args);
    assert.deepStrictEqual([code, stdout], [1, ""]);
    assert.match(stderr, /level=ERROR .*message="[a-z ]+: /);
    assert.isFalse(existsSync(page));
  });
});
