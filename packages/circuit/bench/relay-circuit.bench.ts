/**
 * A relay's circuit in one process, sockets and TLS left out: cells per second through channel reader, ingress or egress, and
 * channel writer, with trains of 1, 8 and 32.
 *
 *   node packages/circuit/bench/relay-circuit.bench.ts
 */
import { randomBytes } from "node:crypto";
import { CellDecoder, ChannelCommand } from "@allium/cell";
import {
  type Channel,
  type ChannelCircuit,
  type Connection,
  DEFAULT_PADDING_PARAMS,
  Entropy,
  layerEntropySeeded,
  makeChannel,
  slabBytes,
} from "@allium/channel";
import { relayCrypto, splitKeyMaterial } from "@allium/crypto";
import { MemoryQuota, ReactorGroup, Signal } from "@allium/kernel";
import { Clock, Effect } from "effect";
import {
  CIRCUITS,
  type CircuitError,
  type CircuitStop,
  congestionParams,
  DEFAULT_CIRCUIT_LIMITS,
  directSingle,
  type EgressCommand,
  FarSide,
  flowParams,
  type HopFlow,
  makeEgress,
  makeHopFlow,
  makeIngress,
  randomPoolOf,
  refuseStream,
  StreamPaths,
} from "../src/index.ts";

/** Nanoseconds of processor time: other processes on the machine do not count. */
const cpuNanosSince = (start: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(start);
  return (user + system) * 1000;
};

const CELL = 514;
const CHUNK_CELLS = 32;
const CIRC_ID = 0x8000_0001;

/** A connection that gives the same chunk `chunks` times, and swallows what is written. */
class Feed implements Connection {
  readonly remote = { host: "127.0.0.1", port: 1 };
  readonly local = { host: "127.0.0.1", port: 2 };
  readonly tls = undefined;
  readonly failure = undefined;
  status: "open" | "ended" | "closed" = "open";
  readable = 0;
  pending = 0;
  written = 0;
  left = 0;
  chunk: Buffer = Buffer.alloc(0);
  private listener = () => {};

  onChange(listener: () => void): void {
    this.listener = listener;
  }
  start(chunk: Buffer, times: number): void {
    this.chunk = chunk;
    this.left = times;
    this.readable = chunk.length * times;
    this.listener();
  }
  read(): Buffer | undefined {
    if (this.left === 0) return undefined;
    this.left--;
    this.readable -= this.chunk.length;
    // What is read is the reader's.
    return Buffer.from(this.chunk);
  }
  write(bytes: Buffer): void {
    this.written += bytes.length;
  }
  end(): void {}
  destroy(): void {}
  reset(): void {}
}

const openChannel = (feed: Feed, id: number, initiated: boolean) =>
  Effect.gen(function* () {
    const decoder = new CellDecoder();
    decoder.setLinkProtocol(5);
    const created: Array<ChannelCircuit> = [];
    const channel = yield* makeChannel({
      id,
      connection: feed,
      decoder,
      initiated,
      established: {
        linkProtocol: 5,
        peer: undefined,
        clockSkew: undefined,
        netinfo: { _tag: "NETINFO", timestamp: 0, otherAddress: { family: 4, address: "127.0.0.1" }, myAddresses: [] },
      },
      config: { padding: () => DEFAULT_PADDING_PARAMS, idleTimeoutMillis: () => 3_600_000, maxTrain: yield* MaxTrain },
      onCreate: (request) => created.push(request.accept({ inbound: Signal.make() })),
    });
    yield* Effect.forkScoped(channel.run());
    return { channel, created };
  });

let currentMaxTrain = 32;
const MaxTrain = Effect.sync(() => currentMaxTrain);

const cells = (command: number, circId: number): Buffer => {
  const chunk = randomBytes(CELL * CHUNK_CELLS);
  for (let index = 0; index < CHUNK_CELLS; index++) {
    chunk.writeUInt32BE(circId, index * CELL);
    chunk[index * CELL + 4] = command;
  }
  return chunk;
};

const acceptNear = (feed: Feed, channel: Channel, created: Array<ChannelCircuit>, signals: { ingress: Signal }) =>
  Effect.gen(function* () {
    const create = Buffer.alloc(CELL);
    create.writeUInt32BE(CIRC_ID, 0);
    create[4] = ChannelCommand.CREATE_FAST;
    feed.start(create, 1);
    while (created.length === 0) yield* Effect.sleep(1);
    const near = created[0] as ChannelCircuit;
    near.inbox.wake(signals.ingress);
    void channel;
    return near;
  });

const neverFull = (flow: HopFlow): HopFlow => {
  // The window is not what is measured here: it never closes.
  const sending = Object.assign(Object.create(flow.sending) as typeof flow.sending, {
    onCellSent: () => false,
    room: () => 1_000_000,
  });
  const { agreed, view, receiving } = flow;
  return { agreed, view, receiving, sending, budget: Object.defineProperty(flow.budget, "room", { value: 1_000_000 }) };
};

