import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import {
  AlliumClient,
  describeFailures,
  eventually,
  Meter,
  type Origin,
  runTransfers,
  socksConnect,
  TorNetwork,
} from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { texts } from "./support/allium.ts";
import { clientReport } from "./support/client.ts";

const SIZES: ReadonlyArray<number> = [
  20_000_000,
  5_000_000,
  ...new Array<number>(4).fill(1_000_000),
  ...new Array<number>(6).fill(100_000),
  ...[0, 1, 2, 497, 498, 499, 509, 996, 1_000, 4_096, 10_000],
];

describeWithTor("Allium's client with conflux, and tor exits", () => {
  let network: TorNetwork;
  let client: AlliumClient;
  let origin: Origin;

  beforeAll(async () => {
    network = await TorNetwork.start({
      clients: 0,
      relays: 4,
      exits: 2,
      consensusParams: { cfx_enabled: 1 },
      equalBandwidths: true,
    });
    client = await AlliumClient.start(network, { extra: { log_level: "debug" } });
    origin = await network.childOrigin();
  });

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
  });

  /** Tunnels of two legs that are open. */
  const sets = async () =>
    (await clientReport(client)).tunnels.filter(({ legs, state }) => legs.length === 2 && state === "open");

  it("links circuits on two legs, which share the exit alone", async () => {
    const [set] = await eventually(
      "a set of two legs",
      async () => {
        const open = await sets();
        return open.length > 0 ? open : undefined;
      },
      { timeoutMs: 60_000, detail: () => client.log().split("\n").slice(-20).join("\n") },
    );
    const [one = [], other = []] = set?.legs.map(({ hops }) => hops.map(({ nickname }) => nickname)) ?? [];
    assert.strictEqual(one.at(-1), other.at(-1));
    assert.lengthOf(new Set([...one, ...other]), 5);
  });

  it("carries 200 transfers both ways, 50 at a time, byte for byte", async () => {
    const meter = new Meter({ client: client.pid });
    const report = await client.whileRunning(
      runTransfers({
        dial: (index) => socksConnect(client.socks(`set${index % 3}`), origin.host, origin.port),
        count: 200,
        concurrency: 50,
        sizes: SIZES,
        directions: ["down", "up", "both"],
      }),
    );
    console.log(
      `200 transfers, ${(report.bytes / 1e6).toFixed(0)} MB in ${report.seconds.toFixed(1)} s,`,
      `${(report.bytesPerSecond / 1e6).toFixed(1)} MB/s\n${meter.table(report.bytes)}`,
    );
    assert.strictEqual(describeFailures(report), "");
  });

  it("with nothing to warn of, on either side", async () => {
    assert.deepStrictEqual(texts(client.warnings()), []);
    assert.deepStrictEqual(network.warnings(), []);
  });
});
