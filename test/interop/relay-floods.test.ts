import { connect, type Socket } from "node:net";
import { ChannelCommand, DestroyReason, EndReason, RelayCommand } from "@allium/cell";
import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import { create, create2Body, createFast, freshCircId, HostileCircuit, ntorRequest } from "../hostile/circuit.ts";
import { authenticate } from "../hostile/handshake.ts";
import { makeIdentity, randomBytes } from "../hostile/identity.ts";
import type { LinkPeer } from "../hostile/link-peer.ts";
import { isServed } from "../hostile/stage.ts";
import { readTarget, type Target } from "../hostile/target.ts";
import { eventually, type Origin, PinnedDialer, type TorNetwork, type TorNode } from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { askOrigin, clientFrom, connectFrom, extendTo } from "./support/floods.ts";
import { footprint, type InProcessRelay, startWithInProcess } from "./support/in-process.ts";
import { transferOver } from "./support/transfers.ts";

/** What the consensus of this network says about floods. */
const DOS = {
  DoSConnectionEnabled: 1,
  DoSConnectionMaxConcurrentCount: 20,
  DoSConnectionConnectRate: 1,
  DoSConnectionConnectBurst: 40,
  DoSCircuitCreationEnabled: 1,
  DoSCircuitCreationMinConnections: 3,
  DoSCircuitCreationRate: 1,
  DoSCircuitCreationBurst: 40,
};

/** Where a client is that does nothing wrong. `tor` connects to loopback from 127.0.0.1 alone, where the network's relays are. */
const HONEST = "127.0.0.9";

/** Handshakes of either kind that may be under way, as docs/buffers.md says. */
const MAX_HANDSHAKES = 1_000;
/** So many more are begun, which the oldest must make room for. */
const TOO_MANY = 100;
/** The network's own connections need places too, for the moment their handshakes take. */
const OF_THE_NETWORK = 10;
/** More attempts to connect than there are tokens, however long they take. */
const MANY_ATTEMPTS = 1_000;

/** Tokens at a second each that have come back since a moment, which may be one less or more than whole seconds say. */
const tokensSince = (started: number): number => Math.ceil((performance.now() - started) / 1_000) + 1;

