import type { Begin, BeginDir, Connected, Resolve, Resolved } from "@allium/cell";
import type { ChannelCircuit, Connection } from "@allium/channel";
import type { Effect } from "effect";
import type { CircuitEnd } from "../circuit-core.ts";
import type { CircuitMemory } from "../circuit-memory.ts";
import type { LinkableCircuit } from "../conflux.ts";
import type { CongestionView } from "../congestion/index.ts";
import type { CircuitStop } from "../errors.ts";
import type { StreamPaths } from "../stream-path.ts";
import type { HopFailed, StreamFailure } from "./errors.ts";
import type { HopTarget, JoinedHop } from "./hop-handshake.ts";

/** A stream that is open. */
export interface OpenStream {
  /** The application's end. If the stream breaks, its failure is found behind the last byte that came. */
  readonly connection: Connection;
  readonly connected: Connected;
}

/** A handle on one circuit of a client. */
export interface ClientCircuit extends LinkableCircuit {
  readonly id: number;
  readonly name: string;
  /** Milliseconds of the clock. */
  readonly createdAt: number;
  readonly near: ChannelCircuit;
  /** The relays that it leads through, the first one first. */
  readonly path: ReadonlyArray<Pick<JoinedHop, "target" | "extensions">>;
  /** Its stream paths, to look at. */
  readonly paths: StreamPaths;
  /** Streams that are open or asked for, on all hops. */
  readonly streams: number;
  /** What has ended it, as soon as something has, even if its teardown still lasts. */
  readonly end: CircuitEnd | undefined;
  /** Waits until it has ended and is torn down. */
  readonly ended: Effect.Effect<CircuitEnd>;
  /** The congestion control of what goes to a hop, to look at. */
  congestion(hop: number): CongestionView | undefined;
  /**
   * Makes a relay the next hop. One at a time. If it fails, or is interrupted, the circuit is over: nobody knows then what is
   * behind its last hop.
   */
  extend(target: HopTarget): Effect.Effect<void, HopFailed>;
  /** Opens a stream at a hop, the last one if none is named. Interrupting gives it up. */
  open(message: Begin | BeginDir, hop?: number): Effect.Effect<OpenStream, StreamFailure>;
  /** Looks a name up at a hop, the last one if none is named. Interrupting gives it up. */
  resolve(message: Resolve, hop?: number): Effect.Effect<Resolved, StreamFailure>;
  /** What the circuit holds now. Walks over its streams. */
  memory(): CircuitMemory;
  /** Ends the circuit, and with it its streams. */
  stop(reason: CircuitStop): void;
}
