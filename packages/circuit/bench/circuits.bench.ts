/**
 * What a relay pays for a circuit: processor time to create it, to extend it, to pass its first cells and to end it; heap and memory off the
 * heap while it is idle. One process, sockets and TLS left out; the client's side is computed beforehand.
 *
 *   node --expose-gc packages/circuit/bench/circuits.bench.ts [circuits] [rounds]
 *
 * With HEAP_SNAPSHOT=last or =extended it leaves a heap snapshot of the idle circuits. What is idle includes, for each circuit, the cell
 * that will end it: half a KiB off the heap.
 */
import { randomBytes } from "node:crypto";
import { setFlagsFromString, writeHeapSnapshot } from "node:v8";
import {
  CELL_BODY_LEN,
  CellDecoder,
  ChannelCommand,
  encodeChannelBody,
  encodeFixedCell,
  encodeRequestExtensions,
  HandshakeType,
  relayCellV0,
  writeRelayMessage,
} from "@allium/cell";
import {
  type Channel,
  ChannelManager,
  type Connection,
  type CreateRequest,
  DEFAULT_PADDING_PARAMS,
  layerEntropy,
  makeChannel,
} from "@allium/channel";
import {
  ClientCrypto,
  keyMaterialLength,
  ntorV3ClientBegin,
  ntorV3ClientEnd,
  splitKeyMaterial,
  tor1,
  X25519KeyPair,
} from "@allium/crypto";
import { Effect, Layer } from "effect";
import {
  answerCreate,
  congestionParams,
  flowParams,
  layerRelayCircuits,
  layerSingle,
  RelayCircuits,
  refuseStream,
  StreamOpeners,
} from "../src/index.ts";

setFlagsFromString("--incremental-marking-soft-trigger=85");
setFlagsFromString("--incremental-marking-hard-trigger=95");

const CELL = 514;
/** Cells in one chunk of a socket: with a few dozen circuits under way, a few at a time. */
const CELLS_PER_CHUNK = 8;
const LENGTH = keyMaterialLength(tor1);
const COUNT = Number(process.argv[2] ?? 10_000);
const ROUNDS = Number(process.argv[3] ?? 3);

/** A connection that is fed cells, and counts and keeps those that are written. */
class Feed implements Connection {
  readonly remote = { host: "127.0.0.1", port: 1 };
  readonly local = { host: "127.0.0.1", port: 2 };
  readonly tls = undefined;
  readonly failure = undefined;
  readonly status = "open";
  readable = 0;
  pending = 0;
  cells = 0;
  written: Array<Buffer> = [];
  private chunks: Array<Buffer> = [];
  private listener = () => {};

  onChange(listener: () => void): void {
    this.listener = listener;
  }
  feed(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.readable += chunk.length;
    this.listener();
  }
  read(): Buffer | undefined {
    const chunk = this.chunks.shift();
    this.readable -= chunk?.length ?? 0;
    return chunk;
  }
  write(bytes: Buffer): void {
    this.cells += bytes.length / CELL;
    this.written.push(Buffer.from(bytes));
  }
  /** Takes what was written, by circuit ID. */
  take(): Map<number, Array<Buffer>> {
    const byId = new Map<number, Array<Buffer>>();
    for (const bytes of this.written) {
      for (let at = 0; at < bytes.length; at += CELL) {
        const id = bytes.readUInt32BE(at);
        const cells = byId.get(id) ?? [];
        cells.push(bytes.subarray(at, at + CELL));
        byId.set(id, cells);
      }
    }
    this.written = [];
    return byId;
  }
  end(): void {}
  destroy(): void {}
  reset(): void {}
}

const serverKeys = {
  rsaIdentity: randomBytes(20),
  ed25519Identity: randomBytes(32),
  onionKeys: [X25519KeyPair.fromSecret(randomBytes(32))],
};
const target = { ...serverKeys, onionKey: serverKeys.onionKeys[0]?.publicKey as Buffer };
const farIdentity = { rsaId: randomBytes(20), ed25519Id: randomBytes(32) };

const openChannel = (feed: Feed, id: number, initiated: boolean, onCreate: (request: CreateRequest) => void) =>
  Effect.gen(function* () {
    const decoder = new CellDecoder();
    decoder.setLinkProtocol(5);
    const channel = yield* makeChannel({
      id,
      connection: feed,
      decoder,
      initiated,
      established: {
        linkProtocol: 5,
        peer: initiated ? ({ ...farIdentity, signingKey: randomBytes(32) } as never) : undefined,
        clockSkew: undefined,
        netinfo: { _tag: "NETINFO", timestamp: 0, otherAddress: { family: 4, address: "127.0.0.1" }, myAddresses: [] },
      },
      config: { padding: () => DEFAULT_PADDING_PARAMS, idleTimeoutMillis: () => 3_600_000, maxCircuits: 1_000_000 },
      onCreate,
    });
    yield* Effect.forkScoped(channel.run());
    return channel;
  });