const measure = (what: "middle" | "exit", maxTrain: number, total: number) =>
  Effect.gen(function* () {
    currentMaxTrain = maxTrain;
    const clock = yield* Clock.Clock;
    const entropy = yield* Entropy;
    const nearFeed = new Feed();
    const farFeed = new Feed();
    const nearChannel = yield* openChannel(nearFeed, 1, false);
    const farChannel = yield* openChannel(farFeed, 2, true);
    const signals = { ingress: Signal.make(), egress: Signal.make() };
    const near = yield* acceptNear(nearFeed, nearChannel.channel, nearChannel.created, signals);
    const group = yield* ReactorGroup.make<CircuitError, CircuitStop>({ name: "bench" });
    const crypto = relayCrypto(splitKeyMaterial(randomBytes(92)));
    const flow = neverFull(makeHopFlow(congestionParams(() => undefined, "exit").vegas));
    const far = new FarSide();
    const paths = new StreamPaths(signals.egress);
    const link = group.link<EgressCommand>("ingress → egress");
    const circuit = {
      name: "bench",
      group,
      clock,
      entropy,
      limits: { ...DEFAULT_CIRCUIT_LIMITS, maxTrain },
      memory: new MemoryQuota().open(CIRCUITS),
      opener: {
        begin: () =>
          Effect.succeed({ connection: origin, connected: { _tag: "CONNECTED" as const, resolved: undefined } }),
        beginDirectory: Effect.fail(refuseStream(1)),
        resolve: () => Effect.succeed([]),
        linger: () => {},
      },
    };
    const origin = new Feed();
    const ingress = makeIngress({
      near,
      signal: signals.ingress,
      crypto: crypto.inbound,
      hops: [flow],
      paths,
      handler: {
        dropsWrongStreamIds: true,
        onEarly: () => {},
        onMessage: () => Effect.void,
        onFirstStreamMessage: () => Effect.void,
        onUnrecognized: (plain, from, to, command) => {
          const next = far.circuit as ChannelCircuit;
          const isWhole = plain.length === slabBytes(to - from);
          const slab = isWhole ? plain : plain.subarray(slabBytes(from), slabBytes(to));
          const train = { command, count: to - from, slab };
          return next.sendUnsafe(train) ? undefined : Effect.asVoid(next.send(train));
        },
      },
    });
    const egress = makeEgress({
      near,
      signal: signals.egress,
      crypto: crypto.outbound,
      hops: [flow],
      paths,
      clock,
      far,
      congestion: { queueHigh: 256, queueLow: 10 },
      padding: randomPoolOf(entropy).fill,
    });
    if (what === "middle") {
      far.circuit = yield* farChannel.channel.openCircuit({ inbound: signals.egress });
      far.state = "open";
      yield* group.start(egress.wire({ commands: link.reader }));
      yield* group.start(ingress.wire({ commands: link.writer }));
      const wanted = farFeed.written + total * CELL;
      const start = process.cpuUsage();
      nearFeed.start(cells(ChannelCommand.RELAY, CIRC_ID), total / CHUNK_CELLS);
      while (farFeed.written < wanted) yield* Effect.sleep(1);
      return cpuNanosSince(start) / total;
    }
    const path = yield* directSingle({ role: "client", flowParams: () => flowParams(() => undefined) })(
      circuit,
      0,
      flow,
    );
    yield* paths.install(0, "direct", path);
    yield* group.start(egress.wire({ commands: link.reader }));
    let connected = false;
    path.streams.request({ _tag: "BEGIN_DIR" }, origin, {
      onConnected: () => {},
      onResolved: () => {},
      onEnd: () => {},
    });
    yield* Effect.sleep(5);
    const stream = [
      ...(path.streams as unknown as { map: { streams: Map<number, { state: string }> } }).map.streams.values(),
    ][0];
    if (stream !== undefined) {
      stream.state = "open";
      connected = true;
    }
    if (!connected) return Number.NaN;
    const before = nearFeed.written;
    const start = process.cpuUsage();
    origin.start(randomBytes(65_536), Math.ceil((total * 498) / 65_536));
    while (nearFeed.written - before < total * CELL) yield* Effect.sleep(1);
    return cpuNanosSince(start) / total;
  }).pipe(Effect.scoped);

const program = Effect.gen(function* () {
  for (const what of ["middle", "exit"] as const) {
    for (const maxTrain of [1, 8, 32]) {
      yield* measure(what, maxTrain, 640_000);
      const nanos = yield* measure(what, maxTrain, 1_280_000);
      console.log(
        `${what.padEnd(7)} trains of ${String(maxTrain).padStart(2)}: ${nanos.toFixed(0).padStart(6)} ns per cell, ${(1e9 / nanos).toFixed(0).padStart(8)} cells per second`,
      );
    }
  }
});

await Effect.runPromise(Effect.provide(program, layerEntropySeeded("bench")));
