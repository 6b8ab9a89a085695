import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import {
  type AlliumRelay,
  describeFailures,
  eventually,
  type Origin,
  runTransfers,
  socksConnect,
  type TorNetwork,
  type TorNode,
} from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { startWithAllium, texts } from "./support/allium.ts";
import { confluxSets } from "./support/conflux.ts";
import { assertCarriesMany } from "./support/many-transfers.ts";

describeWithTor("a tor client with conflux, and Allium as the exit", () => {
  let network: TorNetwork;
  let allium: AlliumRelay;
  let origin: Origin;
  let client: TorNode;

  beforeAll(async () => {
    ({ network, allium } = await startWithAllium({
      exits: 0,
      relays: 5,
      consensusParams: { cfx_enabled: 1 },
      equalBandwidths: true,
    }));
    origin = await network.childOrigin();
    client = network.clients[0]!;
  });

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
  });

  it("links circuits on two legs", async () => {
    await eventually(
      "a set of two legs",
      async () => [...(await confluxSets(client)).values()].some((legs) => legs.length === 2),
      {
        timeoutMs: 60_000,
        detail: () => allium.log().split("\n").slice(-20).join("\n"),
      },
    );
    for (const legs of (await confluxSets(client)).values())
      for (const { line } of legs) assert.match(line, /~allium /);
  });

  it("carries 200 transfers both ways, 50 at a time, byte for byte", async () => {
    await assertCarriesMany(allium, (isolation) => client.socks(isolation), origin);
  });

  it("has both legs of a set carry data in both directions", async () => {
    const bytes = new Map<string, { read: number; written: number }>();
    await using events = await client.control.events("CIRC_BW");
    const watched = (async () => {
      for await (const { text } of events) {
        const [, id = "", read, written] = /^CIRC_BW ID=(\d+) READ=(\d+) WRITTEN=(\d+)/.exec(text) ?? [];
        const sum = bytes.get(id) ?? { read: 0, written: 0 };
        bytes.set(id, { read: sum.read + Number(read), written: sum.written + Number(written) });
      }
    })();
    const report = await runTransfers({
      dial: () => socksConnect(client.socks("both"), origin.host, origin.port),
      count: 4,
      concurrency: 2,
      sizes: [20_000_000],
      directions: ["down", "up"],
    });
    assert.strictEqual(describeFailures(report), "");
    const legs = async () =>
      [...(await confluxSets(client)).values()].map((set) =>
        set.map((leg) => bytes.get(leg.id) ?? { read: 0, written: 0 }),
      );
    await eventually(
      "a set whose legs have both carried a megabyte both ways",
      async () =>
        (await legs()).some((set) => set.length === 2 && set.every((leg) => Math.min(leg.read, leg.written) > 1e6)),
      {
        detail: () => JSON.stringify([...bytes]),
      },
    );
    await events[Symbol.asyncDispose]();
    await watched;
  });

  it("with nothing to warn of, on either side", async () => {
    assert.deepStrictEqual(texts(allium.warnings()), []);
    assert.deepStrictEqual(network.warnings(), []);
  });
});
