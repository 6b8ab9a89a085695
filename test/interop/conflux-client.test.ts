import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import { AlliumClient, eventually, type Origin, TorNetwork } from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { texts } from "./support/allium.ts";
import { clientReport } from "./support/client.ts";
import { assertCarriesMany } from "./support/many-transfers.ts";

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
    await assertCarriesMany(client, (isolation) => client.socks(isolation), origin);
  });

  it("with nothing to warn of, on either side", async () => {
    assert.deepStrictEqual(texts(client.warnings()), []);
    assert.deepStrictEqual(network.warnings(), []);
  });
});
