import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import {
  AlliumClient,
  type AlliumRelay,
  describeFailures,
  eventually,
  type Origin,
  runTransfers,
  socksConnect,
  type TorNetwork,
} from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { startWithAllium, texts } from "./support/allium.ts";
import { clientReport } from "./support/client.ts";
import { alliumClient, type ConfluxClient, torClient } from "./support/conflux.ts";
import { UNLIKE_GUARDS } from "./support/killed-guard.ts";

/** Of a transfer: it takes seconds over these lines. */
const SIZE = 15_000_000;

describeWithTor("a guard that dies, and sets that resume, to Allium as the exit", () => {
  let network: TorNetwork;
  let allium: AlliumRelay;
  let origin: Origin;

  beforeAll(async () => {
    const conflux = { resumption: true };
    ({ network, allium } = await startWithAllium({ ...UNLIKE_GUARDS, exits: 0, clients: 0, conflux }));
    origin = await network.childOrigin();
  });

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
  });

  /** Moves much both ways over one set; `meanwhile` has to do with the guards of its legs. */
  const transfer = async (client: ConfluxClient, meanwhile: (guards: ReadonlyArray<string>) => Promise<void>) => {
    await eventually("a set of two legs", async () => (await client.sets()).length > 0, { timeoutMs: 60_000 });
    let moved = 0;
    const moving = runTransfers({
      dial: () => socksConnect(client.socks("busy"), origin.host, origin.port),
      count: 2,
      concurrency: 2,
      sizes: [SIZE],
      directions: ["down", "up"],
      onBytes: (bytes) => {
        moved += bytes;
      },
      timeoutMs: 60_000,
    });
    await eventually("both legs to be in use", () => moved > SIZE / 2);
    const [set, ...others] = (await client.sets()).filter(({ streams }) => streams > 0);
    assert.isDefined(set, "they are on a set");
    assert.isEmpty(others);
    await meanwhile(set.guards);
    assert.isBelow(moved, 1.5 * SIZE, "it happens in the middle");
    return await moving;
  };

  const startKilled = async (): Promise<void> => {
    await Promise.all(network.relays.filter(({ running }) => !running).map((relay) => relay.start()));
  };

  const kill = (nickname: string | undefined) => network.node(nickname ?? "").kill();

  it("is known of the exit from the consensus", async () => {
    const consensus = await network.authorities[0]!.control.getInfo("dir/status-vote/current/consensus-microdesc");
    assert.match(consensus, /^pr Allium-Resumption=1 Conflux=1 /m);
    assert.lengthOf(consensus.match(/Allium-Resumption/g) ?? [], 1);
  });

  it.each([0, 1])(
    "ends no transfer of Allium's client, whichever of the two guards it is: every byte arrives (%i)",
    async (which) => {
      const client = await AlliumClient.start(network, {
        name: `client${which}`,
        extra: { conflux: { resumption: true } },
      });
      const report = await transfer(alliumClient(client), (guards) => kill(guards[which]));
      assert.strictEqual(describeFailures(report), "");
      const { tunnels } = await clientReport(client);
      assert.isNotEmpty(tunnels.filter(({ dirtySince, legs }) => dirtySince !== undefined && legs.length === 1));
      await client.stop();
      assert.deepStrictEqual(texts(client.warnings()), []);
      await startKilled();
    },
  );

  it.each([
    ["Allium's, by default", async () => alliumClient(await AlliumClient.start(network, { name: "default" }))],
    ["tor's", async () => torClient(await network.addClient())],
  ] as const)("ends those of a client that does not offer to resume: %s", async (_, start) => {
    const client = await start();
    const { failures } = await transfer(client, (guards) => kill(guards[0]));
    assert.isNotEmpty(failures);
    await client.stop();
    await startKilled();
  });

  it("with nothing to warn of, on any side", () => {
    assert.deepStrictEqual(texts(allium.warnings()), []);
    assert.deepStrictEqual(network.warnings(), []);
  });
});
