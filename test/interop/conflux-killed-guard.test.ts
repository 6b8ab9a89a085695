import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import { MetricsPage } from "../bench/metrics-page.ts";
import { AlliumClient, type AlliumRelay, eventually, type Origin, type TorNetwork } from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { startWithAllium, texts } from "./support/allium.ts";
import { alliumClient, type ConfluxClient, torClient } from "./support/conflux.ts";
import { assertEndsWithGuard, UNLIKE_GUARDS } from "./support/killed-guard.ts";

describeWithTor("a guard that dies, and sets of circuits to Allium as the exit", () => {
  let network: TorNetwork;
  let allium: AlliumRelay;
  let origin: Origin;

  beforeAll(async () => {
    ({ network, allium } = await startWithAllium({ ...UNLIKE_GUARDS, exits: 0, clients: 0, metrics: true }));
    origin = await network.childOrigin();
  });

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
  });

  /** Waits until the exit has nothing of these any more, by the names of its metrics. */
  const nothingOf = async (...names: ReadonlyArray<string>): Promise<void> => {
    let left: ReadonlyArray<string> = [];
    await eventually(
      `no ${names.join(", ")}`,
      async () => {
        const page = await MetricsPage.of(allium.metricsPort!);
        left = names.flatMap((name) => (page.sum(name) === 0 ? [] : [`${name} ${page.sum(name)}`]));
        return left.length === 0;
      },
      { detail: () => left.join() },
    );
  };

  /** The guard among them that another client's test has killed. */
  const startRelays = async (): Promise<void> => {
    await Promise.all(network.relays.filter(({ running }) => !running).map((relay) => relay.start()));
  };

  const assertEnds = async (client: ConfluxClient): Promise<void> => {
    await assertEndsWithGuard(network, client, origin);
    await nothingOf("allium_exit_streams", "allium_conflux_waiting_bytes");
    await client.stop();
  };

  it("ends what a tor client moves through it at once, and nothing else", async () => {
    await startRelays();
    await assertEnds(torClient(await network.addClient()));
  });

  it("ends what Allium's client moves through it at once, and nothing else", async () => {
    await startRelays();
    const client = await AlliumClient.start(network);
    await assertEnds(alliumClient(client));
    assert.deepStrictEqual(texts(client.warnings()), []);
  });

  it("leaves nothing at the exit, when all relays have gone", async () => {
    await Promise.all(network.relays.map((relay) => relay.stop()));
    await nothingOf("allium_conflux_sets", "allium_conflux_legs", "allium_conflux_waiting_bytes");
  });

  it("with nothing to warn of, on any side", () => {
    assert.deepStrictEqual(texts(allium.warnings()), []);
    assert.deepStrictEqual(network.warnings(), []);
  });
});
