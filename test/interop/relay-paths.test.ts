import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import {
  type AlliumRelay,
  describeFailures,
  type Origin,
  PinnedDialer,
  runTransfers,
  type TorNetwork,
  type TorNode,
  waitForConnection,
} from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { ask, startWithAllium, texts } from "./support/allium.ts";

describeWithTor("Allium in paths of a client's choice", () => {
  let network: TorNetwork;
  let allium: AlliumRelay;
  let origin: Origin;
  let client: TorNode;
  let dialer: PinnedDialer;
  /** Fingerprints. */
  let hops: { readonly allium: string; readonly relays: ReadonlyArray<string>; readonly exit: string };

  beforeAll(async () => {
    ({ network, allium } = await startWithAllium({ exits: 1, relays: 2 }));
    origin = await network.childOrigin();
    client = network.clients[0]!;
    const { status } = await network.waitForConsensus("allium", { at: client });
    hops = {
      allium: status.fingerprint,
      relays: network.relays.map((relay) => relay.fingerprint),
      exit: network.exits[0]!.fingerprint,
    };
    await client.hasDescriptors([hops.allium, ...hops.relays, hops.exit]);
    dialer = await PinnedDialer.open(client);
  });

  afterAll(async () => {
    await dialer?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
  });

  const carries = async (path: ReadonlyArray<string>): Promise<void> => {
    const circuitId = await client.control.buildCircuit(path);
    const report = await allium.whileRunning(
      runTransfers({
        dial: () => dialer.connect({ circuitId }, origin.host, origin.port),
        count: 30,
        concurrency: 10,
        sizes: [0, 1, 498, 499, 100_000, 2_000_000, 10_000, 500, 5_000_000, 65_536],
        directions: ["down", "up", "both"],
      }),
    );
    assert.strictEqual(describeFailures(report), "");
    await client.control.closeCircuit(circuitId);
  };

  it("carries transfers as first hop", async () => {
    await carries([hops.allium, hops.relays[0]!, hops.exit]);
  });

  it("carries transfers as middle", async () => {
    await carries([hops.relays[0]!, hops.allium, hops.exit]);
  });

  it("carries transfers as the third of four hops, between relays that met it from either side", async () => {
    await carries([hops.relays[1]!, hops.relays[0]!, hops.allium, hops.exit]);
  });

  it("carries many circuits at once between the same two relays", async () => {
    const circuits = await Promise.all(
      Array.from({ length: 20 }, () => client.control.buildCircuit([hops.relays[0]!, hops.allium, hops.exit])),
    );
    const report = await runTransfers({
      dial: (index) => dialer.connect({ circuitId: circuits[index % circuits.length]! }, origin.host, origin.port),
      count: 60,
      concurrency: 20,
      sizes: [500_000],
      directions: ["down", "up", "both"],
    });
    assert.strictEqual(describeFailures(report), "");
    await Promise.all(circuits.map((circuit) => client.control.closeCircuit(circuit)));
  });

  it("answers streams that leave a circuit at it, and relays those that leave it further on", async () => {
    // Extended twice beyond Allium: what is not for it goes on, what is for it does not.
    const circuitId = await client.control.buildCircuit([hops.relays[0]!, hops.allium, hops.relays[1]!, hops.exit]);
    const seen = (await origin.connections()).length;
    const [here, there] = await Promise.all([
      dialer.connect({ circuitId, hop: 2 }, origin.host, origin.port),
      dialer.connect({ circuitId, hop: 4 }, origin.host, origin.port),
    ]);
    const lines = await Promise.all([here, there].map((socket) => ask(socket, { mode: "whoami" }).line()));
    assert.strictEqual(new Set(lines).size, 2);
    assert.strictEqual((await origin.connections()).length, seen + 2);
    await waitForConnection(origin, ({ id, open }) => id === seen + 1 && !open);
    const at = (hop: number, direction: "down" | "up") =>
      runTransfers({
        dial: () => dialer.connect({ circuitId, hop }, origin.host, origin.port),
        count: 5,
        concurrency: 5,
        sizes: [1_000_000],
        directions: [direction],
      });
    const down = await Promise.all([at(2, "down"), at(4, "down")]);
    assert.deepStrictEqual(down.map(describeFailures), ["", ""]);
    // Only one hop: `tor` keeps the digests that SENDMEs must show in one list for the whole circuit, so that uploads to two
    // hops at once end it ("SENDME v1 cell digest do not match").
    assert.strictEqual(describeFailures(await at(2, "up")), "");
    await client.control.closeCircuit(circuitId);
  });

  it("leaves nothing to warn of in any log", () => {
    // A client of `tor` says this when it has just closed a stream to a hop that is not the last, and an XON or END of it is on its way.
    const crossing = [/Got unexpected relay data from intermediate hop/];
    assert.deepStrictEqual(network.warnings(crossing), []);
    assert.deepStrictEqual(texts(allium.warnings()), []);
  });
});
