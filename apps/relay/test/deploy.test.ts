import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { RunningProgram } from "../../../test/support/program.ts";
import { ExitCode } from "../src/exit-code.ts";
import { load, minimal } from "./support/config-text.ts";
import { run } from "./support/program.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const manifest = JSON.parse(read("apps/relay/package.json")) as {
  readonly bin: Readonly<Record<string, string>>;
  readonly files: ReadonlyArray<string>;
};
const [[programName, programFile] = ["", ""]] = Object.entries(manifest.bin);

/** Where a path of the installation is in this tree. */
const inTree = (path: string): string => path.replace(/^\/opt\/allium\//, `${ROOT}/`);
const CONFIG = "/etc/allium/relay.toml";
const DATA = "/var/lib/allium";

/** All values of each key of a unit. */
const unit = ((): ReadonlyMap<string, ReadonlyArray<string>> => {
  const values = new Map<string, Array<string>>();
  for (const line of read("apps/relay/deploy/allium-relay.service").split("\n")) {
    if (line === "" || line.startsWith("#") || line.startsWith("[")) continue;
    const equals = line.indexOf("=");
    assert.isAbove(equals, 0, line);
    const key = line.slice(0, equals);
    values.set(key, [...(values.get(key) ?? []), line.slice(equals + 1)]);
  }
  return values;
})();

/** Instructions of the container file in their order, lines that go on joined. */
const instructions = read("apps/relay/deploy/Containerfile")
  .replace(/^#.*\n/gm, "")
  .replace(/\\\n\s*/g, "")
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => {
    const [, name = "", rest = ""] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
    return { name, rest };
  });
const the = (name: string): string => {
  const found = instructions.filter((instruction) => instruction.name === name);
  assert.strictEqual(found.length, 1, name);
  return found[0]?.rest ?? "";
};
const words = (json: string): ReadonlyArray<string> => JSON.parse(json) as ReadonlyArray<string>;

/** How long the program may take to end by itself, in seconds. */
const endSeconds = Effect.map(
  load(minimal),
  ({ config }) => (config.shutdownWaitMillis + config.shutdownTimeoutMillis) / 1_000,
);

/** Sees to it that the program has a command with these flags, by asking it for help. */
const checkCommand = async ([command = "", ...rest]: ReadonlyArray<string>): Promise<void> => {
  const { code, stdout } = await run(command, "--help");
  assert.strictEqual(code, 0);
  assert.include(stdout, `allium-relay ${command} [flags]`);
  for (const flag of rest.filter((word) => word.startsWith("--"))) assert.include(stdout, flag);
};

describe("the program's first line", () => {
  it("has the options that unit and image rely on, and may be executed", () => {
    const main = join(ROOT, "apps/relay", programFile);
    assert.strictEqual(
      readFileSync(main, "utf8").split("\n")[0],
      "#!/usr/bin/env -S node --min-semi-space-size=2 --max-semi-space-size=2",
    );
    assert.strictEqual(statSync(main).mode & 0o111, 0o111);
  });
});

describe("the unit of systemd", () => {
  it("runs the program by its name, with commands and flags that it has", async () => {
    const commands = [...(unit.get("ExecStart") ?? []), ...(unit.get("ExecReload") ?? [])].map((line) =>
      line.split(" "),
    );
    const ours = commands.filter(([program = ""]) => program.startsWith("/opt/allium/"));
    assert.deepStrictEqual(
      ours.map(([, command]) => command),
      ["run", "check-config"],
    );
    for (const [program = "", ...rest] of ours) {
      assert.strictEqual(program, `/opt/allium/node_modules/.bin/${programName}`);
      assert.isTrue(existsSync(inTree(program)), program);
      assert.deepStrictEqual(rest.slice(1), ["--config", CONFIG]);
      await checkCommand(rest);
    }
    assert.deepStrictEqual(commands.at(-1), ["/bin/kill", "-HUP", "$MAINPID"]);
    assert.match(unit.get("Environment")?.[0] ?? "", /^PATH=\/opt\/allium\/node_modules\/\.bin:/);
  });

  it.effect("lets circuits finish, and waits for longer than they may", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(unit.get("KillSignal"), ["SIGINT"]);
      assert.isAbove(Number(unit.get("TimeoutStopSec")), yield* endSeconds);
    }),
  );

  it("starts the relay again, but not where that is of no use", () => {
    assert.deepStrictEqual(unit.get("Restart"), ["on-failure"]);
    const { Usage, Configuration, Keys } = ExitCode;
    assert.deepStrictEqual(unit.get("RestartPreventExitStatus"), [`${Usage} ${Configuration} ${Keys}`]);
  });

  it.effect("gives the relay its data directory, and room for its connections", () =>
    Effect.gen(function* () {
      const { config } = yield* load(minimal);
      assert.strictEqual(`/var/lib/${unit.get("StateDirectory")}`, DATA);
      assert.deepStrictEqual(unit.get("StateDirectoryMode"), ["0700"]);
      const { maxConnections, maxOutgoingConnections, maxStreams } = config.relay.limits;
      // And those that linger after their streams, are about to be refused, or are files.
      const others = 6_000;
      assert.isAbove(Number(unit.get("LimitNOFILE")), maxConnections + maxOutgoingConnections + maxStreams + others);
    }),
  );

  it("has nothing that the platform cannot run with", () => {
    for (const [key, value] of [
      ["MemoryDenyWriteExecute", "yes"],
      ["PrivateUsers", "yes"],
      ["ProcSubset", "pid"],
      ["Type", "notify"],
    ] as const)
      assert.notInclude(unit.get(key) ?? [], value);
  });

  it("is one in the eyes of systemd", (context) => {
    if (spawnSync("systemd-analyze", ["--version"]).status !== 0) context.skip("systemd-analyze is not here");
    const directory = mkdtempSync(join(tmpdir(), "allium-unit-"));
    try {
      const file = join(directory, "allium-relay.service");
      writeFileSync(file, read("apps/relay/deploy/allium-relay.service").replaceAll("/opt/allium/", `${ROOT}/`));
      const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" });
      assert.deepStrictEqual({ status, said: `${stdout}${stderr}` }, { status: 0, said: "" });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe("the container file", () => {
  it("has the Node.js of package.json", () => {
    const { devDependencies, engines } = JSON.parse(read("package.json")) as {
      readonly devDependencies: { readonly node: string };
      readonly engines: { readonly node: string };
    };
    const bases = instructions.filter(({ name }) => name === "FROM").map(({ rest }) => rest.split(" ")[0]);
    assert.deepStrictEqual(bases, Array(2).fill(`docker.io/library/node:${devDependencies.node}-slim`));
    assert.strictEqual(engines.node, `>=${devDependencies.node.split(".")[0]}`);
  });

  it("copies what is there, and nothing that the checks alone need", () => {
    const copied = instructions
      .filter(({ name, rest }) => name === "COPY" && !rest.startsWith("--from"))
      .flatMap(({ rest }) => rest.split(" ").slice(0, -1));
    for (const path of copied) assert.isTrue(existsSync(join(ROOT, path)), path);
    const { workspaces } = JSON.parse(read("package.json")) as { readonly workspaces: ReadonlyArray<string> };
    assert.deepStrictEqual(workspaces, ["packages/*", "apps/*"]);
    assert.includeMembers(copied, ["package.json", "package-lock.json", "packages", "apps/relay"]);
    assert.notInclude(copied, ".");
  });

  it("runs the program itself, by its name, with a command and flags that it has", async () => {
    assert.deepStrictEqual(words(the("ENTRYPOINT")), [programName]);
    assert.match(the("ENV"), /\bPATH=\/opt\/allium\/node_modules\/\.bin:/);
    const command = words(the("CMD"));
    assert.deepStrictEqual(command, ["run", "--config", CONFIG]);
    await checkCommand(command);
  });

  it("is no root's, and keeps its data in a volume", () => {
    assert.match(the("USER"), /^[1-9]\d*:[1-9]\d*$/);
    assert.strictEqual(the("VOLUME"), DATA);
    assert.isTrue(instructions.some(({ rest }) => rest.includes(`-m 0700 ${DATA}`)));
  });

  it("ends as the unit does", () => {
    assert.deepStrictEqual([the("STOPSIGNAL")], unit.get("KillSignal"));
  });

  it("asks after the relay's health with a program that is there", () => {
    const [, json = ""] = /CMD (\[.*\])$/.exec(the("HEALTHCHECK")) ?? [];
    const [node, program = "", config] = words(json);
    assert.deepStrictEqual([node, config], ["node", CONFIG]);
    assert.isTrue(existsSync(inTree(program)), program);
  });
});

describe("the page for operators", () => {
  it.effect("stops the container no sooner than circuits may finish", () =>
    Effect.gen(function* () {
      const page = read("docs/operating.md");
      const [, seconds] = /--stop-timeout (\d+)/.exec(page) ?? [];
      assert.isAbove(Number(seconds), yield* endSeconds);
      assert.include(page, `\`TimeoutStopSec\` (${unit.get("TimeoutStopSec")} s)`);
      for (const path of [CONFIG, DATA]) assert.include(page, path);
    }),
  );
});

describe("both files", () => {
  it("are published with the program", () => {
    assert.include(manifest.files, "deploy");
  });
});

describe("the health check", () => {
  const program = join(ROOT, "apps/relay/src/health-check.ts");
  const check = async (config: string) => {
    const directory = mkdtempSync(join(tmpdir(), "allium-health-"));
    try {
      const file = join(directory, "relay.toml");
      writeFileSync(file, config);
      return await new RunningProgram(program, [file]).end;
    } finally {
      rmSync(directory, { recursive: true });
    }
  };
  /** A page that answers every request with a status. */
  const withPage = async (status: number, use: (port: number) => Promise<void>) => {
    const server = createServer((request, answer) => {
      answer.writeHead(request.url === "/metrics" ? status : 404).end("ok\n");
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    try {
      await use((server.address() as AddressInfo).port);
    } finally {
      await new Promise((done) => server.close(done));
    }
  };

  it("is content with a relay that answers, wherever it listens, and with one that nobody can ask", async () => {
    assert.deepStrictEqual(await check(minimal), { code: 0, stdout: "", stderr: "" });
    await withPage(200, async (port) => {
      for (const host of ["127.0.0.1", "0.0.0.0"]) {
        const { code, stderr } = await check(`${minimal}[metrics]\nlisten = "${host}:${port}"\n`);
        assert.deepStrictEqual([code, stderr], [0, ""]);
      }
    });
  });

  it("is not with one that does not answer, or with something else than the page", async () => {
    let free = 0;
    await withPage(503, async (port) => {
      const { code, stderr } = await check(`${minimal}[metrics]\nlisten = "127.0.0.1:${port}"\n`);
      assert.strictEqual(code, 1);
      assert.strictEqual(stderr, `http://127.0.0.1:${port}/metrics: status 503\n`);
      free = port;
    });
    const { code, stderr } = await check(`${minimal}[metrics]\nlisten = "127.0.0.1:${free}"\n`);
    assert.strictEqual(code, 1);
    assert.include(stderr, "ECONNREFUSED");
  });
});
