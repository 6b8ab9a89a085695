import { DestroyReason, EndReason, RelayCommand } from "@allium/cell";
import { Metrics } from "@allium/kernel";
import type { DosConfig } from "@allium/relay";
import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import { Effect } from "effect";
import { create, type HostileCircuit } from "../hostile/circuit.ts";
import { authenticate } from "../hostile/handshake.ts";
import { makeIdentity } from "../hostile/identity.ts";
import type { LinkPeer } from "../hostile/link-peer.ts";
import { isServed } from "../hostile/stage.ts";
import { readTarget, type Target } from "../hostile/target.ts";
import { eventually, type Origin, PinnedDialer, type TorNetwork, type TorNode } from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { askOrigin, connectFrom } from "./support/floods.ts";
import { type InProcessRelay, startWithInProcess } from "./support/in-process.ts";
import { transferOver } from "./support/transfers.ts";

const BURST = 50;

/** What the consensus of this network says about floods. */
const DOS = { DoSStreamCreationEnabled: 1, DoSStreamCreationRate: 1, DoSStreamCreationBurst: BURST };

/** Questions take longer than the flood, on the slowest machine. */
const DNS = { exit_dns_timeout: 5_000 };

/** Tokens at a second each that have come back since a moment, which may be one less or more than whole seconds say. */
const tokensSince = (started: number): number => Math.ceil((performance.now() - started) / 1_000) + 1;

/** Names that may be waited for at once, as docs/buffers.md says; a circuit may have as many as are left. */
const MAX_NAMES = 4_096;

