import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import type { Origin } from "./origin.ts";
import { formatRequest, type OriginRequest } from "./origin-protocol.ts";
import { CHUNK, transferData } from "./seeded-data.ts";
import { SocketEndedError, SocketReader, writeAll } from "./socket-reader.ts";
import { type SocksProxy, socksConnect } from "./socks.ts";
import { withTimeout } from "./wait.ts";

/** Which way the bytes of a transfer go; `both` moves the full size each way at once. */
export type Direction = "down" | "up" | "both";

/** Opens the connection for transfer number `index` to the origin. */
export type Dial = (index: number) => Promise<Socket>;

/** Dials the origin through a SOCKS port. */
export const dialOrigin =
  (proxy: SocksProxy, origin: Pick<Origin, "host" | "port">): Dial =>
  () =>
    socksConnect(proxy, origin.host, origin.port);

/** The bytes arrived, but not those that were sent. */
export class TransferMismatchError extends Error {
  readonly _tag = "TransferMismatchError";
}

/** What one transfer did. */
export interface TransferResult {
  readonly index: number;
  readonly size: number;
  readonly direction: Direction;
  /** From the dial to the last line of the origin. */
  readonly seconds: number;
  /** Payload moved in both directions together. */
  readonly bytes: number;
  /** Why it failed; undefined when both ends agree on every byte. */
  readonly error: unknown;
}

/** What to move. */
export interface TransferPlan {
  readonly dial: Dial;
  readonly count: number;
  /** @default 1 */
  readonly concurrency?: number;
  /** Taken in turn, in bytes. */
  readonly sizes: ReadonlyArray<number>;
  /** Taken in turn, once through for each size. @default ["down"] */
  readonly directions?: ReadonlyArray<Direction>;
  /** Transfer `i` uses `seed + 2 i` and the next. @default 1 */
  readonly seed?: number;
  /** SHA-256 at both ends; without it lengths alone are checked, and neither end spends CPU on the bytes. @default true */
  readonly verify?: boolean;
  /** For one transfer. @default 60_000 */
  readonly timeoutMs?: number;
  /** Called while bytes arrive or leave, at most once for each piece of 64 KiB. */
  readonly onBytes?: (bytes: number) => void;
  /** Called after each transfer. */
  readonly onResult?: (result: TransferResult) => void;
}

/** What all of them did. */
export interface TransferReport {
  readonly results: ReadonlyArray<TransferResult>;
  readonly failures: ReadonlyArray<TransferResult>;
  /** Payload of all that succeeded. */
  readonly bytes: number;
  readonly seconds: number;
  readonly bytesPerSecond: number;
}

/** Runs the plan to its end; a failed transfer is in the report and does not stop the others. */
export const runTransfers = async (plan: TransferPlan): Promise<TransferReport> => {
  const directions = plan.directions ?? ["down"];
  const results: Array<TransferResult> = [];
  const started = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < plan.count) {
      const index = next++;
      const size = plan.sizes[Math.floor(index / directions.length) % plan.sizes.length]!;
      const direction = directions[index % directions.length]!;
      const result = await transferOnce(plan, index, size, direction);
      results.push(result);
      plan.onResult?.(result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(plan.concurrency ?? 1, plan.count) }, worker));
  const seconds = (performance.now() - started) / 1000;
  const failures = results.filter((result) => result.error !== undefined);
  const bytes = results.reduce((sum, result) => sum + (result.error === undefined ? result.bytes : 0), 0);
  results.sort((left, right) => left.index - right.index);
  return { results, failures, bytes, seconds, bytesPerSecond: bytes / seconds };
};

/** One line for each failure, for assertion messages. */
export const describeFailures = (report: TransferReport): string =>
  report.failures
    .map(({ index, size, direction, error }) => `transfer ${index} (${size} B ${direction}): ${error}`)
    .join("\n");

const transferOnce = async (
  plan: TransferPlan,
  index: number,
  size: number,
  direction: Direction,
): Promise<TransferResult> => {
  const request: OriginRequest = {
    mode: "transfer",
    down: direction === "up" ? 0 : size,
    up: direction === "down" ? 0 : size,
    seed: (plan.seed ?? 1) + index * 2,
    verify: plan.verify ?? true,
  };
  const started = performance.now();
  let socket: Socket | undefined;
  let error: unknown;
  try {
    const work = async (): Promise<void> => {
      socket = await plan.dial(index);
      await transfer(socket, request, plan.onBytes);
    };
    await withTimeout(work(), plan.timeoutMs ?? 60_000, `transfer ${index}`);
  } catch (thrown) {
    error = thrown;
  } finally {
    socket?.destroy();
  }
  const seconds = (performance.now() - started) / 1000;
  return { index, size, direction, seconds, bytes: (request.down ?? 0) + (request.up ?? 0), error };
};

/**
 * One `transfer` or `slow` request on a connected socket, checked at both ends.
 *
 * @throws TransferMismatchError, SocketEndedError
 */
export const transfer = async (
  socket: Socket,
  request: OriginRequest,
  onBytes: (bytes: number) => void = () => {},
): Promise<void> => {
  const { down = 0, up = 0, seed = 1, verify = true } = request;
  const reader = new SocketReader(socket);
  const send = async (): Promise<string> => {
    const data = transferData(up, seed + 1, verify);
    for (let chunk = data.next(); chunk !== null; chunk = data.next()) {
      await writeAll(socket, chunk);
      onBytes(chunk.length);
    }
    return data.sha256();
  };
  const receive = async (): Promise<string> => {
    const hash = createHash("sha256");
    for (let left = down; left > 0; ) {
      const chunk = await reader.some(Math.min(left, CHUNK));
      if (chunk === null) throw new SocketEndedError(down - left, undefined);
      left -= chunk.length;
      if (verify) hash.update(chunk);
      onBytes(chunk.length);
    }
    return verify ? hash.digest("hex") : "-";
  };
  try {
    await writeAll(socket, formatRequest(request));
    const [sent, received] = await Promise.all([send(), receive()]);
    const [originSent, originReceived] = (await reader.line()).split(" ");
    if (originSent !== received) throw new TransferMismatchError(`${down} B down: other bytes came than were sent`);
    if (originReceived !== sent) throw new TransferMismatchError(`${up} B up: other bytes came than were sent`);
  } finally {
    reader.release();
  }
};
