import { type CircuitSignals, type CreateRequest, DEFAULT_MAX_TRAIN, type InboxEnd } from "@allium/channel";
import { AttachedCircuit, type CircuitHost } from "../../../packages/channel/src/attached-circuit.ts";
import type { Line } from "./line.ts";
import type { World } from "./world.ts";

/** What stands for the channel at one end of a leg: the circuit on it is a real one. */
export class LegEnd implements CircuitHost {
  readonly channel = CHANNEL;
  readonly maxTrain = DEFAULT_MAX_TRAIN;
  readonly turns: CircuitHost["turns"];
  readonly outboxLimitCells: number;
  readonly circuit: AttachedCircuit;
  /** Until either end has destroyed the circuit, as far as this end knows. */
  isAttached = true;
  private readonly world: World;
  private readonly line: Line;

  /** @param line that cells leave on */
  constructor(world: World, line: Line, number: number, outboxCells: number, ours: boolean, signals: CircuitSignals) {
    this.world = world;
    this.line = line;
    this.turns = line.turns;
    this.outboxLimitCells = outboxCells;
    this.circuit = new AttachedCircuit(this, number + 1, ours, signals);
    line.from = this.circuit.outbox;
  }

  inboxLimitBytes(): number {
    return INBOX_BYTES;
  }

  readonly nanos = (): bigint => this.world.clock.monotonicTimeNanosUnsafe();

  detach(): boolean {
    const was = this.isAttached;
    this.isAttached = false;
    return was;
  }

  sendDestroy(_id: number, reason: number): void {
    this.line.destroy(reason);
  }

  /** A cell came. */
  push(command: number, bytes: Buffer, start: number): void {
    if (this.isAttached) this.circuit.inbox.push(command, bytes, start);
  }

  /** Nothing more comes. */
  end(end: InboxEnd): void {
    if (this.detach()) this.circuit.end(end);
  }

  // There is nothing on this channel but cells of the circuit.
  sendCell(): void {}
  noteRelay(): void {}
}

/** All that circuits ask of their channel: who is at its other end. */
export const CHANNEL = {
  remote: { host: "10.0.0.1", port: 9001 },
  peer: undefined,
} as unknown as CreateRequest["channel"];

/** As a channel's. */
const INBOX_BYTES = 50_000 * 509;
