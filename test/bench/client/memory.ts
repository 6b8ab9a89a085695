import type { Socket } from "node:net";
import { formatRequest, formatTable, processUsage, SocketReader, socksConnect, writeAll } from "../../network/index.ts";
import type { ClientBench } from "./network.ts";
import { carryBytes } from "./transfers.ts";
import type { ClientUnderTest } from "./under-test.ts";

/** What a client takes, in bytes. */
export interface MemoryFigures {
  readonly client: string;
  /** Resident: ready, and nothing asked of it. */
  readonly ready: number;
  /** With the circuits open, a stream on each, nothing moving. */
  readonly open: number;
  /** After each circuit has carried something. */
  readonly carried: number;
  /** The heap then, without garbage; undefined where there is none. */
  readonly heap: number | undefined;
}

/** Bytes that each circuit carries. */
const BYTES_EACH = 5_000_000;

/** Opens so many circuits through fresh processes of each client, and looks at their memory. */
export const measureMemory = async (
  bench: ClientBench,
  circuits: number,
  onProgress: (text: string) => void,
): Promise<ReadonlyArray<MemoryFigures>> => {
  const figures: Array<MemoryFigures> = [];
  for (const client of await bench.clients("memory")) {
    onProgress(`${client.name}: memory with ${circuits} circuits`);
    figures.push(await memoryOf(bench, client, circuits));
    await client.stop();
  }
  return figures;
};

const memoryOf = async (bench: ClientBench, client: ClientUnderTest, circuits: number): Promise<MemoryFigures> => {
  const resident = (): number => processUsage(client.pid)?.residentBytes ?? 0;
  const names = Array.from({ length: circuits }, (_, index) => `memory ${index}`);
  const ready = resident();
  const sockets = await Promise.all(names.map((name) => echoing(bench, client, name)));
  const open = resident();
  for (const circuit of names) {
    await carryBytes(bench, client, { bytes: BYTES_EACH, streams: 1, direction: "down", circuit });
  }
  const carried = resident();
  const heap = await heapOf(client);
  for (const socket of sockets) socket.destroy();
  return { client: client.name, ready, open, carried, heap };
};

/** A stream over a circuit of that name that is open end to end, and idle. */
const echoing = async ({ origin }: ClientBench, client: ClientUnderTest, circuit: string): Promise<Socket> => {
  const socket = await socksConnect(client.socks(circuit), origin.host, origin.port);
  const reader = new SocketReader(socket);
  await writeAll(socket, `${formatRequest({ mode: "echo" })}!`);
  await reader.exactly(1);
  reader.release();
  return socket;
};

const heapOf = async (client: ClientUnderTest): Promise<number | undefined> => {
  if (client.inspect === undefined) return undefined;
  await using inspector = await client.inspect();
  await inspector.collectGarbage();
  return await inspector.evaluate<number>("process.memoryUsage().heapUsed");
};

/** The figures as a table in Markdown. */
export const formatMemory = (figures: ReadonlyArray<MemoryFigures>, circuits: number): string => {
  const mebibytes = (bytes: number | undefined): string => (bytes === undefined ? "" : (bytes / 2 ** 20).toFixed(1));
  return formatTable(
    ["client", "ready, MiB", `${circuits} circuits`, `after ${BYTES_EACH / 1e6} MB over each`, "heap then"],
    figures.map(({ client, ready, open, carried, heap }) => [client, ...[ready, open, carried, heap].map(mebibytes)]),
  );
};