describeWithTor("a flood", () => {
  let network: TorNetwork;
  let allium: InProcessRelay;
  let target: Target;
  let origin: Origin;
  let client: TorNode;
  let dialer: PinnedDialer;
  /** Circuits with Allium as their first hop, of that client and of a `tor` client; they are there from the beginning to the end. */
  let honest: HostileCircuit;
  let circuitId: string;
  let streams = 0;
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    ({ network, allium } = await startWithInProcess({
      relays: 2,
      consensusParams: DOS,
    }));
    target = readTarget(allium);
    origin = await network.childOrigin();
    client = network.clients[0]!;
    const hops = [allium, network.relays[0]!, network.exits[0]!].map(({ fingerprint }) => fingerprint);
    await client.hasDescriptors(hops);
    dialer = await PinnedDialer.open(client);
    circuitId = await client.control.buildCircuit(hops);
    honest = await longCircuit(keep(await clientFrom(HONEST, target.port)));
  });

  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await dialer?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
  });

  const counts = () => allium.relay.defences.counts();

  /** A circuit through the relay that is attacked, out of an exit of `tor`. */
  const longCircuit = async (peer: LinkPeer): Promise<HostileCircuit> => {
    const circuit = await create(peer, target);
    for (const relay of [network.relays[0]!, network.exits[0]!]) await extendTo(circuit, readTarget(relay));
    return circuit;
  };

  /** Bytes go to the origin and come back. */
  const echoes = async (circuit: HostileCircuit): Promise<void> => {
    const streamId = ++streams;
    await circuit.connect(streamId, `${origin.host}:${origin.port}`);
    askOrigin(circuit, streamId, { mode: "echo" });
    const sent = randomBytes(8_000);
    for (let at = 0; at < sent.length; at += 400) {
      circuit.sendBody(RelayCommand.DATA, streamId, sent.subarray(at, at + 400));
    }
    const came = () =>
      Buffer.concat(
        circuit.events
          .filter((event) => event.command === RelayCommand.DATA && event.streamId === streamId)
          .map(({ body }) => body),
      );
    await eventually("as much comes back as was sent", () => came().length === sent.length);
    assert.isTrue(came().equals(sent));
    circuit.sendBody(RelayCommand.END, streamId, Buffer.of(EndReason.DONE));
  };

  /** What those carry who do nothing wrong, through the relay that is attacked. */
  const carries = async (): Promise<void> => {
    await echoes(honest);
    await transferOver(dialer, circuitId, origin, {
      count: 4,
      concurrency: 2,
      sizes: [500_000],
      directions: ["down", "up"],
    });
  };

  /** Their next circuits. */
  const buildsCircuits = async (): Promise<void> => {
    const next = await longCircuit(honest.peer);
    next.peer.sendCell(next.circId, ChannelCommand.DESTROY, Buffer.of(DestroyReason.NONE));
    const hops = [allium, network.relays[1]!, network.exits[0]!].map(({ fingerprint }) => fingerprint);
    const built = await Promise.all(Array.from({ length: 5 }, () => client.control.buildCircuit(hops)));
    await Promise.all(built.map((circuit) => client.control.closeCircuit(circuit)));
  };

  const keep = (peer: LinkPeer): LinkPeer => {
    sockets.add(peer.socket);
    return peer;
  };

  /** Who got through TLS, in the order of their attempts, one after the other. */
  const connectTimes = async (address: string, times: number): Promise<ReadonlyArray<LinkPeer | undefined>> => {
    const peers: Array<LinkPeer | undefined> = [];
    for (let time = 0; time < times; time++) {
      peers.push(await connectFrom(address, target.port).then(keep, () => undefined));
    }
    return peers;
  };

  const disconnect = (peers: ReadonlyArray<LinkPeer | undefined>): void => {
    for (const peer of peers) peer?.destroy();
  };

  it("of connections that stay open: an address has as many as the consensus allows, and others go on", async () => {
    const before = counts().dos.concurrentConnectionsRejected;
    const peers = await connectTimes("127.0.0.2", 30);
    // One more than the parameter says, as with tor.
    assert.deepStrictEqual(
      peers.map((peer) => peer !== undefined),
      peers.map((_, index) => index <= DOS.DoSConnectionMaxConcurrentCount),
    );
    assert.strictEqual(counts().dos.concurrentConnectionsRejected - before, 9);
    assert.isFalse(
      peers.some((peer) => peer?.closed),
      "one that was open was closed",
    );
    disconnect([await clientFrom("127.0.0.3", target.port)]);
    await Promise.all([carries(), buildsCircuits()]);
    // When some have gone, the address may come back.
    disconnect(peers.slice(0, 5));
    await eventually("the relay sees that they have gone", async () => {
      const [again] = await connectTimes("127.0.0.2", 1);
      return again !== undefined;
    });
    disconnect(peers);
  });

  it("of connections that come and go: an address that is too fast is refused from then on, and others go on", async () => {
    const before = counts().dos.connectionsRejected;
    const { sockets: none } = footprint(allium);
    const isAdmitted = async (): Promise<boolean> => {
      const [peer] = await connectTimes("127.0.0.4", 1);
      disconnect([peer]);
      await eventually("both sides are gone", () => footprint(allium).sockets <= none);
      return peer !== undefined;
    };
    const started = performance.now();
    let admitted = 0;
    while (admitted < MANY_ATTEMPTS && (await isAdmitted())) admitted++;
    // The burst, and what came back a second while it was used up.
    assert.isAtLeast(admitted, DOS.DoSConnectionConnectBurst);
    assert.isAtMost(admitted, DOS.DoSConnectionConnectBurst + tokensSince(started));
    for (let time = 0; time < 15; time++) assert.isFalse(await isAdmitted());
    assert.strictEqual(counts().dos.connectionsRejected - before, 1 + 15);
    await Promise.all([carries(), buildsCircuits()]);
  });

  it("from the address of a relay of the network is none to these defences", async () => {
    const before = counts().dos;
    const peers = await connectTimes("127.0.0.1", 50);
    assert.isFalse(peers.includes(undefined));
    assert.deepStrictEqual(counts().dos, before);
    disconnect(peers);
  });

  it("of CREATE_FAST from an address with many connections: circuits are refused to it, and what it has stays", async () => {
    const peers: Array<LinkPeer> = [];
    for (let count = 0; count < 3; count++) peers.push(keep(await clientFrom("127.0.0.5", target.port)));
    const [peer, other] = peers as [LinkPeer, LinkPeer, LinkPeer];
    const neighbour = await createFast(other);
    const before = counts().dos;
    const started = performance.now();
    const flood = Array.from({ length: 200 }, () => new HostileCircuit(peer, freshCircId()));
    for (const { circId } of flood) peer.sendCell(circId, ChannelCommand.CREATE_FAST, randomBytes(20));
    const answered = () => flood.filter(({ created, destroyed }) => created !== undefined || destroyed !== undefined);
    await eventually("each is answered", () => answered().length === flood.length);
    const made = flood.filter(({ created }) => created !== undefined);
    // The neighbour's was one of the burst; the one that takes the last of it is refused.
    assert.isAtLeast(made.length, DOS.DoSCircuitCreationBurst - 2);
    assert.isAtMost(made.length, DOS.DoSCircuitCreationBurst + tokensSince(started));
    for (const circuit of flood.slice(made.length)) assert.strictEqual(circuit.destroyed, DestroyReason.RESOURCELIMIT);
    const after = counts().dos;
    assert.strictEqual(after.circuitsRejected - before.circuitsRejected, flood.length - made.length);
    assert.strictEqual(after.markedAddresses - before.markedAddresses, 1);
    // Its other connections are no way round it.
    const third = new HostileCircuit(peers[2]!, freshCircId());
    peers[2]!.sendCell(third.circId, ChannelCommand.CREATE_FAST, randomBytes(20));
    await eventually("the third connection's is refused", () => third.destroyed === DestroyReason.RESOURCELIMIT);
    assert.isTrue(await isServed(neighbour));
    assert.isFalse(peers.some(({ closed }) => closed));
    await Promise.all([carries(), buildsCircuits()]);
    disconnect(peers);
  });

  it("of CREATE2 from a relay waits for its turns, and nobody else does", async () => {
    const peer = keep(await connectFrom("127.0.0.6", target.port));
    await authenticate(peer, await makeIdentity());
    const neighbour = await createFast(peer);
    const body = create2Body(2, ntorRequest(target));
    const before = counts();
    const flood = Array.from({ length: 6_000 }, () => new HostileCircuit(peer, freshCircId()));
    for (const { circId } of flood) peer.sendCell(circId, ChannelCommand.CREATE2, body);
    const waiting = () =>
      flood.filter(({ created, destroyed }) => created === undefined && destroyed === undefined).length;
    // Of the relay alone: other relays, and the client, have no part in how long it takes.
    const next = await create(honest.peer, target);
    const left = waiting();
    next.peer.sendCell(next.circId, ChannelCommand.DESTROY, Buffer.of(DestroyReason.NONE));
    await buildsCircuits();
    const later = waiting();
    await eventually("each is answered", () => waiting() === 0, { timeoutMs: 120_000 });
    const refused = flood.filter(({ destroyed }) => destroyed !== undefined);
    console.log(
      `${left} of ${flood.length} CREATEs waited when another had its answer, ${later} when circuits through others were built; ` +
        `${refused.length} were refused`,
    );
    assert.isAbove(left, flood.length / 2);
    for (const { destroyed } of refused) assert.strictEqual(destroyed, DestroyReason.RESOURCELIMIT);
    await carries();
    // Addresses of relays are not the business of the defences by address.
    assert.deepStrictEqual(counts().dos, before.dos);
    assert.isTrue(await isServed(neighbour));
    peer.destroy();
    await eventually("its circuits have gone", () => allium.relay.circuits.circuits().length < 20);
  });

  /** Sockets that say nothing after TCP, or after TLS. */
  interface Silent {
    readonly socket: Socket;
    closed: boolean;
  }

  const silent = (socket: Socket): Silent => {
    const watched: Silent = { socket, closed: false };
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      watched.closed = true;
    });
    return watched;
  };

  /** Twenty from each of so many addresses, the first ones first. */
  const addresses = (net: number): ReadonlyArray<string> =>
    Array.from({ length: MAX_HANDSHAKES + TOO_MANY }, (_, index) => `127.0.${net}.${1 + Math.floor(index / 20)}`);

  it("of half-open TLS connections, and of link handshakes that stall: the oldest make room, all are given up in time", async () => {
    const before = counts().connections;
    const met = (bound: "tlsHandshakes" | "linkHandshakes") =>
      (counts().connections.get(bound) ?? 0) - (before.get(bound) ?? 0);
    const { clients: base } = footprint(allium);

    const halfOpen: Array<Silent> = [];
    for (const localAddress of addresses(11)) {
      const socket = connect({ host: "127.0.0.1", port: target.port, localAddress });
      halfOpen.push(silent(socket));
      await new Promise((resolve) => socket.once("connect", resolve));
    }
    await eventually("the oldest have made room", () => halfOpen.filter(({ closed }) => closed).length >= TOO_MANY);
    const madeRoom = halfOpen.filter(({ closed }) => closed).length;
    assert.isAtMost(madeRoom, TOO_MANY + OF_THE_NETWORK);
    assert.isTrue(halfOpen.slice(0, madeRoom).every(({ closed }) => closed));
    assert.isAtLeast(met("tlsHandshakes"), madeRoom);
    assert.isAtMost(met("tlsHandshakes"), TOO_MANY + OF_THE_NETWORK);

    const stalled: Array<Silent> = [];
    for (const localAddress of addresses(12)) {
      stalled.push(silent((await connectFrom(localAddress, target.port)).socket));
    }
    await eventually("the oldest have made room", () => stalled.filter(({ closed }) => closed).length >= TOO_MANY);
    assert.isTrue(stalled.slice(0, TOO_MANY).every(({ closed }) => closed));
    assert.isAtMost(met("linkHandshakes"), TOO_MANY + OF_THE_NETWORK);

    // All places are taken, and whoever does not dawdle needs none for long.
    disconnect([await clientFrom("127.0.0.7", target.port)]);
    await Promise.all([carries(), buildsCircuits()]);
    await eventually("half-open connections are given up", () => halfOpen.every(({ closed }) => closed), {
      timeoutMs: 60_000,
    });
    await eventually("link handshakes are given up", () => stalled.every(({ closed }) => closed), {
      timeoutMs: 60_000,
    });
    await eventually("no channel has come of it", () => footprint(allium).clients <= base);
    await Promise.all([carries(), buildsCircuits()]);
  });

  it("takes nothing from anybody else, and is told to the operator in few lines", async () => {
    await carries();
    assert.isUndefined(honest.destroyed);
    await client.control.closeCircuit(circuitId);
    // Of all of this an operator can do something about one thing.
    assert.isAtMost(allium.warnings.length, 1);
    for (const line of allium.warnings) assert.match(line, /this machine is too slow for so many/);
    assert.deepStrictEqual(network.warnings(), []);
  });
});
