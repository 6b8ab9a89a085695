/**
 * What a channel costs: per cell read and handed to its circuit, per cell gathered and given to the connection, and the heap
 * of a circuit that does nothing. No sockets, no TLS. Run it alone: `node bench/channel.bench.ts`.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { CellDecoder, ChannelCommand, encodeFixedCell } from "@allium/cell";
import { Signal } from "@allium/kernel";
import { Effect, Fiber } from "effect";
import {
  type ChannelCircuit,
  type Connection,
  DEFAULT_PADDING_PARAMS,
  layerEntropySeeded,
  makeChannel,
  slabBytes,
  takeSlab,
} from "../src/index.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const CELLS = 400_000;
const CHUNK_CELLS = 31;
const ROUNDS = 3;

/** A connection that delivers the same chunk again and again, and swallows what is written. */
class TestConnection implements Connection {
  readonly remote = { host: "10.0.0.1", port: 1 };
  readonly local = { host: "10.0.0.2", port: 2 };
  readonly tls = undefined;
  readonly failure = undefined;
  status: "open" | "ended" | "closed" = "open";
  readonly readable = 0;
  readonly pending = 0;
  written = 0;
  left = 0;
  chunk: Buffer = Buffer.alloc(0);
  listener: () => void = () => {};
  onChange(listener: () => void): void {
    this.listener = listener;
  }
  read(): Buffer | undefined {
    if (this.left <= 0) return undefined;
    this.left--;
    return this.chunk;
  }
  write(bytes: Buffer): void {
    this.written += bytes.length;
  }
  end(): void {}
  destroy(): void {
    this.status = "closed";
  }
  reset(): void {
    this.destroy();
  }
}

const open = Effect.gen(function* () {
  const connection = new TestConnection();
  const decoder = new CellDecoder();
  decoder.setLinkProtocol(5);
  const channel = yield* makeChannel({
    id: 1,
    connection,
    decoder,
    established: {
      linkProtocol: 5,
      peer: undefined,
      netinfo: { _tag: "NETINFO", timestamp: 0, otherAddress: { family: 4, address: "0.0.0.0" }, myAddresses: [] },
      clockSkew: undefined,
    },
    initiated: true,
    config: { padding: () => DEFAULT_PADDING_PARAMS, idleTimeoutMillis: () => 3_600_000 },
    onCreate: () => {},
  });
  const fiber = yield* Effect.forkChild(Effect.scoped(channel.run()));
  yield* Effect.yieldNow;
  return { channel, connection, fiber };
});

const openCircuits = (count: number) =>
  Effect.gen(function* () {
    const opened = yield* open;
    const circuits: Array<ChannelCircuit> = [];
    for (let index = 0; index < count; index++) {
      circuits.push(yield* opened.channel.openCircuit({ inbound: Signal.make() }));
    }
    return { ...opened, circuits };
  });

/** Nanoseconds of CPU for each cell that comes in, with its circuits emptied as they fill. */
const reading = (count: number) =>
  Effect.gen(function* () {
    const { connection, circuits, fiber } = yield* openCircuits(count);
    const cells = Array.from({ length: CHUNK_CELLS }, (_, index) =>
      encodeFixedCell(circuits[index % count]!.circId, ChannelCommand.RELAY, Buffer.alloc(509)),
    );
    connection.chunk = Buffer.concat(cells);
    const start = process.cpuUsage();
    for (let left = Math.floor(CELLS / CHUNK_CELLS); left > 0; left -= 8) {
      connection.left = 8;
      connection.listener();
      while (connection.left > 0) yield* Effect.yieldNow;
      yield* Effect.yieldNow;
      for (const { inbox } of circuits) while (inbox.take() !== undefined);
    }
    const { user, system } = process.cpuUsage(start);
    yield* Fiber.interrupt(fiber);
    return ((user + system) * 1000) / CELLS;
  });

/** Nanoseconds of CPU for each cell that goes out, in trains of this many. */
const writing = (count: number, train: number) =>
  Effect.gen(function* () {
    const { connection, circuits, fiber } = yield* openCircuits(count);
    const start = process.cpuUsage();
    let sent = 0;
    while (sent < CELLS) {
      for (const circuit of circuits) {
        while (circuit.outbox.hasRoom && sent < CELLS) {
          // The writer gives it back when it is done with it.
          yield* circuit.send({ command: ChannelCommand.RELAY, count: train, slab: takeSlab(slabBytes(train)) });
          sent += train;
        }
      }
      while (connection.written < sent * 514) yield* Effect.yieldNow;
    }
    const { user, system } = process.cpuUsage(start);
    yield* Fiber.interrupt(fiber);
    return ((user + system) * 1000) / CELLS;
  });

/** Bytes of heap for each circuit that is open and does nothing. */
const idle = (count: number) =>
  Effect.gen(function* () {
    const opened = yield* open;
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    const circuits: Array<ChannelCircuit> = [];
    const inbound = Signal.make();
    for (let index = 0; index < count; index++) circuits.push(yield* opened.channel.openCircuit({ inbound }));
    collectGarbage();
    const bytes = (process.memoryUsage().heapUsed - before) / circuits.length;
    yield* Fiber.interrupt(opened.fiber);
    return bytes;
  });

const best = async (name: string, unit: string, run: Effect.Effect<number, unknown, never>): Promise<void> => {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) least = Math.min(least, await Effect.runPromise(run));
  console.log(`${name.padEnd(40)} ${least.toFixed(0).padStart(6)} ${unit}`);
};

const entropy = Effect.provide(layerEntropySeeded("bench"));

for (const count of [1, 10, 1000]) {
  await best(`read, ${count} circuits`, "ns CPU/cell", entropy(reading(count)));
}
for (const train of [1, 8, 32]) {
  await best(`write, 10 circuits, trains of ${train}`, "ns CPU/cell", entropy(writing(10, train)));
}
await best("idle circuit", "bytes of heap", entropy(idle(10_000)));