describeWithTor("a flood of streams", () => {
  let network: TorNetwork;
  let allium: InProcessRelay;
  let target: Target;
  let origin: Origin;
  let client: TorNode;
  let dialer: PinnedDialer;
  /** A circuit of a client that does nothing wrong, with Allium as its exit. */
  let circuitId: string;
  let peer: LinkPeer;

  beforeAll(async () => {
    ({ network, allium } = await startWithInProcess({
      relays: 2,
      // The attacker is a relay that nobody knows.
      consensusParams: { ...DOS, ...DNS, refuseunknownexits: 0 },
    }));
    target = readTarget(allium);
    origin = await network.childOrigin();
    client = network.clients[0]!;
    const hops = [...network.relays.map(({ fingerprint }) => fingerprint), allium.fingerprint];
    await client.hasDescriptors(hops);
    dialer = await PinnedDialer.open(client);
    circuitId = await client.control.buildCircuit(hops);
    peer = await connectFrom("127.0.0.1", target.port);
    await authenticate(peer, await makeIdentity());
  });

  afterAll(async () => {
    peer?.destroy();
    await dialer?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
  });

  const carries = async (): Promise<void> => {
    await transferOver(dialer, circuitId, origin, {
      count: 4,
      concurrency: 2,
      sizes: [500_000],
      directions: ["down", "up"],
    });
  };

  /** What the operator decides in place of the consensus, from now on. */
  const decide = (dos: DosConfig) => Effect.runPromise(allium.relay.reload({ ...allium.relay.config(), dos }));

  const figure = async (name: string, label?: string): Promise<number> => {
    const families = await Effect.runPromise(Metrics.collect);
    const samples = families.find((family) => family.name === name)?.samples ?? [];
    return samples.find(({ labels }) => label === undefined || Object.values(labels ?? {}).includes(label))?.value ?? 0;
  };

  const eventsOn = ({ events }: HostileCircuit, command: number) => events.filter((event) => event.command === command);

  const openConnections = async (): Promise<number> =>
    (await origin.connections()).filter((connection) => connection.open).length;

  const begins = (circuit: HostileCircuit, from: number, count: number): void => {
    for (let streamId = from; streamId < from + count; streamId++) {
      circuit.begin(streamId, `${origin.host}:${origin.port}`);
    }
  };

  it("on one circuit is refused from the burst on; its streams, and other circuits, go on", async () => {
    const circuit = await create(peer, target);
    const neighbour = await create(peer, target);
    const before = await figure("tor_relay_dos_total", "stream_rejected");
    const started = performance.now();
    begins(circuit, 1, 80);
    const ends = () => eventsOn(circuit, RelayCommand.END);
    await eventually("each is answered", () => ends().length + eventsOn(circuit, RelayCommand.CONNECTED).length === 80);
    assert.isAtMost(ends().length, 80 - BURST);
    assert.isAtLeast(ends().length, 80 - BURST - tokensSince(started));
    for (const { body } of ends()) assert.strictEqual(body[0], EndReason.MISC);
    assert.strictEqual((await figure("tor_relay_dos_total", "stream_rejected")) - before, ends().length);
    // A question for a name counts as a stream.
    const questions = Array.from({ length: 20 }, (_, index) => 100 + index);
    for (const streamId of questions) circuit.sendBody(RelayCommand.RESOLVE, streamId, Buffer.from("localhost.test\0"));
    const answers = () => eventsOn(circuit, RelayCommand.RESOLVED).map(({ body }) => body[0]);
    await eventually("each is answered", () => answers().length === questions.length);
    const refused = answers().filter((type) => type === 0xf0 /* an error that will pass */);
    // What has come back since the burst was for some.
    assert.isAtLeast(refused.length, questions.length - tokensSince(started));
    askOrigin(circuit, 1, { mode: "transfer", down: 10_000, verify: false });
    assert.isTrue(await circuit.receives(RelayCommand.DATA, 1));
    await neighbour.connect(1, `${origin.host}:${origin.port}`);
    await carries();
    assert.isUndefined(circuit.destroyed);
  });

  it("on one circuit ends it, if the operator says so; other circuits of the channel go on", async () => {
    const report = await decide({ streamCreationDefenseType: 3 });
    assert.deepStrictEqual(report, { changed: ["dos"], kept: [] });
    const circuit = await create(peer, target);
    const neighbour = await create(peer, target);
    await neighbour.connect(1, `${origin.host}:${origin.port}`);
    // The origin may hear of the last one later than its client.
    const others = (await openConnections()) + 1;
    begins(circuit, 1, 80);
    await eventually("the circuit is destroyed", () => circuit.destroyed !== undefined);
    assert.strictEqual(circuit.destroyed, DestroyReason.RESOURCELIMIT);
    assert.isTrue(await isServed(neighbour));
    assert.isFalse(peer.closed);
    await carries();
    // Those of the circuits that are left stay.
    await eventually("its connections are closed", async () => (await openConnections()) <= others);
  });

  it("of questions for names: as many are asked as may, the rest fails at once, and others' questions are answered", async () => {
    await decide({ streamCreationEnabled: false });
    const flooders = await Promise.all([create(peer, target), create(peer, target)]);
    const neighbour = await create(peer, target);
    network.names.setHost("known.test", "198.51.100.7");
    network.names.setHost("new.test", "198.51.100.8");
    network.names.setHost("later.test", "198.51.100.9");
    const asks = async (streamId: number, name: string): Promise<number | undefined> => {
      neighbour.sendBody(RelayCommand.RESOLVE, streamId, Buffer.from(`${name}\0`));
      await neighbour.receives(RelayCommand.RESOLVED, streamId);
      return eventsOn(neighbour, RelayCommand.RESOLVED).find((event) => event.streamId === streamId)?.body[0];
    };
    assert.strictEqual(await asks(1, "known.test"), 4);
    const figureOfRefused = () => figure("allium_exit_streams_refused_total", "lookups");
    const before = await figureOfRefused();
    const each = 2_500;
    for (const [index, circuit] of flooders.entries()) {
      for (let streamId = 1; streamId <= each; streamId++) {
        const name = `n${index}-${streamId}.silent.test`;
        network.names.set(name, "silent");
        circuit.sendBody(RelayCommand.RESOLVE, streamId, Buffer.from(`${name}\0`));
      }
    }
    const refused = async () => (await figureOfRefused()) - before;
    await eventually("some are refused", async () => (await refused()) > 0);
    // The resolver is busy, with others too.
    assert.strictEqual(await asks(2, "known.test"), 4);
    assert.strictEqual(await asks(3, "new.test"), 4);
    await neighbour.connect(5, `${origin.host}:${origin.port}`);
    await carries();
    const answers = () => flooders.flatMap((circuit) => eventsOn(circuit, RelayCommand.RESOLVED));
    await eventually("each is answered", () => answers().length === 2 * each, { timeoutMs: 120_000 });
    for (const { body } of answers()) assert.strictEqual(body[0], 0xf0, "an error that will pass");
    console.log(`of ${2 * each} questions ${await refused()} were not asked`);
    assert.isAtLeast(await refused(), 2 * each - MAX_NAMES);
    assert.strictEqual(await asks(4, "later.test"), 4);
    for (const circuit of flooders) assert.isUndefined(circuit.destroyed);
    assert.isFalse(peer.closed);
  });

  it("leaves nothing to warn of in any log", async () => {
    await client.control.closeCircuit(circuitId);
    assert.deepStrictEqual(allium.warnings, []);
    assert.deepStrictEqual(network.warnings(), []);
  });
});
