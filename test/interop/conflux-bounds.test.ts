import { REORDER_BYTES } from "@allium/conflux";
import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import { MetricsPage } from "../bench/metrics-page.ts";
import {
  type AlliumRelay,
  describeFailures,
  eventually,
  type Origin,
  pause,
  runTransfers,
  type SlowLine,
  socksConnect,
  type TorNetwork,
  type TransferPlan,
} from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { startWithAllium, texts } from "./support/allium.ts";
import { type ConfluxClient, torClient } from "./support/conflux.ts";
import { BEHIND_LINES } from "./support/slow-lines.ts";

describeWithTor("cells of a tor client that wait at Allium as the exit for those of a line that stands still", () => {
  let network: TorNetwork;
  let allium: AlliumRelay;
  let origin: Origin;
  let client: ConfluxClient;
  let lines: ReadonlyArray<SlowLine>;

  beforeAll(async () => {
    ({ network, allium } = await startWithAllium({ ...BEHIND_LINES, exits: 0, metrics: true }));
    origin = await network.childOrigin();
    client = torClient(network.clients[0]!);
    const [set] = await eventually("sets", async () => {
      const sets = await client.sets();
      return sets.length >= 3 ? sets : undefined;
    });
    lines = set?.guards.map((guard) => network.line(guard)) ?? [];
  });

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
  });

  const page = () => MetricsPage.of(allium.metricsPort!);

  const uploads = (isolation: (index: number) => string, plan: Omit<TransferPlan, "dial">) =>
    runTransfers({
      ...plan,
      dial: (index) => socksConnect(client.socks(isolation(index)), origin.host, origin.port),
      directions: ["up"],
    });

  /** Looks at the exit until something is over. @returns the most that has waited in all sets, and the most sets that there were */
  const watching = async <A>(work: Promise<A>) => {
    let isOver = false;
    const watched = work.finally(() => {
      isOver = true;
    });
    const most = { bytes: 0, sets: 0 };
    const watch = async () => {
      while (!isOver) {
        const seen = await page();
        most.bytes = Math.max(most.bytes, seen.sum("allium_conflux_waiting_bytes"));
        most.sets = Math.max(most.sets, seen.sum("allium_conflux_sets"));
        await pause(20);
      }
    };
    const [result] = await Promise.all([watched, watch()]);
    console.log(`${(most.bytes / 1e6).toFixed(1)} MB at most, ${most.sets} sets`);
    return { result, ...most };
  };

  it("are no more than 32 MiB of a set, and all 200 uploads arrive", async () => {
    const [, far] = lines;
    const moving = uploads((index) => `tunnel${index % 4}`, { count: 200, concurrency: 40, sizes: [300_000] });
    const stalls = async () => {
      for (let stall = 0; stall < 2; stall++) {
        await pause(1_500);
        await far?.stall(true);
        await pause(2_500);
        await far?.stall(false);
      }
    };
    const { result, bytes, sets } = await watching(Promise.all([moving, stalls()]));
    assert.strictEqual(describeFailures(result[0]), "");
    assert.isAbove(bytes, 0, "some have waited");
    assert.isAtMost(bytes, sets * REORDER_BYTES);
    assert.strictEqual((await page()).sum("allium_conflux_waiting_bytes"), 0);
  });

  it("with nothing to warn of, on either side", () => {
    assert.deepStrictEqual(client.warnings(), []);
    assert.deepStrictEqual(texts(allium.warnings()), []);
    assert.deepStrictEqual(network.warnings(), []);
  });
});
