import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChannelCommand, DestroyReason, RelayCommand } from "@allium/cell";
import { afterAll, afterEach, assert, beforeEach, describe, it } from "@effect/vitest";
import { createFast, freshCircId, HostileCircuit } from "../../../test/hostile/circuit.ts";
import { clientFrom } from "../../../test/interop/support/floods.ts";
import { PortPool } from "../../../test/network/ports.ts";
import { eventually } from "../../../test/network/wait.ts";
import { minimal } from "./support/config-text.ts";
import { run, start } from "./support/program.ts";

let directory: string;
let file: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "allium-cli-"));
  file = join(directory, "relay.toml");
  writeFileSync(file, minimal);
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const keyFile = (): string => join(directory, "data/keys/secret_id_key");

/** Ports that nobody else is given: one of the system's choice may be somebody else's before the program has started. */
const ports = new PortPool();
afterAll(() => ports[Symbol.asyncDispose]());

/** A port of the loopback that somebody listens on. */
const takenPort = async (): Promise<AsyncDisposable & { readonly port: number }> => {
  const port = await ports.take();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { port, [Symbol.asyncDispose]: () => new Promise((done) => server.close(() => done())) };
};

describe("help", () => {
  it("tells a newcomer the commands, where to begin, and the exit codes", async () => {
    const { code, stdout } = await run("--help");
    assert.strictEqual(code, 0);
    for (const word of ["run", "keygen", "fingerprint", "check-config", "relay.example.toml", "Exit codes"])
      assert.include(stdout, word);
  });

  for (const command of ["run", "keygen", "fingerprint", "check-config"])
    it(`of ${command} has its flags and an example`, async () => {
      const { code, stdout } = await run(command, "--help");
      assert.strictEqual(code, 0);
      assert.include(stdout, "--config, -c FILE");
      assert.include(stdout, `EXAMPLES\n  allium-relay ${command} --config relay.toml`);
    });

  it("tells the version", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
    assert.deepStrictEqual(await run("--version"), { code: 0, stdout: `allium-relay v${version}\n`, stderr: "" });
  });
});

describe("a wrong command line ends with 2", () => {
  const cases: ReadonlyArray<readonly [what: string, args: ReadonlyArray<string>, says: string]> = [
    ["without a command", [], "SUBCOMMANDS"],
    ["with a command that is none", ["fly"], 'Unknown subcommand "fly"'],
    ["without the configuration", ["run"], "Missing required flag: --config"],
    ["with a flag that is none", ["check-config", "--conf", "x"], "--conf"],
    [
      "with neither a configuration nor a data directory",
      ["keygen"],
      "give either --config FILE or --data-dir DIRECTORY",
    ],
    [
      "with both of them",
      ["fingerprint", "--config", "x", "--data-dir", "y"],
      "give either --config FILE or --data-dir DIRECTORY",
    ],
  ];
  for (const [what, args, says] of cases)
    it(what, async () => {
      const { code, stdout, stderr } = await run(...args);
      assert.strictEqual(code, 2);
      assert.include(stdout + stderr, says);
    });
});

describe("check-config", () => {
  it("tells what a configuration means, and writes nothing", async () => {
    const { code, stdout, stderr } = await run("check-config", "--config", file);
    assert.strictEqual(code, 0);
    assert.include(stdout, `${file} is fine:`);
    assert.match(stdout, /listens on +127\.0\.0\.1:9101/);
    assert.strictEqual(stderr, "");
    assert.isFalse(existsSync(join(directory, "data")));
  });

  it("ends with 3 and the mistakes alone", async () => {
    writeFileSync(file, minimal.replace("nickname", "nikname").replace("9101", "99999"));
    const { code, stdout, stderr } = await run("check-config", "--config", file);
    assert.strictEqual(code, 3);
    assert.strictEqual(stdout, "");
    assert.strictEqual(
      stderr,
      [
        `${file}: nickname: it is missing, and there is no default`,
        `${file}:1: nikname: there is no such key; did you mean "nickname"?`,
        `${file}:3: or_port: expected an IP address and a port, as in "127.0.0.1:9101", got "127.0.0.1:99999"`,
        "",
      ].join("\n"),
    );
  });

  it("warns, and is content", async () => {
    writeFileSync(file, `${minimal}[exit]\npolicy = ["accept *:80"]\n`);
    const { code, stderr } = await run("check-config", "--config", file);
    assert.strictEqual(code, 0);
    assert.include(stderr, `warning: ${file}:7: exit.policy: it has no effect`);
  });
});

