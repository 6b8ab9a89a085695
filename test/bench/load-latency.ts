import type { Socket } from "node:net";
import { cpuPerGigabyte, formatTable, Meter, PinnedDialer, pause, type TorNode, transfer } from "../network/index.ts";
import { MetricsPage } from "./metrics-page.ts";
import { type BenchNetwork, fingerprints, type Position, pathThrough, type RelayUnderTest } from "./support.ts";
import { echoRounds, percentile } from "./tor-latency.ts";

/** Bulk streams in each direction, over so many circuits. */
const BULK_EACH_WAY = 10;
const CIRCUITS_EACH_WAY = 2;

/** More than any of them gets through while it is measured. */
const ENDLESS_BYTES = 1e12;

/** Until windows are open and queues as full as they get. */
const RAMP_MS = 3000;

/** Messages under way at once, each on a stream of its own. */
const ECHOES = 5;

/** Relays of the network that bulk goes through, left out of the echo's path. */
const BULK_RELAYS = 2;

/** How late the event loop of a relay was meanwhile, in seconds. */
export interface EventLoopDelay {
  readonly median: number;
  readonly p99: number;
  readonly max: number;
}

/** Latency of small messages beside bulk. */
export interface LoadedLatency {
  readonly relay: string;
  readonly position: Position;
  /** Messages there and back. */
  readonly messages: number;
  /** In seconds. */
  readonly median: number;
  readonly p99: number;
  readonly max: number;
  /** Of all bulk streams of a direction together. */
  readonly downBytesPerSecond: number;
  readonly upBytesPerSecond: number;
  readonly relayCpuPerGigabyte: number;
  /** Of a relay that tells. */
  readonly delay: EventLoopDelay | undefined;
}

/** What echoes: a client that carries nothing else. */
export interface EchoClient {
  readonly client: TorNode;
  readonly dialer: PinnedDialer;
}

/** Makes another client of the network ready for echoes. It ends with the network. */
export const echoClient = async ({ network }: BenchNetwork, client: TorNode): Promise<EchoClient> => ({
  client,
  dialer: network.use(await PinnedDialer.open(client)),
});

/**
 * Keeps 20 bulk streams going through the relay under test, half of them each way, and measures echoes of 500 B beside them: from
 * another client, by another guard, so that the relay is what both have in common.
 *
 * @param metricsPort where the relay serves its metrics, if it does
 */
export const measureLoadedLatency = async (
  bench: BenchNetwork,
  echo: EchoClient,
  relay: RelayUnderTest,
  position: Position,
  options: { readonly seconds: number; readonly metricsPort?: number | undefined },
): Promise<LoadedLatency> => {
  await using bulk = await startBulk(bench, relay, position);
  const path = fingerprints(pathThrough(bench.network, relay, position, BULK_RELAYS));
  const circuitId = await echo.client.control.buildCircuit(path);
  await pause(RAMP_MS);

  const { metricsPort } = options;
  // Whoever asks begins the next span of what the page tells.
  if (metricsPort !== undefined) await MetricsPage.of(metricsPort);
  const before = await bulk.carried();
  const meter = new Meter({ relay: relay.pid });
  const started = performance.now();
  const until = started + options.seconds * 1000;
  const echoes = Array.from({ length: ECHOES }, async () => {
    const socket = await echo.dialer.connect({ circuitId }, bench.origin.host, bench.origin.port);
    try {
      return await echoRounds(socket, () => performance.now() < until);
    } finally {
      socket.destroy();
    }
  });
  const times = (await Promise.all(echoes)).flat();
  const seconds = (performance.now() - started) / 1000;
  const { cpuSeconds } = meter.read().relay;
  const after = await bulk.carried();
  const down = after.down - before.down;
  const up = after.up - before.up;
  const delay = metricsPort === undefined ? undefined : eventLoopDelay(await MetricsPage.of(metricsPort));
  await echo.client.control.closeCircuit(circuitId);
  return {
    relay: relay.nickname,
    position,
    messages: times.length,
    median: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    max: percentile(times, 1),
    downBytesPerSecond: down / seconds,
    upBytesPerSecond: up / seconds,
    relayCpuPerGigabyte: cpuPerGigabyte(cpuSeconds, down + up),
    delay,
  };
};

const eventLoopDelay = (page: MetricsPage): EventLoopDelay => {
  const at = (quantile: string): number => page.sum("allium_event_loop_delay_seconds", { quantile });
  return { median: at("0.5"), p99: at("0.99"), max: at("1") };
};

/** Bulk streams, until they are disposed. */
interface Bulk extends AsyncDisposable {
  /** Bytes that have arrived so far, in each direction. */
  readonly carried: () => Promise<Readonly<Record<"down" | "up", number>>>;
}

const startBulk = async (bench: BenchNetwork, relay: RelayUnderTest, position: Position): Promise<Bulk> => {
  const { client, dialer, origin, network } = bench;
  const path = fingerprints(pathThrough(network, relay, position));
  let down = 0;
  const circuits: Array<string> = [];
  for (let count = 0; count < 2 * CIRCUITS_EACH_WAY; count++) {
    circuits.push(await client.control.buildCircuit(path));
  }
  const streams = Array.from({ length: 2 * BULK_EACH_WAY }, async (_, index) => ({
    direction: index % 2 === 0 ? ("down" as const) : ("up" as const),
    // Each circuit has streams of one direction.
    socket: await dialer.connect({ circuitId: circuits[index % circuits.length]! }, origin.host, origin.port),
  }));
  let over = false;
  const sockets: Array<Socket> = [];
  const ends = (await Promise.all(streams)).map(({ direction, socket }) => {
    sockets.push(socket);
    const request = { mode: "transfer", [direction]: ENDLESS_BYTES, verify: false } as const;
    const count = (bytes: number): void => {
      if (direction === "down") down += bytes;
    };
    const end = transfer(socket, request, count).catch((error: unknown) => {
      if (!over) throw error;
    });
    // Whoever disposes hears of an end that came too early; until then it is not unhandled.
    end.catch(() => {});
    return end;
  });
  return {
    carried: async () => {
      // What this process has sent may still be in buffers on the way: what counts is what the origin has read.
      const bulk = (await origin.connections()).filter(({ mode, open }) => mode === "transfer" && open);
      return { down, up: bulk.reduce((sum, { bytesIn }) => sum + bytesIn, 0) };
    },
    [Symbol.asyncDispose]: async () => {
      over = true;
      for (const socket of sockets) socket.destroy();
      await Promise.all(ends);
      for (const circuitId of circuits) await client.control.closeCircuit(circuitId).catch(() => {});
    },
  };
};

/** The figures as a table in Markdown. */
export const formatLoadedLatency = (figures: ReadonlyArray<LoadedLatency>): string => {
  const millis = (seconds: number): string => (seconds * 1e3).toFixed(1);
  return formatTable(
    [
      "relay",
      "echoes",
      "ms p50",
      "p99",
      "max",
      "bulk down MB/s",
      "up MB/s",
      "CPU s/GB",
      "event loop late, ms p50",
      "p99",
      "max",
    ],
    figures.map((one) => [
      `${one.relay} as ${one.position}`,
      String(one.messages),
      millis(one.median),
      millis(one.p99),
      millis(one.max),
      (one.downBytesPerSecond / 1e6).toFixed(1),
      (one.upBytesPerSecond / 1e6).toFixed(1),
      one.relayCpuPerGigabyte.toFixed(1),
      ...(one.delay === undefined
        ? ["", "", ""]
        : [millis(one.delay.median), millis(one.delay.p99), millis(one.delay.max)]),
    ]),
  );
};
