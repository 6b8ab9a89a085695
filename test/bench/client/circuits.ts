import { dialOrigin, formatTable, runTransfers } from "../../network/index.ts";
import type { Around } from "../profile.ts";
import { assertNoFailure } from "../tor-goodput.ts";
import type { ClientBench } from "./network.ts";
import { cpuOf } from "./transfers.ts";
import type { ClientUnderTest } from "./under-test.ts";

/** What streams cost that each came with a new circuit, beside as many over one that was there. */
interface Round {
  readonly streams: number;
  readonly atOnce: number;
  /** Circuits that the client has begun for them, those in advance with them. */
  readonly circuits: number;
  readonly seconds: number;
  /** Of the client's process, with a new circuit for each stream. */
  readonly cpuSeconds: number;
  /** The same without. */
  readonly streamsCpuSeconds: number;
}

/** The figures of one client. */
export interface CircuitFigures {
  readonly client: string;
  /** Of a process that has just started, and the next ones. */
  readonly rounds: ReadonlyArray<Round>;
}

/** How many streams are asked for at once in each round, and how many times the count there are: first of a fresh process. */
const ROUNDS: ReadonlyArray<{ readonly atOnce: number; readonly times: number }> = [
  { atOnce: 1, times: 1 },
  { atOnce: 1, times: 1 },
  { atOnce: 30, times: 3 },
];

/** Opens streams, each with credentials of its own, and as many with the same ones. */
export const measureClientCircuits = async (
  bench: ClientBench,
  options: { readonly count: number; readonly onProgress: (text: string) => void },
): Promise<ReadonlyArray<CircuitFigures>> => {
  const { count, onProgress } = options;
  const clients = await bench.clients("circuits");
  const figures = clients.map((client) => ({ client, rounds: [] as Array<Round> }));
  for (const [round, { atOnce, times }] of ROUNDS.entries()) {
    const streams = count * times;
    for (const { client, rounds: measured } of figures) {
      onProgress(`${client.name}: ${streams} circuits, ${atOnce} at once`);
      const before = await client.newestCircuit();
      const began = performance.now();
      const [cpuSeconds] = await cpuOf(client.pid, () =>
        openStreams(bench, client, streams, (index) => `${round} ${index}`, { atOnce }),
      );
      const seconds = (performance.now() - began) / 1000;
      const circuits = (await client.newestCircuit()) - before;
      const [streamsCpuSeconds] = await cpuOf(client.pid, () =>
        openStreams(bench, client, streams, () => "one", { atOnce }),
      );
      measured.push({ streams, atOnce, circuits, seconds, cpuSeconds, streamsCpuSeconds });
    }
  }
  for (const { client } of figures) await client.stop();
  return figures.map(({ client, rounds: measured }) => ({ client: client.name, rounds: measured }));
};

/** Streams that carry a line each; those of one name share a circuit. */
export const openStreams = async (
  { origin }: ClientBench,
  client: ClientUnderTest,
  count: number,
  nameOf: (index: number) => string,
  { atOnce = 1, around = (work) => work() }: { readonly atOnce?: number; readonly around?: Around } = {},
): Promise<void> => {
  const report = await around(() =>
    runTransfers({
      dial: (index) => dialOrigin(client.socks(nameOf(index)), origin)(index),
      count,
      concurrency: atOnce,
      sizes: [0],
      verify: false,
    }),
  );
  assertNoFailure(report);
};

/** The figures as a table in Markdown. */
export const formatCircuits = (figures: ReadonlyArray<CircuitFigures>): string =>
  formatTable(
    [
      "client",
      "streams",
      "at once",
      "circuits",
      "ms each",
      "CPU µs/stream with its circuit",
      "CPU µs/stream without",
      "CPU µs/circuit",
    ],
    figures.flatMap(({ client, rounds }) =>
      rounds.map(({ streams, atOnce, circuits, seconds, cpuSeconds, streamsCpuSeconds }, round) => [
        client,
        `the ${round === 0 ? "first" : "next"} ${streams}`,
        String(atOnce),
        String(circuits),
        ((seconds * 1e3) / streams).toFixed(1),
        ((cpuSeconds * 1e6) / streams).toFixed(0),
        ((streamsCpuSeconds * 1e6) / streams).toFixed(0),
        (((cpuSeconds - streamsCpuSeconds) * 1e6) / Math.max(1, circuits)).toFixed(0),
      ]),
    ),
  );
