import { CELL_BODY_LEN } from "@allium/cell";
import type { ChannelCircuit } from "@allium/channel";
import type { GroupCause } from "@allium/kernel";
import type { CongestionView } from "../congestion/index.ts";
import type { CircuitError, CircuitStop } from "../errors.ts";
import type { FarSide } from "../far-side.ts";
import type { StreamPaths } from "../stream-path.ts";

/** A handle on one circuit of the relay. */
export interface RelayCircuit {
  readonly id: number;
  readonly name: string;
  /** Milliseconds of the clock. */
  readonly createdAt: number;
  readonly near: ChannelCircuit;
  readonly far: FarSide;
  /** The stream paths of the circuit, to look at. */
  readonly paths: StreamPaths;
  /** Whether streams have been opened on it. */
  hasStreams(): boolean;
  /** The congestion control of what this relay sends towards the client, to look at. */
  readonly congestion: CongestionView;
  /** What the circuit holds now. Walks over its streams. */
  memory(): CircuitMemory;
  /** Ends the circuit. */
  stop(reason: CircuitStop): void;
}

/** Why a circuit ended. */
export interface CircuitEnd {
  /** The first thing that happened; see `meaningOf` for what it means for others. */
  readonly cause: GroupCause<CircuitError, CircuitStop>;
}

/** Bytes that wait somewhere in a circuit's buffers. */
export interface CircuitMemory {
  /** In the queues at the channel readers. */
  readonly inboxes: number;
  /** In the queues at the channel writers. */
  readonly outboxes: number;
  /** For the applications of its streams, and from them. */
  readonly streams: number;
  readonly total: number;
}

/** The parts of a circuit in which bytes wait. */
type Buffers = Pick<RelayCircuit, "near" | "far" | "paths">;

/** What a circuit holds now. Walks over its streams. */
export const memoryOf = ({ near, far, paths }: Buffers): CircuitMemory => {
  const inboxes = near.inbox.bytes + (far.circuit?.inbox.bytes ?? 0);
  const outboxes = (near.outbox.cells + (far.circuit?.outbox.cells ?? 0)) * CELL_BODY_LEN;
  const streams = paths.get(0)?.heldBytes() ?? 0;
  return { inboxes, outboxes, streams, total: inboxes + outboxes + streams };
};

/** The place in line of the oldest bytes that wait in a circuit; `undefined` if none do. Walks over its streams. */
export const oldestOf = ({ near, far, paths }: Buffers): number | undefined => {
  let oldest: number | undefined;
  const see = (place: number | undefined): void => {
    if (place !== undefined && (oldest === undefined || place < oldest)) oldest = place;
  };
  for (const side of [near, far.circuit]) {
    see(side?.inbox.oldest());
    see(side?.outbox.oldest());
  }
  for (const path of paths.all) see(path?.oldest());
  return oldest;
};
