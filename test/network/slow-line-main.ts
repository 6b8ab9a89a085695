/** The program of `SlowLine`: `node slow-line-main.ts LISTEN TARGET`, orders over Node's message channel. */
import { createConnection, createServer, type Socket } from "node:net";
import { BACKBONE, type LineBytes, type LineOrder, type LineSettings } from "./slow-line.ts";

const [listenPort = 0, targetPort = 0] = process.argv.slice(2).map(Number);

let settings: LineSettings = { delayMs: 0 };
let stalled = false;

/** What a router in front of the line holds before it makes senders wait, beyond what is on the line. */
const BUFFER_BYTES = 64 * 1024;

/** What is sent at once. What a socket has read is longer, and its first bytes do not wait for its last ones on a real line. */
const PACKET_BYTES = 4 * 1024;

/** One direction of the line, which all connections share. */
class Direction {
  carried = 0;
  private readonly waiting: Array<{ readonly at: number; readonly bytes: Buffer; readonly to: Socket }> = [];
  /** Senders that wait for the line. */
  private readonly paused = new Set<Socket>();
  private held = 0;
  private freeAt = 0;
  private timer: NodeJS.Timeout | undefined;

  push(from: Socket, to: Socket, bytes: Buffer): void {
    const { delayMs, bytesPerSecond = Number.POSITIVE_INFINITY } = settings;
    this.freeAt = Math.max(this.freeAt, performance.now());
    for (let at = 0; at < bytes.length; at += PACKET_BYTES) {
      const packet = bytes.subarray(at, at + PACKET_BYTES);
      this.freeAt += (1000 * packet.length) / bytesPerSecond;
      this.waiting.push({ at: this.freeAt + delayMs, bytes: packet, to });
    }
    this.held += bytes.length;
    if (this.held > this.limit) {
      from.pause();
      this.paused.add(from);
    }
    this.schedule();
  }

  /** Sends what has arrived, unless nothing gets through now. */
  run(): void {
    this.timer = undefined;
    const now = performance.now();
    while (!stalled && this.waiting[0] !== undefined && this.waiting[0].at <= now) {
      const { bytes, to } = this.waiting.shift()!;
      this.held -= bytes.length;
      this.carried += bytes.length;
      if (!to.destroyed) to.write(bytes);
    }
    if (this.held <= this.limit) {
      for (const from of this.paused) from.resume();
      this.paused.clear();
    }
    this.schedule();
  }

  schedule(): void {
    const [next] = this.waiting;
    if (stalled || next === undefined || this.timer !== undefined) return;
    this.timer = setTimeout(() => this.run(), Math.max(0, next.at - performance.now()));
  }

  /** What is on the line, and in the router's buffer. */
  private get limit(): number {
    const { delayMs, bytesPerSecond } = settings;
    return bytesPerSecond === undefined ? Number.POSITIVE_INFINITY : BUFFER_BYTES + (bytesPerSecond * delayMs) / 1000;
  }
}

const directions = [new Direction(), new Direction()] as const;
const connections = new Set<Socket>();

const join = (near: Socket, far: Socket): void => {
  const isSlow = near.remoteAddress !== BACKBONE;
  for (const [index, from, to] of [
    [0, near, far],
    [1, far, near],
  ] as const) {
    connections.add(from);
    from.setNoDelay(true);
    from.on("error", () => {});
    from.on("close", () => {
      connections.delete(from);
      to.destroy();
    });
    if (isSlow) from.on("data", (bytes: Buffer) => directions[index].push(from, to, bytes));
    else from.pipe(to);
  }
};

createServer((near) => join(near, createConnection({ host: "127.0.0.1", port: targetPort }))).listen(
  listenPort,
  "127.0.0.1",
  () =>
    process.on("message", (order: LineOrder) => {
      obey(order);
      process.send?.({ toRelay: directions[0].carried, fromRelay: directions[1].carried } satisfies LineBytes);
    }),
);

const obey = (order: LineOrder): void => {
  if ("settings" in order) settings = order.settings;
  if ("stalled" in order) {
    stalled = order.stalled;
    for (const direction of directions) direction.schedule();
  }
  if ("cut" in order) for (const socket of connections) socket.destroy();
};

process.on("disconnect", () => process.exit());
