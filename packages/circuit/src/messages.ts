import type { RelayMessage } from "@allium/cell";
import type { CircuitError } from "./errors.ts";

/** A run of plain cells of one hop that carry stream messages: what ingress hands to a stream path. */
export interface StreamTrain {
  /** The hop they came from; a relay has one, 0. */
  readonly hop: number;
  /** Plain payloads, 509 bytes each. The taker owns cells `from` to `to`. */
  readonly slab: Buffer;
  readonly from: number;
  readonly to: number;
}

/** A run of plain cells that streams have ready: what a stream path hands to egress, which seals and encrypts them. */
export interface StreamBatch {
  readonly hop: number;
  readonly slab: Buffer;
  readonly count: number;
  /** A message of the circuit that has to go right before them; there may be none of them. */
  readonly lead?: RelayMessage;
}

/** What crosses the link from ingress, and from whoever else may speak on a circuit, to egress. */
export type EgressCommand =
  /** A SENDME is due for the cell with this tag. */
  | { readonly _tag: "Acknowledge"; readonly hop: number; readonly tag: Buffer }
  /** The hop acknowledged cells of ours. */
  | { readonly _tag: "Acknowledged"; readonly hop: number; readonly version: number; readonly tag: Buffer | undefined }
  /** Something beside the reactors failed, and the circuit with it. */
  | { readonly _tag: "Fail"; readonly error: CircuitError }
  /** A message of the circuit itself goes to the hop. */
  | { readonly _tag: "Send"; readonly hop: number; readonly message: RelayMessage; readonly early?: boolean };
