import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import { MetricsPage } from "../bench/metrics-page.ts";
import {
  AlliumClient,
  AlliumRelay,
  describeFailures,
  eventually,
  TorNetwork as Network,
  type Origin,
  runTransfers,
  type TorNetwork,
} from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { openExit, startBeside, texts, waitUntilKnown } from "./support/allium.ts";
import { clientReport, dialEveryWay, watchingPaths } from "./support/client.ts";

/** 33 sizes: each third of the plan has one of 5 MB, some of a megabyte, and many about the size of a cell and below. */
const SIZES: ReadonlyArray<number> = [
  5_000_000,
  2_000_000,
  ...new Array<number>(3).fill(1_000_000),
  ...new Array<number>(6).fill(100_000),
  ...[0, 1, 2, 497, 498, 499, 509, 996, 1_000, 4_096, 10_000],
  ...[0, 1, 13, 498, 994, 1_494, 16_384, 31_744, 31_745, 50_000, 65_536],
];

/** 200 transfers both ways, 50 at a time, by every way in, each equal at both ends by SHA-256. Gives what they moved, and by which paths. */
const transfers = async (client: AlliumClient, origin: Origin) => {
  const seen = (await origin.connections()).length;
  const { result: report, paths } = await watchingPaths(
    client,
    runTransfers({
      dial: dialEveryWay(client, origin),
      count: 200,
      concurrency: 50,
      sizes: SIZES,
      directions: ["down", "up", "both"],
    }),
  );
  console.log(
    `${client.name}: 200 transfers, ${(report.bytes / 1e6).toFixed(0)} MB in ${report.seconds.toFixed(1)} s over`,
    paths.map((path) => path.join(" → ")).join(", "),
  );
  assert.strictEqual(describeFailures(report), "");
  assert.strictEqual(report.results.length, 200);
  const ends = (await origin.connections()).slice(seen).map(({ mode, end }) => `${mode} ${end}`);
  assert.deepStrictEqual([...new Set(ends)], ["transfer done"]);
  await eventually("no stream to be left", async () => (await clientReport(client)).proxy.streams === 0);
  return { paths, bytes: report.bytes };
};

/** What a client says in a network where nobody changes and nothing breaks: nothing to worry about. */
const endsWell = async (client: AlliumClient): Promise<void> => {
  assert.deepStrictEqual(await client.stop(), { code: 0, signal: null });
  assert.deepStrictEqual(texts(client.warnings()), []);
};

describeWithTor("transfers of allium-client in a network of tor only", () => {
  let network: TorNetwork;

  beforeAll(async () => {
    network = await Network.start({ clients: 0, relays: 2, exits: 2 });
  });

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
  });

  it("carries 200 transfers both ways, 50 at a time, byte for byte", async () => {
    const client = await AlliumClient.start(network);
    const { paths } = await transfers(client, await network.childOrigin());
    for (const path of paths) assert.strictEqual(new Set(path).size, 3, path.join());
    await endsWell(client);
    assert.deepStrictEqual(network.warnings(), []);
  });
});

describeWithTor("transfers of allium-client with Allium's relay in a given position", () => {
  let network: TorNetwork;
  let allium: AlliumRelay;
  let origin: Origin;

  beforeAll(async () => {
    ({ network, allium } = await startBeside(
      // Allium starts a little later than the others, and an authority that is new calls those Stable that were there first.
      {
        clients: 0,
        relays: 2,
        exits: 1,
        extraTorrc: { authority: [["AuthDirVoteStableGuaranteeMinUptime", "0 seconds"]] },
      },
      (starting) => AlliumRelay.start(starting, { metrics: true, extra: { exit: openExit(starting) } }),
      (starting, relay) => relay.whileRunning(waitUntilKnown(starting, relay)),
    ));
    origin = await network.childOrigin();
  });

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
  });

  /** The fingerprint of a relay, as all know it. */
  const fingerprintOf = async (nickname: string): Promise<string> =>
    (await network.waitForConsensus(nickname)).status.fingerprint;

  const traffic = async (): Promise<number> =>
    (await MetricsPage.of(allium.metricsPort!)).sum("tor_relay_traffic_bytes");

  /**
   * Transfers of a client that is left no other path.
   *
   * @param guard the only one of those that are not authorities that a firewall lets it reach
   * @param unused relays that it must not use
   */
  const carries = async (options: {
    readonly name: string;
    readonly guard?: number;
    readonly unused?: ReadonlyArray<string>;
    readonly noExits?: ReadonlyArray<string>;
    readonly path: ReadonlyArray<string | undefined>;
  }): Promise<void> => {
    const authorities = network.authorities.map(({ nickname }) => nickname);
    const fingerprints = (nicknames: ReadonlyArray<string>) => Promise.all(nicknames.map(fingerprintOf));
    const client = await AlliumClient.start(network, {
      name: options.name,
      extra: {
        paths: {
          exclude: await fingerprints([...authorities, ...(options.unused ?? [])]),
          exclude_exits: await fingerprints(options.noExits ?? []),
        },
        ...(options.guard === undefined
          ? {}
          : {
              reachability: {
                // Without the authorities it would never learn of the network.
                ports: [options.guard, ...network.authorities.map(({ orPort }) => orPort)],
              },
            }),
      },
    });
    const before = await traffic();
    const { paths, bytes } = await allium.whileRunning(transfers(client, origin));
    assert.isNotEmpty(paths);
    for (const path of paths)
      options.path.forEach((relay, index) => {
        if (relay !== undefined) assert.strictEqual(path[index], relay, path.join());
      });
    // All of it has come to it or has left it by a channel: what an exit sends out, it does not count there.
    assert.isAtLeast((await traffic()) - before, bytes);
    await endsWell(client);
  };

  // It would be an exit too, but nobody leaves by the relay that he has come by.
  it("carries 200 transfers through Allium as guard", async () => {
    await carries({
      name: "by-guard",
      guard: allium.orPort,
      path: ["allium", undefined, "exit0"],
    });
  });

  it("carries 200 transfers through Allium as middle", async () => {
    await carries({
      name: "by-middle",
      guard: network.relays[0]!.orPort,
      unused: ["relay1"],
      noExits: ["allium"],
      path: ["relay0", "allium", "exit0"],
    });
  });

  it("carries 200 transfers through Allium as exit", async () => {
    await carries({ name: "by-exit", noExits: ["exit0"], path: [undefined, undefined, "allium"] });
  });

  it("leaves nothing to warn of in any log", () => {
    assert.deepStrictEqual(network.warnings(), []);
    assert.deepStrictEqual(texts(allium.warnings()), []);
  });
});
