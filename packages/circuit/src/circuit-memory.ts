import { CELL_BODY_LEN } from "@allium/cell";
import type { ChannelCircuit } from "@allium/channel";
import type { FarSide } from "./far-side.ts";
import type { StreamPaths } from "./stream-path.ts";

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
interface Buffers {
  readonly near: ChannelCircuit;
  /** A client's circuit has none. */
  readonly far: FarSide | undefined;
  readonly paths: StreamPaths;
}

/** What a circuit holds now. Walks over its streams. */
export const memoryOf = ({ near, far, paths }: Buffers): CircuitMemory => {
  const next = far?.circuit;
  const inboxes = near.inbox.bytes + (next?.inbox.bytes ?? 0);
  const outboxes = (near.outbox.cells + (next?.outbox.cells ?? 0)) * CELL_BODY_LEN;
  let streams = 0;
  for (const path of paths.all) streams += path?.heldBytes() ?? 0;
  return { inboxes, outboxes, streams, total: inboxes + outboxes + streams };
};

/** The place in line of the oldest bytes that wait in a circuit; `undefined` if none do. Walks over its streams. */
export const oldestOf = ({ near, far, paths }: Buffers): number | undefined => {
  let oldest: number | undefined;
  const see = (place: number | undefined): void => {
    if (place !== undefined && (oldest === undefined || place < oldest)) oldest = place;
  };
  for (const side of [near, far?.circuit]) {
    see(side?.inbox.oldest());
    see(side?.outbox.oldest());
  }
  for (const path of paths.all) see(path?.oldest());
  return oldest;
};
