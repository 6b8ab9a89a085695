import type { Create2, CreateFast } from "@allium/cell";
import type { MemoryAccount, Signal } from "@allium/kernel";
import type { Effect } from "effect";
import type { Channel } from "./channel.ts";
import type { ChannelDefect, ChannelLost, ChannelProtocolError } from "./errors.ts";
import type { CircuitInbox } from "./inbox.ts";
import type { CircuitOutbox } from "./outbox.ts";
import type { PaddingParams } from "./padding.ts";
import type { Train } from "./train.ts";

/** A circuit's end on one channel: what comes in, what goes out, and its end. */
export interface ChannelCircuit {
  readonly circId: number;
  readonly channel: Channel;
  readonly inbox: CircuitInbox;
  readonly outbox: CircuitOutbox;
  /**
   * Queues a train; suspends while the outbox is full. False once the circuit is gone from the channel, also if that happens
   * while it waits. To be run once: the train may be queued before the effect runs.
   */
  readonly send: (train: Train) => Effect.Effect<boolean>;
  /**
   * Queues a train if that is possible without waiting; else `false`, and nothing has happened: then `send` waits. A train for
   * a circuit that is gone is dropped, which counts as possible. For hot paths.
   */
  readonly sendUnsafe: (train: Train) => boolean;
  /** Queues one fixed cell that is no relayed data, such as CREATED2, before all that waits in outboxes. */
  readonly sendCell: (command: number, payload: Buffer) => void;
  /** Takes the circuit off the channel, drops what waits and tells the peer, unless it was the peer that ended it. */
  readonly destroy: (reason: number) => void;
}

/** A peer wants a circuit. Whoever accepts it calls `accept` at once, and either answers or destroys it. */
export interface CreateRequest {
  readonly channel: Channel;
  readonly circId: number;
  readonly message: Create2 | CreateFast;
  /**
   * Puts the circuit on the channel; `signals` are woken by what comes in for it. If the channel has closed meanwhile, the
   * circuit has ended already.
   */
  readonly accept: (signals: CircuitSignals) => ChannelCircuit;
  /** Answers with DESTROY. */
  readonly refuse: (reason: number) => void;
}

/** How a channel wakes the reactors of a circuit. */
export interface CircuitSignals {
  /** Something came in. */
  readonly inbound: Signal;
  /**
   * The inbox ended: by DESTROY, by overrun, or with the channel; not by the circuit's own `destroy`. Called once, from the
   * channel. It must not block.
   */
  onEnd?(): void;
  /** Charged with what waits in the circuit's inbox and outbox. @default they are not counted */
  readonly memory?: MemoryAccount;
}

/** Bounds and tunables of a channel. */
export interface ChannelConfig {
  /** Most cells in one train. @default 32 */
  readonly maxTrain?: number;
  /**
   * Bytes that may wait in one circuit's inbox: of a circuit that is `ours`, from the exit's side (`circ_max_cell_queue_size`
   * cells), else from the client's (`circ_max_cell_queue_size_out`). @default 50000 cells
   */
  readonly inboxLimitBytes?: (ours: boolean) => number;
  /** Circuits of one channel; the peer's further CREATEs are refused with RESOURCELIMIT. @default 32768 */
  readonly maxCircuits?: number;
  /** Cells that may wait in one circuit's outbox before its writer waits. @default 128 */
  readonly outboxLimitCells?: number;
  /** Cells that one circuit may send before the next one's turn. @default 16 */
  readonly quantumCells?: number;
  /** Asked each time, since a consensus may change them. */
  readonly padding: () => PaddingParams;
  /** A channel without circuits is closed after this time, in milliseconds (`nf_conntimeout_relays`). */
  readonly idleTimeoutMillis: () => number;
}

/** Why a channel ended, as a value that its group is stopped with. */
export type ChannelEnd = ChannelLost | ChannelProtocolError | ChannelDefect | "idle" | "stuck" | "memory" | "shutdown";