describe("keygen and fingerprint", () => {
  it("make the keys once, and tell the same ever after", async () => {
    const made = await run("keygen", "--config", file);
    assert.strictEqual(made.code, 0);
    assert.match(made.stdout, /^Zwiebel [0-9A-F]{40}\ned25519 [A-Za-z0-9+/]{43}\n$/);
    assert.strictEqual(made.stderr, `new keys are in ${directory}/data/keys\n`);
    assert.strictEqual(statSync(keyFile()).mode & 0o777, 0o600);
    const key = readFileSync(keyFile());

    const again = await run("keygen", "--config", file);
    assert.deepStrictEqual({ ...again, stderr: "" }, { ...made, stderr: "" });
    assert.include(again.stderr, "there were keys already");
    assert.deepStrictEqual(readFileSync(keyFile()), key);

    assert.deepStrictEqual(await run("fingerprint", "--config", file), { ...made, stderr: "" });
    assert.deepStrictEqual(await run("fingerprint", "--data-dir", join(directory, "data")), {
      code: 0,
      stdout: made.stdout.replace("Zwiebel ", ""),
      stderr: "",
    });
  });

  it("end with 4 if there are no keys to tell of", async () => {
    const { code, stderr } = await run("fingerprint", "--config", file);
    assert.strictEqual(code, 4);
    assert.include(stderr, "data/keys/secret_id_key does not exist");
  });

  it("end with 4 if others can read the keys, and name the file and its mode", async () => {
    await run("keygen", "--config", file);
    chmodSync(keyFile(), 0o644);
    for (const command of ["keygen", "fingerprint"]) {
      const { code, stdout, stderr } = await run(command, "--config", file);
      assert.strictEqual(code, 4);
      assert.strictEqual(stdout, "");
      assert.include(stderr, `${keyFile()} has mode 0644`);
    }
  });
});

describe("keygen --new-signing-key", () => {
  const signingFiles = ["ed25519_signing_cert", "ed25519_signing_secret_key"];

  it("makes a signing key with an identity that is kept elsewhere, for a relay that then runs without it", async () => {
    const made = await run("keygen", "--config", file);
    const master = join(directory, "data/keys/ed25519_master_id_secret_key");
    const safe = join(directory, "master");
    renameSync(master, safe);
    for (const name of signingFiles) rmSync(join(directory, "data/keys", name));
    const without = await run("keygen", "--config", file);
    assert.strictEqual(without.code, 4);
    assert.include(without.stderr, "allium-relay keygen --new-signing-key");

    const elsewhere = join(directory, "elsewhere");
    const args = ["keygen", "--data-dir", elsewhere, "--master-key", safe, "--lifetime-days", "90"];
    const { code, stdout, stderr } = await run(...args);
    assert.strictEqual(code, 0, stderr);
    assert.include(made.stdout, stdout.trim());
    assert.match(
      stderr,
      /a new signing key is in \S+\/elsewhere\/keys, with a certificate until \d{4}-\d\d-\d\dT\d\d:00:00Z\n$/,
    );
    for (const name of signingFiles) copyFileSync(join(elsewhere, "keys", name), join(directory, "data/keys", name));
    assert.strictEqual((await run("keygen", "--config", file)).stdout, made.stdout);
    assert.isFalse(existsSync(master));
  });

  it("ends with 2 if the lifetime makes no sense, and with 4 if there is no identity", async () => {
    const data = join(directory, "data");
    const wrong = await run("keygen", "--data-dir", data, "--new-signing-key", "--lifetime-days", "0");
    assert.strictEqual(wrong.code, 2);
    assert.include(wrong.stderr, "--lifetime-days: expected 1 to 3650, got 0");
    const lone = await run("keygen", "--data-dir", data, "--lifetime-days", "9");
    assert.strictEqual(lone.code, 2);
    assert.include(lone.stderr, "--lifetime-days needs --new-signing-key");
    const missing = await run("keygen", "--data-dir", data, "--new-signing-key");
    assert.strictEqual(missing.code, 4);
    assert.include(missing.stderr, "ed25519_master_id_secret_key does not exist");
  });
});