interface ClientSide {
  readonly id: number;
  readonly create: ReturnType<typeof ntorV3ClientBegin>;
  readonly crypto: ClientCrypto;
}

const cpuMicros = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

const threadMicros = () => {
  const { user, system } = process.threadCpuUsage();
  return user + system;
};

/** Of which on the main thread. */
let main = 0;

/** Feeds cells a few at a time, each time when the answers to those before have come, and tells the processor time of one. */
const phase = (
  feed: Feed,
  cells: ReadonlyArray<Buffer>,
  answered: Feed | (() => boolean),
  most: number = CELLS_PER_CHUNK,
) =>
  Effect.gen(function* () {
    const chunks: Array<Buffer> = [];
    for (let at = 0; at < cells.length; at += most) chunks.push(Buffer.concat(cells.slice(at, at + most)));
    const start = cpuMicros();
    const startMain = threadMicros();
    let wanted = answered instanceof Feed ? answered.cells : 0;
    for (const chunk of chunks) {
      feed.feed(chunk);
      wanted += chunk.length / CELL;
      if (answered instanceof Feed)
        while (answered.cells < wanted) yield* Effect.promise(() => new Promise(setImmediate));
      else yield* Effect.promise(() => new Promise(setImmediate));
    }
    if (!(answered instanceof Feed)) while (!answered()) yield* Effect.promise(() => new Promise(setImmediate));
    main += (threadMicros() - startMain) / cells.length;
    return (cpuMicros() - start) / cells.length;
  });

const collect = (): NodeJS.MemoryUsage => {
  for (let time = 0; time < 4; time++) globalThis.gc?.();
  return process.memoryUsage();
};

/** The answers alone, in the same round: what the machine is worth at the moment. */
const handshakeMicros = (requests: ReadonlyArray<Buffer>): number => {
  const start = cpuMicros();
  for (const handshake of requests) {
    answerCreate(
      { _tag: "CREATE2", handshakeType: HandshakeType.NTOR_V3, handshake },
      { keys: serverKeys, congestion: congestionParams(() => undefined, "exit"), random: randomBytes },
    );
  }
  return (cpuMicros() - start) / requests.length;
};

const settle = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 50)));

