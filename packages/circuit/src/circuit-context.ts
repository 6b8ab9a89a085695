import type { Entropy } from "@allium/channel";
import type { MemoryAccount, MemoryKind, ReactorGroup } from "@allium/kernel";
import type { Clock } from "effect";
import type { CircuitError, CircuitStop } from "./errors.ts";
import type { StreamOpener } from "./streams/opener.ts";

/** What every part of a circuit is given: the group whose fate it shares, and the outside world as services. */
export interface CircuitContext {
  /** For logs and the topology: `circuit 17`. */
  readonly name: string;
  readonly group: ReactorGroup<CircuitError, CircuitStop>;
  readonly clock: Clock.Clock;
  readonly entropy: Entropy["Service"];
  /** Opens what incoming streams ask for. */
  readonly opener: StreamOpener;
  readonly limits: CircuitLimits;
  /** The circuit's account of memory: all of its buffers charge it. */
  readonly memory: MemoryAccount;
}

/** Bounds of one circuit. Each buffer has an owner and a policy: see docs/buffers.md. */
export interface CircuitLimits {
  /** Most cells in one train. @default 32 */
  readonly maxTrain: number;
  /** Streams open at once on one hop; more get END with RESOURCELIMIT. @default 4096 */
  readonly maxStreams: number;
  /** Bytes that may wait in one stream's application buffer before the circuit's input is no longer read. @default 2 MiB */
  readonly streamBufferBytes: number;
  /** Bytes that may wait in all application buffers of a hop before the circuit's input is no longer read. @default 16 MiB */
  readonly hopBufferBytes: number;
}

/** What circuits charge: bytes that wait for their channels, for applications, and from them. */
export const CIRCUITS: MemoryKind = { name: "circuits", policy: "queue" };

export const DEFAULT_CIRCUIT_LIMITS: CircuitLimits = {
  maxTrain: 32,
  maxStreams: 4_096,
  streamBufferBytes: 2 * 1024 * 1024,
  hopBufferBytes: 16 * 1024 * 1024,
};
