import type { PaddingSource, RelayCellFormat } from "@allium/cell";
import type { MemoryAccount } from "@allium/kernel";
import type { Effect } from "effect";
import type { Micros } from "../congestion/index.ts";
import type { FlowParams, StreamRole } from "../flow/index.ts";
import type { StreamsFlow } from "../hop.ts";
import type { StreamOpener } from "./opener.ts";

/** What a stream table stands on. */
export interface StreamTableOptions {
  readonly hop: number;
  readonly flow: StreamsFlow;
  readonly flowParams: FlowParams;
  /** `exit` answers streams, `client` asks for them. */
  readonly role: StreamRole;
  readonly format: RelayCellFormat;
  readonly opener: StreamOpener;
  readonly maxTrain: number;
  readonly maxStreams: number;
  /** Bytes that may wait for one application before no more is delivered. */
  readonly streamBufferBytes: number;
  /** Bytes that may wait for all applications of the hop before no more is delivered. */
  readonly hopBufferBytes: number;
  /** Charged with what waits for the streams' connections, and from them. @default it is not counted */
  readonly memory?: MemoryAccount;
  /** The first ID that a client gives a stream. */
  readonly firstStreamId: number;
  /** Fills up cells that are not full. */
  readonly padding: PaddingSource;
  /** Draws an integer in [0, limit). */
  readonly below: (limit: number) => number;
  readonly now: () => Micros;
  /** Wakes the reactor that collects and settles. */
  readonly wake: () => void;
  /** Runs an effect with the circuit's fate; returns how to give it up. */
  readonly fork: (effect: Effect.Effect<void>) => () => void;
}
