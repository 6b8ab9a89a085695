import { fileURLToPath } from "node:url";
import { ManagedProcess } from "./managed-process.ts";

/** What a line is like, in each direction. */
export interface LineSettings {
  readonly delayMs: number;
  /** Of all connections together. @default as many as come */
  readonly bytesPerSecond?: number;
}

/** What the line's process is told. */
export type LineOrder =
  | { readonly settings: LineSettings }
  | { readonly stalled: boolean }
  | { readonly cut: true }
  | { readonly count: true };

/** Bytes that have come over a line so far; what relays send to each other, past it, is not among them. */
export interface LineBytes {
  readonly toRelay: number;
  readonly fromRelay: number;
}

/** Where relays of a network with lines connect from: they come through at full speed, so that no byte crosses a line twice. */
export const BACKBONE = "127.0.0.8";

/**
 * A line in front of a relay's OR port: a forwarder in a process of its own that delays and limits each direction, stalls and cuts.
 * The kernel's own tools need rights that a test does not have.
 */
export class SlowLine implements AsyncDisposable {
  private readonly child: ManagedProcess;

  private constructor(child: ManagedProcess) {
    this.child = child;
  }

  /** Listens on one port of loopback and leads to another. */
  static async start(listen: number, target: number, settings: LineSettings, logFile: string): Promise<SlowLine> {
    const child = await ManagedProcess.start({
      name: `line ${listen}`,
      command: process.execPath,
      args: [fileURLToPath(new URL("slow-line-main.ts", import.meta.url)), String(listen), String(target)],
      logFile,
      messages: true,
    });
    const line = new SlowLine(child);
    await child.whileRunning(line.set(settings));
    return line;
  }

  /** Makes it another line. What is on its way arrives as it would have. */
  async set(settings: LineSettings): Promise<void> {
    await this.order({ settings });
  }

  /** Lets nothing through until it is told otherwise. Connections stay open. */
  async stall(stalled: boolean): Promise<void> {
    await this.order({ stalled });
  }

  /** Of its process, which must not be what limits the line. */
  get pid(): number {
    return this.child.pid;
  }

  /** What it has carried so far. */
  async carried(): Promise<LineBytes> {
    return await this.child.ask<LineBytes>({ count: true } satisfies LineOrder);
  }

  /** Breaks all connections. New ones come through. */
  async cut(): Promise<void> {
    await this.order({ cut: true });
  }

  private async order(order: LineOrder): Promise<void> {
    await this.child.ask(order);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child.stop();
  }
}
