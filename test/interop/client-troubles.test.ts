import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import {
  AlliumClient,
  CLIENT_PROGRAM,
  eventually,
  SOCKS_REPLIES,
  socksConnect,
  TorNetwork,
  writeClientConfig,
} from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { socksCode } from "./support/allium.ts";
import { enterNamespace, namespaceMissing } from "./support/namespace.ts";

/** Runs a program to its end, and answers with its exit code and what it has said. */
const run = async (command: string, ...args: ReadonlyArray<string>): Promise<readonly [number | null, string]> => {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  const [code] = await once(child, "close");
  return [code as number | null, said];
};

/** An argument of Node's that has its clock go wrong by so many milliseconds. */
const clockOff = (millis: number): string => {
  const source = `
    const Right = Date;
    const now = () => Right.now() + ${millis};
    globalThis.Date = class extends Right {
      constructor(...args) { super(...(args.length === 0 ? [now()] : args)); }
      static now() { return now(); }
    };`;
  return `--import=data:text/javascript,${encodeURIComponent(source)}`;
};

const HOUR = 3_600_000;

describeWithTor("what a client says in a network of tor", () => {
  let network: TorNetwork;

  beforeAll(async () => {
    network = await TorNetwork.start({
      clients: 0,
      relays: 1,
      exits: 1,
      consensusParams: { cfx_enabled: 0 },
      exitPolicy: ["reject *:81", "accept *:*"],
    });
  });

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
  });

  for (const [name, millis] of [
    ["an hour behind", -HOUR],
    ["a month behind", -30 * 24 * HOUR],
    ["two days ahead", 48 * HOUR],
    ["a month ahead", 30 * 24 * HOUR],
    ["ten years ahead", 3_650 * 24 * HOUR],
  ] as const)
    it(`if its clock is ${name}`, async () => {
      await using client = await AlliumClient.start(network, {
        name: `clock${millis}`,
        nodeArguments: [clockOff(millis)],
        bootstrapMs: 0,
      });
      await eventually("words about the clock", () => client.log().includes("a clock is wrong: "), {
        detail: () => client.log(),
      });
      assert.match(client.log(), /the clock of this computer seems to be wrong, or that of the network/);
    });

  it("if nobody is where it may connect to", async () => {
    const extra = { reachability: { ports: [1] } };
    const { configFile } = await writeClientConfig(network, { name: "confined", extra });
    const [code, said] = await run(CLIENT_PROGRAM, "fetch", "--config", configFile, "check.test");
    assert.strictEqual(code, 1);
    assert.match(said, /no directory to ask: the configuration allows to connect to none of them/);
  });

  it("if no exit allows the port", async () => {
    const client = await AlliumClient.start(network, { name: "forbidden" });
    const code = await socksCode(socksConnect(client.socks(), "check.test", 81));
    assert.strictEqual(SOCKS_REPLIES[code ?? -1], "not allowed by ruleset");
    await client.stop();
    const { configFile } = await writeClientConfig(network, { name: "fetching" });
    const [exitCode, said] = await run(CLIENT_PROGRAM, "fetch", "--config", configFile, "http://check.test:81/");
    assert.strictEqual(exitCode, 1);
    assert.match(said, /^check\.test:81: no exit that is known allows this destination/);
  });
});

const missing = namespaceMissing();
const required = process.env["ALLIUM_REQUIRE_TOR"] === "1";
if (missing !== undefined && !required)
  console.error(`SKIPPED: "where there is no network" needs a namespace. ${missing}`);

describe.runIf(missing === undefined || required)("what a client says where there is no network", () => {
  it("is that", async () => {
    assert.isUndefined(missing);
    const directory = mkdtempSync(join(tmpdir(), "allium-offline-"));
    try {
      const file = join(directory, "client.toml");
      // Whoever has no configuration but this has the directories of the public network to ask.
      writeFileSync(file, 'data_dir = "data"\n');
      const fetch = [CLIENT_PROGRAM, "fetch", "--config", file, "--bootstrap-seconds", "5", "example.com"];
      const [code, said] = await run("unshare", ...enterNamespace(), ...fetch);
      assert.strictEqual(code, 1);
      assert.match(said, /level=ERROR .*message="no network: this computer seems to have no network: /);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
