import type { Socket } from "node:net";
import { formatRequest, SocketReader, writeAll } from "../network/index.ts";
import { type BenchNetwork, fingerprints, type Position, pathThrough, type RelayUnderTest } from "./support.ts";

/** One message: a little more than one relay cell holds. */
const MESSAGE = Buffer.alloc(500, 0x61);

/** Latency of a small message there and back. */
export interface LatencyResult {
  /** In seconds, of all rounds. */
  readonly median: number;
  readonly p95: number;
}

/** Sends `rounds` messages of 500 B one after another to the origin's echo, over a circuit through the relay under test. */
export const measureLatency = async (
  bench: BenchNetwork,
  relay: RelayUnderTest,
  position: Position,
  rounds = 200,
): Promise<LatencyResult> => {
  const path = pathThrough(bench.network, relay, position);
  const circuitId = await bench.client.control.buildCircuit(fingerprints(path));
  const socket = await bench.dialer.connect({ circuitId }, bench.origin.host, bench.origin.port);
  try {
    const times = await echoRounds(socket, (round) => round < rounds);
    return { median: percentile(times, 0.5), p95: percentile(times, 0.95) };
  } finally {
    socket.destroy();
    await bench.client.control.closeCircuit(circuitId).catch(() => {});
  }
};

/** The value that so great a part of the values is below. */
export const percentile = (values: ReadonlyArray<number>, part: number): number => {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
};

/**
 * Sends one message after another on a fresh connection to the origin, as long as `more` says so. Gives the seconds from each
 * one's first byte out to its last byte back.
 */
export const echoRounds = async (socket: Socket, more: (round: number) => boolean): Promise<Array<number>> => {
  const reader = new SocketReader(socket);
  await writeAll(socket, formatRequest({ mode: "echo" }));
  const times: Array<number> = [];
  for (let round = 0; more(round); round++) {
    const started = performance.now();
    await writeAll(socket, MESSAGE);
    await reader.exactly(MESSAGE.length);
    times.push((performance.now() - started) / 1000);
  }
  reader.release();
  return times;
};