const program = Effect.gen(function* () {
  const near = new Feed();
  const far = new Feed();
  let accept: (request: CreateRequest) => void = () => {};
  let farChannel: Channel | undefined;
  const manager = ChannelManager.of({
    get: () => Effect.succeed(farChannel as Channel),
    listen: () => Effect.die("not here"),
    acceptCircuits: (run) =>
      Effect.sync(() => {
        accept = run;
      }),
    channels: () => [],
  });
  const congestion = congestionParams(() => undefined, "exit");
  const policy = {
    self: { rsaId: serverKeys.rsaIdentity, ed25519Id: serverKeys.ed25519Identity },
    addressAllowed: () => true,
  };
  const context = yield* Layer.build(
    layerRelayCircuits({ keys: () => serverKeys, congestion: () => congestion, extendPolicy: () => policy }).pipe(
      Layer.provide(layerSingle({ role: "exit", flowParams: () => flowParams(() => undefined) })),
      Layer.provide(
        Layer.succeed(
          StreamOpeners,
          StreamOpeners.of({
            forCircuit: () => ({
              begin: () => Effect.fail(refuseStream(1)),
              beginDirectory: Effect.fail(refuseStream(1)),
              resolve: () => Effect.succeed([]),
              linger: () => {},
            }),
          }),
        ),
      ),
      Layer.provide(Layer.succeed(ChannelManager, manager)),
    ),
  );
  const circuits = yield* Effect.provide(RelayCircuits, context);
  yield* openChannel(near, 1, false, (request) => accept(request));
  farChannel = yield* openChannel(far, 2, true, () => {});

  const round = (name: string, mode: "last" | "extended") =>
    Effect.gen(function* () {
      const before = collect();
      const clients: Array<ClientSide> = [];
      for (let index = 0; index < COUNT; index++) {
        clients.push({
          id: (0x8000_0000 + index + 1) >>> 0,
          create: ntorV3ClientBegin(
            target,
            X25519KeyPair.fromSecret(randomBytes(32)),
            encodeRequestExtensions([{ _tag: "CC_REQUEST" }]),
          ),
          crypto: new ClientCrypto(),
        });
      }
      const creates = clients.map(({ id, create }) =>
        encodeFixedCell(
          id,
          ChannelCommand.CREATE2,
          encodeChannelBody({ _tag: "CREATE2", handshakeType: HandshakeType.NTOR_V3, handshake: create.request }),
        ),
      );
      const figures: Record<string, number> = {};
      const handshake = handshakeMicros(clients.slice(0, 500).map(({ create }) => create.request));
      main = 0;
      figures["create"] = yield* phase(near, creates, near);
      const created = near.take();
      if (mode === "extended") {
        const extend = (client: ClientSide): Buffer => {
          const cell = (created.get(client.id) as Array<Buffer>)[0] as Buffer;
          const reply = cell.subarray(7, 7 + cell.readUInt16BE(5));
          client.crypto.addHop(splitKeyMaterial(ntorV3ClientEnd(client.create.state, reply, LENGTH).material));
          const slab = Buffer.alloc(CELL_BODY_LEN);
          writeRelayMessage(relayCellV0, slab, 0, 0, {
            _tag: "EXTEND2",
            linkSpecifiers: [
              { _tag: "TLS_TCP", address: { family: 4, address: "10.0.0.2" }, port: 9001 },
              { _tag: "RSA_ID", id: farIdentity.rsaId },
              { _tag: "ED25519_ID", id: farIdentity.ed25519Id },
            ],
            handshakeType: HandshakeType.NTOR,
            handshake: randomBytes(84),
          });
          client.crypto.outbound.originate(slab, 0, 0);
          return encodeFixedCell(client.id, ChannelCommand.RELAY_EARLY, client.crypto.outbound.encrypt(slab, 1, 0));
        };
        const extends_ = clients.map(extend);
        figures["extend"] = yield* phase(near, extends_, far);
        const ids = [...far.take().keys()];
        const answers = ids.map((id) =>
          encodeFixedCell(
            id,
            ChannelCommand.CREATED2,
            encodeChannelBody({ _tag: "CREATED2", handshake: randomBytes(64) }),
          ),
        );
        figures["extended"] = yield* phase(far, answers, near);
        const noise = clients.map(({ id }) =>
          encodeFixedCell(id, ChannelCommand.RELAY_EARLY, randomBytes(CELL_BODY_LEN)),
        );
        figures["out"] = yield* phase(near, noise, far);
        const back = ids.map((id) => encodeFixedCell(id, ChannelCommand.RELAY, randomBytes(CELL_BODY_LEN)));
        figures["back"] = yield* phase(far, back, near);
        near.take();
        far.take();
      }
      const destroys = clients.map(({ id }) => encodeFixedCell(id, ChannelCommand.DESTROY, Buffer.from([9])));
      const open = circuits.circuits().length;
      if (open !== COUNT) throw new Error(`${open} circuits of ${COUNT}`);
      clients.length = 0;
      creates.length = 0;
      created.clear();
      yield* settle;
      const idle = collect();
      if (process.env["HEAP_SNAPSHOT"] === mode) writeHeapSnapshot(`${mode}.heapsnapshot`);
      figures["end"] = yield* phase(near, destroys, () => circuits.circuits().length === 0);
      near.take();
      far.take();
      destroys.length = 0;
      yield* settle;
      const after = collect();
      const each = (
        key: "heapUsed" | "external" | "arrayBuffers" | "rss",
        from: NodeJS.MemoryUsage,
        to: NodeJS.MemoryUsage,
      ): string => ((to[key] - from[key]) / COUNT / 1024).toFixed(2);
      console.log(
        `${name}: a handshake alone ${handshake.toFixed(1)}; CPU µs ${Object.entries(figures)
          .map(([what, micros]) => `${what} ${micros.toFixed(1)}`)
          .join(", ")}, in all ${Object.values(figures)
          .reduce((sum, micros) => sum + micros, 0)
          .toFixed(0)}, main thread ${main.toFixed(0)}; ` +
          `KiB idle: heap ${each("heapUsed", before, idle)}, off it ${each("external", before, idle)}, resident ${each("rss", before, idle)}; ` +
          `left: heap ${each("heapUsed", before, after)}, off it ${each("external", before, after)}`,
      );
    });

  for (let index = 0; index < ROUNDS; index++) {
    yield* round("last hop", "last");
    yield* round("extended", "extended");
  }
}).pipe(Effect.scoped);

await Effect.runPromise(Effect.provide(program, layerEntropy));
