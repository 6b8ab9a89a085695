import type { Socket } from "node:net";
import {
  eventually,
  formatRequest,
  formatTable,
  type Origin,
  SocketReader,
  socksConnect,
  writeAll,
} from "../../network/index.ts";
import { threadUsage } from "../thread-usage.ts";
import { percentile } from "../tor-latency.ts";
import type { ClientBench } from "./network.ts";
import type { ClientUnderTest } from "./under-test.ts";

/** A start of a client, until the first byte came through it. */
interface Start {
  readonly seconds: number;
  /** That the process had used by then. */
  readonly cpuSeconds: number;
}

/** The starts of one client. */
export interface BootstrapFigures {
  readonly client: string;
  /** Knowing nothing but the authorities. */
  readonly cold: ReadonlyArray<Start>;
  /** With what it had kept on disk. */
  readonly warm: ReadonlyArray<Start>;
}

/** Starts the clients in turn, so often cold and as often warm. */
export const measureBootstrap = async (
  bench: ClientBench,
  rounds: number,
  onProgress: (text: string) => void,
): Promise<ReadonlyArray<BootstrapFigures>> => {
  const clients = await bench.clients("bootstrap");
  const figures = clients.map((client) => ({ client, cold: [] as Array<Start>, warm: [] as Array<Start> }));
  for (const { client } of figures) await client.stop();
  for (let round = 0; round < rounds; round++) {
    for (const { client, cold, warm } of figures) {
      onProgress(`${client.name}: starts cold and warm`);
      client.forget();
      cold.push(await startToFirstByte(client, bench.origin));
      warm.push(await startToFirstByte(client, bench.origin));
    }
  }
  return figures.map(({ client, cold, warm }) => ({ client: client.name, cold, warm }));
};

/**
 * Starts a client, asks it for a small download as soon as its proxy listens, waits for the first byte, and ends it. The one request
 * waits as long as it takes, as a user's does.
 */
const startToFirstByte = async (client: ClientUnderTest, origin: Origin): Promise<Start> => {
  const began = performance.now();
  const started = client.start();
  let last: unknown;
  const dial = (): Promise<Socket | undefined> =>
    socksConnect(client.socks(), origin.host, origin.port).catch((error: unknown) => {
      last = error;
      return undefined;
    });
  const [socket] = await Promise.all([
    eventually(`a stream through ${client.name}`, dial, { everyMs: 5, timeoutMs: 60_000, detail: () => String(last) }),
    started,
  ]);
  try {
    await writeAll(socket, formatRequest({ mode: "transfer", down: 1_000, verify: false }));
    const reader = new SocketReader(socket);
    await reader.exactly(1);
    const seconds = (performance.now() - began) / 1000;
    const { main, others } = threadUsage(client.pid);
    reader.release();
    return { seconds, cpuSeconds: main + others };
  } finally {
    socket.destroy();
    await client.stop();
  }
};

/** The figures as a table in Markdown. */
export const formatBootstrap = (figures: ReadonlyArray<BootstrapFigures>): string => {
  const cells = (starts: ReadonlyArray<Start>): ReadonlyArray<string> => {
    const seconds = starts.map((start) => start.seconds);
    const range = `${Math.min(...seconds).toFixed(2)} to ${Math.max(...seconds).toFixed(2)}`;
    const cpu = percentile(
      starts.map((start) => start.cpuSeconds),
      0.5,
    );
    return [percentile(seconds, 0.5).toFixed(2), range, cpu.toFixed(2)];
  };
  return formatTable(
    ["client", "cold, s", "from, to", "CPU s", "warm, s", "from, to", "CPU s"],
    figures.map(({ client, cold, warm }) => [client, ...cells(cold), ...cells(warm)]),
  );
};
