import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import {
  type AlliumRelay,
  describeFailures,
  eventually,
  type LineSettings,
  type Origin,
  pause,
  runTransfers,
  type SlowLine,
  socksConnect,
  type TorNetwork,
  type TorNode,
} from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { startWithAllium, texts } from "./support/allium.ts";
import { confluxSets, type LinkedCircuit } from "./support/conflux.ts";

/** 40 Mbit/s. */
const RATE = 5_000_000;

/** What is before the client's guards to begin with. It uses two of three: one that was not reached at once is not tried again for minutes. */
const LINE: LineSettings = { delayMs: 25, bytesPerSecond: RATE };
const GUARDS = ["relay0", "relay1", "relay2"];

describeWithTor("a tor client with conflux over slow lines, and Allium as the exit", () => {
  let network: TorNetwork;
  let allium: AlliumRelay;
  let origin: Origin;
  let client: TorNode;
  /** The lines in front of the two guards that the client uses. */
  let near: SlowLine | undefined;
  let far: SlowLine | undefined;

  beforeAll(async () => {
    ({ network, allium } = await startWithAllium({
      exits: 0,
      relays: 5,
      consensusParams: { cfx_enabled: 1 },
      equalBandwidths: true,
      lines: Object.fromEntries(GUARDS.map((guard) => [guard, LINE])),
      extraTorrc: {
        client: [
          ["EntryNodes", GUARDS.join(",")],
          ["NumPrimaryGuards", GUARDS.length],
        ],
      },
    }));
    origin = await network.childOrigin();
    client = network.clients[0]!;
    [near, far] = await eventually(
      "two legs",
      async () => {
        const [legs] = [...(await confluxSets(client)).values()].filter(({ length }) => length === 2);
        return legs?.map(lineOf);
      },
      { timeoutMs: 60_000 },
    );
    await far?.set({ ...LINE, delayMs: 30 });
  });

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
  });

  /** The line in front of a circuit's guard. */
  const lineOf = ({ line }: LinkedCircuit): SlowLine => network.line(/~(\w+)/.exec(line)?.[1] ?? "");

  /** Moves so many bytes both ways, while something happens to the lines. */
  const transfer = async (isolation: string, size: number, meanwhile: () => Promise<void> = async () => {}) => {
    const begun = performance.now();
    const moving = runTransfers({
      dial: () => socksConnect(client.socks(isolation), origin.host, origin.port),
      count: 2,
      concurrency: 2,
      sizes: [size],
      directions: ["down", "up"],
      timeoutMs: 120_000,
    });
    const [report] = await Promise.all([moving, meanwhile()]);
    const seconds = (performance.now() - begun) / 1000;
    console.log(
      `${isolation}: ${size / 1e6} MB each way in ${seconds.toFixed(1)} s: ${(size / 1e6 / seconds).toFixed(1)} MB/s`,
    );
    return report;
  };

  it("moves bytes both ways, as they are", async () => {
    assert.strictEqual(describeFailures(await transfer("plain", 20_000_000)), "");
  });

  it("moves them while one line is ten times slower than the other", async () => {
    await far?.set({ delayMs: 200, bytesPerSecond: RATE / 10 });
    assert.strictEqual(describeFailures(await transfer("slow", 10_000_000)), "");
    await far?.set(LINE);
  });

  it("moves them while one line stalls for five seconds", async () => {
    const report = await transfer("stalls", 20_000_000, async () => {
      await pause(1_000);
      await near?.stall(true);
      await pause(5_000);
      await near?.stall(false);
    });
    assert.strictEqual(describeFailures(report), "");
  });

  it("moves them while the faster line becomes the slower one, and back", async () => {
    const report = await transfer("crosses", 20_000_000, async () => {
      for (let round = 0; round < 3; round++) {
        await pause(700);
        await near?.set({ delayMs: 60, bytesPerSecond: RATE });
        await far?.set({ delayMs: 5, bytesPerSecond: RATE });
        await pause(700);
        await near?.set({ delayMs: 5, bytesPerSecond: RATE });
        await far?.set({ delayMs: 60, bytesPerSecond: RATE });
      }
    });
    assert.strictEqual(describeFailures(report), "");
  });

  it("tells the application when a line that is in use is cut, and others are served soon", async () => {
    const report = await transfer("cut", 20_000_000, async () => {
      await pause(1_000);
      // The one that most legs come through: of those that have the streams too.
      const lines = [...(await confluxSets(client)).values()].flat().map(lineOf);
      const uses = (line: SlowLine) => lines.filter((other) => other === line).length;
      await lines.reduce((most, line) => (uses(line) > uses(most) ? line : most)).cut();
    });
    assert.isNotEmpty(report.failures);
    // The daemons hear of it one after the other.
    await eventually(
      "the next request to be served",
      async () => describeFailures(await transfer("after the cut", 1_000_000)) === "",
      { timeoutMs: 120_000 },
    );
  });

  it("with nothing to warn of", async () => {
    assert.deepStrictEqual(texts(allium.warnings()), []);
  });
});