describe("run", () => {
  it("listens until SIGTERM, and ends in good order", async () => {
    const port = await ports.take();
    writeFileSync(file, `${minimal.replace("9101", String(port))}[exit]\npolicy = ["accept *:80"]\n`);
    const program = start("run", "--config", file);
    await program.logged(`listening on 127.0.0.1:${port}`);
    program.child.kill("SIGTERM");
    const { code, stdout, stderr } = await program.end;
    assert.strictEqual(code, 0, stderr);
    assert.strictEqual(stdout, "");
    assert.include(stderr, `level=WARN`);
    assert.include(stderr, `${file}:7: exit.policy: it has no effect`);
    assert.match(stderr, /message="ending: closing circuits[^"]*"/);
    assert.match(stderr, /message=ended\n$/);
  });

  it("reads its configuration again at SIGHUP, and keeps the old one if that is wrong", async () => {
    const port = await ports.take();
    const metrics = await ports.take();
    const text = minimal.replace("9101", String(port));
    writeFileSync(file, text);
    const program = start("run", "--config", file);
    await program.logged(`listening on 127.0.0.1:${port}`);

    writeFileSync(file, `log_level = "debug"\nshutdown_wait = 1\n${text}[metrics]\nlisten = "127.0.0.1:${metrics}"\n`);
    program.child.kill("SIGHUP");
    await program.logged("configuration: changed: metrics, log_level, shutdown_wait");
    const scrape = () => fetch(`http://127.0.0.1:${metrics}/metrics`);
    const page = await scrape();
    assert.strictEqual(page.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    const body = await page.text();
    for (const name of [
      "tor_relay_traffic_bytes",
      "allium_heap_bytes",
      "process_cpu_seconds_total",
      "allium_build_info",
    ])
      assert.include(body, `# TYPE ${name} `);
    assert.include(await (await scrape()).text(), "allium_event_loop_delay_seconds{quantile=");

    writeFileSync(file, `nikname = 1\n${text}`);
    program.child.kill("SIGHUP");
    await program.logged(`${file}:1: nikname: there is no such key`);
    assert.strictEqual((await scrape()).status, 200);

    writeFileSync(file, text.replace(String(port), String(port + 1)));
    program.child.kill("SIGHUP");
    await program.logged("only after a restart: or_port");
    assert.isTrue(
      await scrape().then(
        () => false,
        () => true,
      ),
      "the page is gone",
    );
    program.child.kill("SIGTERM");
    const { code, stderr } = await program.end;
    assert.strictEqual(code, 0, stderr);
    assert.match(stderr, /level=WARN [^\n]*message="configuration: changed: [^"]*only after a restart: or_port"/);
  });

  it("ends at once at SIGINT if there are no circuits to wait for", async () => {
    const port = await ports.take();
    writeFileSync(file, minimal.replace("9101", String(port)));
    const program = start("run", "--config", file);
    await program.logged(`listening on 127.0.0.1:${port}`);
    program.child.kill("SIGINT");
    const { code, stderr } = await program.end;
    assert.strictEqual(code, 0, stderr);
    assert.notInclude(stderr, "open circuits");
    assert.match(stderr, /message=ended\n$/);
  });

  it("goes on at SIGINT for circuits that are there, accepts nothing new, and ends with the last of them", async () => {
    const port = await ports.take();
    writeFileSync(file, minimal.replace("9101", String(port)));
    const program = start("run", "--config", file);
    await program.logged(`listening on 127.0.0.1:${port}`);
    // It listens before all of it has started; who can be told to reload is all there.
    program.child.kill("SIGHUP");
    await program.logged("configuration: nothing has changed");
    const client = await clientFrom("127.0.0.1", port);
    const circuit = await createFast(client);
    program.child.kill("SIGINT");
    await program.logged("ending when the 1 open circuits have ended, in 30s at the latest");
    const late = new HostileCircuit(client, freshCircId());
    client.sendCell(late.circId, ChannelCommand.CREATE_FAST, Buffer.alloc(20, 1));
    await eventually("an answer", () => late.destroyed !== undefined);
    assert.strictEqual(late.destroyed, DestroyReason.HIBERNATING);
    assert.strictEqual(await clientFrom("127.0.0.1", port).catch(() => "refused"), "refused");
    // The circuit answers as before.
    circuit.sendBody(RelayCommand.BEGIN, 1, Buffer.from("192.0.2.1:80\0\0\0\0\0"));
    assert.isTrue(await circuit.receives(RelayCommand.END, 1));
    assert.isUndefined(circuit.destroyed);
    client.sendCell(circuit.circId, ChannelCommand.DESTROY, Buffer.of(DestroyReason.FINISHED));
    const { code, stderr } = await program.end;
    assert.strictEqual(code, 0, stderr);
    assert.match(stderr, /message=ended\n$/);
    client.destroy();
  });

  it("ends with 1 if somebody else listens where its metrics should be", async () => {
    await using taken = await takenPort();
    const { port } = taken;
    writeFileSync(
      file,
      `${minimal.replace("9101", String(await ports.take()))}[metrics]\nlisten = "127.0.0.1:${port}"\n`,
    );
    const { code, stderr } = await run("run", "--config", file);
    assert.strictEqual(code, 1);
    assert.include(stderr, `cannot listen on 127.0.0.1:${port} (EADDRINUSE)`);
    assert.include(stderr, "change metrics.listen");
  });

  it("ends with 1 if somebody else listens on its port", async () => {
    await using taken = await takenPort();
    const { port } = taken;
    writeFileSync(file, minimal.replace("9101", String(port)));
    const { code, stderr } = await run("run", "--config", file);
    assert.strictEqual(code, 1);
    assert.include(stderr, "level=ERROR");
    assert.include(stderr, `cannot listen on 127.0.0.1:${port} (EADDRINUSE): another program does`);
  });

  it("ends with 3 and touches nothing if the configuration is wrong", async () => {
    writeFileSync(file, minimal.replace("true", '"yes"'));
    const { code, stderr } = await run("run", "--config", file);
    assert.strictEqual(code, 3);
    assert.include(stderr, `${file}:4: test_network: expected true or false`);
    assert.isFalse(existsSync(join(directory, "data")));
  });

  it("ends with 4 if others can read the keys", async () => {
    await run("keygen", "--config", file);
    chmodSync(keyFile(), 0o604);
    const { code, stderr } = await run("run", "--config", file);
    assert.strictEqual(code, 4);
    assert.include(stderr, `${keyFile()} has mode 0604`);
  });
});
