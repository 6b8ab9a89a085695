import { DestroyReason } from "@allium/cell";
import { DEFAULT_READ_BUFFER_BYTES } from "@allium/channel";
import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import { create, type HostileCircuit } from "../hostile/circuit.ts";
import { authenticate } from "../hostile/handshake.ts";
import { makeIdentity } from "../hostile/identity.ts";
import type { LinkPeer } from "../hostile/link-peer.ts";
import { readTarget, type Target } from "../hostile/target.ts";
import { eventually, type Origin, PinnedDialer, type TorNetwork, type TorNode } from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { askOrigin, circuitOf, clientFrom, connectFrom, extendTo } from "./support/floods.ts";
import { type InProcessRelay, startWithInProcess } from "./support/in-process.ts";
import { transferOver } from "./support/transfers.ts";

const MEBIBYTE = 1_048_576;
const LIMIT = 24 * MEBIBYTE;
/** What may come before the task that ends circuits has its turn. */
const TURN = 4 * MEBIBYTE;
const CLIENTS = 200;
const CLIENTS_PER_CHANNEL = 10;
/** Streams of each, and what each of them makes an exit hold at least: a connection that has read its fill reads on below half of it. */
const STREAMS = 4;
const STREAM_BYTES = DEFAULT_READ_BUFFER_BYTES / 2;
/** More than anybody will take. */
const ENDLESS = 500_000_000;

