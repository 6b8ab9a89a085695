import type { ChannelCircuit } from "@allium/channel";
import type { CircuitMemory } from "../circuit-memory.ts";
import type { CongestionView } from "../congestion/index.ts";
import type { CircuitStop } from "../errors.ts";
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