describeWithTor("clients that never read", () => {
  let network: TorNetwork;
  let allium: InProcessRelay;
  let target: Target;
  let origin: Origin;
  let client: TorNode;
  let dialer: PinnedDialer;
  const peers: Array<LinkPeer> = [];

  beforeAll(async () => {
    ({ network, allium } = await startWithInProcess({
      relays: 2,
      // Attackers are relays that nobody knows: an exit answers those who come straight from a client with no stream at all.
      consensusParams: { refuseunknownexits: 0 },
      limits: { maxMemoryBytes: LIMIT },
    }));
    target = readTarget(allium);
    origin = await network.childOrigin();
    client = network.clients[0]!;
    const hops = [...network.relays, ...network.exits].map(({ fingerprint }) => fingerprint);
    await client.hasDescriptors([...hops, allium.fingerprint]);
    dialer = await PinnedDialer.open(client);
  });

  afterAll(async () => {
    for (const peer of peers) peer.destroy();
    await dialer?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
  });

  /** What a neighbour on a circuit of its own carries in a second and a half, up and down. */
  const carried = async (circuitId: string): Promise<number> => {
    let bytes = 0;
    const until = performance.now() + 1_500;
    while (performance.now() < until) {
      const report = await transferOver(dialer, circuitId, origin, {
        count: 2,
        concurrency: 2,
        sizes: [1_000_000],
        directions: ["down", "up"],
      });
      bytes += report.bytes;
    }
    return bytes;
  };

  /**
   * The best of several runs, the last of them the first that is near to what it was without attackers: machines have moments, and
   * those that run tests are shared. What it would be without a defence is nothing at all.
   */
  const carriedAtBest = async (circuitId: string, free: number): Promise<number> => {
    let best = 0;
    for (let run = 0; run < 12 && best < free / 2; run++) best = Math.max(best, await carried(circuitId));
    return best;
  };

  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

  const releaseAll = async (): Promise<void> => {
    for (const peer of peers.splice(0)) peer.destroy();
    await eventually(
      "what the attackers' circuits held is given back",
      () => allium.relay.defences.quota.used < MEBIBYTE,
    );
  };

  it("at an exit: those whose bytes have waited longest are ended, in their order, and neighbours notice nothing", async () => {
    const { quota, counts } = allium.relay.defences;
    const circuitId = await client.control.buildCircuit([
      ...network.relays.map(({ fingerprint }) => fingerprint),
      allium.fingerprint,
    ]);
    const free = await carried(circuitId);
    const identity = await makeIdentity();
    const circuits: Array<HostileCircuit> = [];
    let peer: LinkPeer | undefined;
    // Beside the attack: a transfer of each size, again and again, on a circuit that is there from before it until after it.
    const stop = new AbortController();
    const neighbour = (async () => {
      let bytes = 0;
      while (!stop.signal.aborted) bytes += await carried(circuitId);
      return bytes;
    })();
    // Whatever fails first is what is told.
    neighbour.catch(() => {});
    for (let index = 0; index < CLIENTS; index++) {
      if (peer === undefined || index % CLIENTS_PER_CHANNEL === 0) {
        peer = await connectFrom("127.0.0.1", target.port);
        peers.push(peer);
        await authenticate(peer, identity);
      }
      const circuit = await create(peer, target);
      circuits.push(circuit);
      for (let streamId = 1; streamId <= STREAMS; streamId++) {
        await circuit.connect(streamId, `${origin.host}:${origin.port}`);
        askOrigin(circuit, streamId, { mode: "transfer", down: ENDLESS, verify: false });
      }
      // No SENDME is sent. When the windows are used up, what the connections have read waits.
      await eventually(
        `client ${index} makes the exit hold bytes`,
        () => (circuitOf(allium, circuit)?.memory().streams ?? 0) >= STREAMS * STREAM_BYTES,
      );
    }
    stop.abort();
    const beside = await neighbour;
    await eventually("as many hear of it as were ended", () => {
      const heard = circuits.filter(({ destroyed }) => destroyed !== undefined).length;
      return heard > 0 && heard === counts().endedForMemory;
    });
    const kept = await carriedAtBest(circuitId, free);
    const ended = circuits.flatMap(({ destroyed }, index) => (destroyed === undefined ? [] : [index]));
    console.log(
      `an exit with ${megabytes(LIMIT)}: ${ended.length} of ${CLIENTS} ended, at most ${megabytes(quota.peak)} waited; ` +
        `a neighbour carried ${megabytes(free)} before, ${megabytes(beside)} meanwhile, ${megabytes(kept)} beside them`,
    );
    assert.isAtMost(quota.peak, LIMIT + TURN);
    assert.isAbove(ended.length, CLIENTS / 2);
    assert.deepStrictEqual(
      ended,
      ended.map((_, index) => index),
      "somebody was ended before another whose bytes had waited longer",
    );
    for (const circuit of circuits.slice(0, ended.length)) {
      assert.strictEqual(circuit.destroyed, DestroyReason.RESOURCELIMIT);
      assert.isUndefined(circuitOf(allium, circuit));
    }
    assert.isFalse(
      peers.some(({ closed }) => closed),
      "a channel was closed",
    );
    assert.isAbove(kept, free / 10);
    await client.control.closeCircuit(circuitId);
    await releaseAll();
  });

  it("at a guard: a client that does not read its connection has its circuits ended, and the next relay is told", async () => {
    const { quota, counts } = allium.relay.defences;
    const exit = network.exits[0]!;
    const next = readTarget(exit);
    const circuitId = await client.control.buildCircuit([
      allium.fingerprint,
      network.relays[0]!.fingerprint,
      exit.fingerprint,
    ]);
    const free = await carried(circuitId);
    const before = counts().endedForMemory;
    const circuits: Array<HostileCircuit> = [];
    for (let channel = 0; channel < 4; channel++) {
      const peer = await clientFrom("127.0.0.2", target.port);
      peers.push(peer);
      for (let count = 0; count < 40; count++) {
        const circuit = await create(peer, target);
        await extendTo(circuit, next);
        for (const streamId of [1, 2]) await circuit.connect(streamId, `${origin.host}:${origin.port}`);
        circuits.push(circuit);
      }
      // The requests leave; what comes of them is never read.
      peer.socket.pause();
      for (const circuit of circuits.slice(-40)) {
        for (const streamId of [1, 2]) {
          askOrigin(circuit, streamId, { mode: "transfer", down: ENDLESS, verify: false });
        }
      }
    }
    await eventually("memory runs out", () => counts().endedForMemory > before);
    const kept = await carriedAtBest(circuitId, free);
    for (const peer of peers) peer.socket.resume();
    // Asked each time: what was under way when they began to read may end some more.
    const ended = () => counts().endedForMemory - before;
    await eventually("the clients hear of it", () => {
      return circuits.filter(({ destroyed }) => destroyed === DestroyReason.RESOURCELIMIT).length >= ended();
    });
    console.log(
      `a guard with ${megabytes(LIMIT)}: ${ended()} of ${circuits.length} ended, at most ${megabytes(quota.peak)} waited; ` +
        `a neighbour carried ${megabytes(free)} before, ${megabytes(kept)} beside them`,
    );
    assert.isAtMost(quota.peak, LIMIT + TURN);
    assert.isBelow(ended(), circuits.length);
    assert.isFalse(
      peers.some(({ closed }) => closed),
      "a channel was closed",
    );
    assert.isAbove(kept, free / 10);
    // The exit has closed the streams of those circuits, and of no others.
    await eventually("the next relay is told", async () => {
      const open = (await origin.connections()).filter((connection) => connection.open);
      return open.length === 2 * (circuits.length - ended());
    });
    await client.control.closeCircuit(circuitId);
    await releaseAll();
  });

  it("is told to the operator once, and to nobody else", async () => {
    const [once, ...others] = allium.warnings.filter((line) => !/this machine is too slow for so many/.test(line));
    assert.match(once ?? "", /the memory for what waits has run out/);
    assert.deepStrictEqual(others, []);
    assert.deepStrictEqual(network.warnings(), []);
  });
});
