import {
  CELL_BODY_LEN,
  type CellDecoder,
  CellError,
  ChannelCommand,
  type Create2,
  type CreateFast,
  DestroyReason,
  encodeChannelMessage,
  encodeFixedCell,
  readOpenMessage,
} from "@allium/cell";
import { type GroupClosed, Reactor, ReactorGroup, Signal } from "@allium/kernel";
import { Clock, Effect, type Scope } from "effect";
import { Entropy } from "./entropy.ts";
import { ChannelLimit, ChannelLost, ChannelProtocolError } from "./errors.ts";
import type { Established } from "./handshake.ts";
import { CircuitInbox } from "./inbox.ts";
import type { PeerIdentity } from "./link-identity.ts";
import { CELL_LEN, CircuitOutbox, TurnList } from "./outbox.ts";
import { ChannelPadding, type PaddingParams } from "./padding.ts";
import { DEFAULT_MAX_TRAIN, type Train } from "./train.ts";
import type { Connection, Endpoint } from "./transport.ts";
import { releaseWriteBuffer, takeWriteBuffer } from "./write-buffers.ts";

/** A circuit's end on one channel: what comes in, what goes out, and its end. */
export interface ChannelCircuit {
  readonly circId: number;
  readonly channel: Channel;
  readonly inbox: CircuitInbox;
  readonly outbox: CircuitOutbox;
  /** Queues a train; suspends while the outbox is full. False once the circuit is gone from the channel. */
  readonly send: (train: Train) => Effect.Effect<boolean>;
  /** Queues one fixed cell that is no relayed data, such as CREATED2. */
  readonly sendCell: (command: number, payload: Buffer) => void;
  /** Takes the circuit off the channel, drops what waits and tells the peer, unless it was the peer that ended it. */
  readonly destroy: (reason: number) => void;
}

/** A peer wants a circuit. Whoever accepts it calls `accept` at once, and either answers or destroys it. */
export interface CreateRequest {
  readonly channel: Channel;
  readonly circId: number;
  readonly message: Create2 | CreateFast;
  /** Puts the circuit on the channel; `signal` is woken by what comes in for it. */
  readonly accept: (signals: CircuitSignals) => ChannelCircuit;
  /** Answers with DESTROY. */
  readonly refuse: (reason: number) => void;
}

/** How a channel wakes the reactors of a circuit. */
export interface CircuitSignals {
  /** Something came in. */
  readonly inbound: Signal;
  /** The outbox has room again. */
  readonly room: Signal;
  /** The inbox ended; called once, from the channel's reader. It must not block. */
  readonly onEnd?: () => void;
}

/** Bounds and tunables of a channel. */
export interface ChannelConfig {
  /** Most cells in one train. @default 32 */
  readonly maxTrain?: number;
  /** Bytes that may wait in one circuit's inbox (`circ_max_cell_queue_size` cells). @default 50000 cells */
  readonly inboxLimitBytes?: () => number;
  /** Cells that may wait in one circuit's outbox before its writer waits. @default 128 */
  readonly outboxLimitCells?: number;
  /** Cells that one circuit may send before the next one's turn. @default 16 */
  readonly quantumCells?: number;
  readonly padding: () => PaddingParams;
  /** A channel without circuits is closed after this time, in milliseconds. */
  readonly idleTimeoutMillis: () => number;
}

/** What a channel has counted. */
export interface ChannelCounters {
  cellsIn: number;
  cellsOut: number;
  bytesIn: number;
  bytesOut: number;
  paddingIn: number;
  paddingOut: number;
  /** Cells for circuits that are not there (any more). */
  strayCells: number;
}

/** Why a channel ended, as a value that its group is stopped with. */
export type ChannelEnd = ChannelLost | ChannelProtocolError | "idle" | "shutdown";

/**
 * One open channel: a TLS connection between two relays, or a client and a relay (tor-spec, "Circuit management"). Its
 * reactors read, write and keep time; circuits attach to it with an inbox and an outbox.
 */
export class Channel {
  readonly id: number;
  /** Who the other side proved to be; `undefined` for a client. */
  readonly peer: PeerIdentity | undefined;
  readonly remote: Endpoint;
  readonly linkProtocol: number;
  readonly established: Established;
  /** Whether this side opened the connection. */
  readonly initiated: boolean;
  readonly counters: ChannelCounters = {
    cellsIn: 0,
    cellsOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    paddingIn: 0,
    paddingOut: 0,
    strayCells: 0,
  };
  /** Milliseconds of the clock when the channel was opened. */
  readonly openedAt: number;
  closed = false;

  private readonly connection: Connection;
  private readonly decoder: CellDecoder;
  private readonly config: ChannelConfig;
  private readonly maxTrain: number;
  private readonly entropy: Entropy["Service"];
  private readonly clock: Clock.Clock;
  private readonly onCreate: (request: CreateRequest) => void;
  private readonly circuits = new Map<number, Attached>();
  private readonly readable = Signal.make();
  private readonly writable = Signal.make();
  private readonly turns: TurnList;
  private readonly padding: ChannelPadding;
  private urgent: Array<Buffer> = [];
  private lastTransfer: number;
  private idleSince: number;
  private used = false;
  private group: ReactorGroup<ChannelLost | ChannelProtocolError | GroupClosed, ChannelEnd> | undefined;

  constructor(
    options: ChannelOptions,
    services: { readonly entropy: Entropy["Service"]; readonly clock: Clock.Clock },
  ) {
    this.id = options.id;
    this.peer = options.established.peer;
    this.remote = options.connection.remote;
    this.linkProtocol = options.established.linkProtocol;
    this.established = options.established;
    this.initiated = options.initiated;
    this.connection = options.connection;
    this.decoder = options.decoder;
    this.config = options.config;
    this.maxTrain = options.config.maxTrain ?? DEFAULT_MAX_TRAIN;
    this.onCreate = options.onCreate;
    this.entropy = services.entropy;
    this.clock = services.clock;
    this.openedAt = this.clock.currentTimeMillisUnsafe();
    this.lastTransfer = this.openedAt;
    this.idleSince = this.openedAt;
    this.turns = new TurnList({
      quantum: options.config.quantumCells ?? DEFAULT_QUANTUM_CELLS,
      onActive: () => this.writable.notify(),
    });
    this.padding = new ChannelPadding({
      linkProtocol: this.linkProtocol,
      toClient: this.peer === undefined && !this.initiated,
      params: options.config.padding,
      below: this.entropy.below,
    });
  }

  /** How many circuits are on the channel. */
  get circuitCount(): number {
    return this.circuits.size;
  }

  /** Whether cells wait to be written: congestion control takes it for a sign of a full queue. */
  get blocked(): boolean {
    return this.connection.pending > 0 && this.turns.active;
  }

  /** Puts a new circuit of ours on the channel, with an unused ID of our half (tor-spec, "Choosing circuit IDs"). */
  openCircuit(signals: CircuitSignals): Effect.Effect<ChannelCircuit, ChannelLimit | ChannelLost> {
    return Effect.suspend((): Effect.Effect<ChannelCircuit, ChannelLimit | ChannelLost> => {
      if (this.closed) return Effect.fail(new ChannelLost({ cause: undefined }));
      for (let attempt = 0; attempt < CIRCUIT_ID_ATTEMPTS; attempt++) {
        const drawn = this.entropy.below(CIRCUIT_ID_HALF);
        const circId = this.initiated ? drawn + CIRCUIT_ID_HALF : drawn;
        if (drawn !== 0 && !this.circuits.has(circId)) return Effect.succeed(this.attach(circId, signals));
      }
      return Effect.fail(new ChannelLimit({ limit: "circuitIds" }));
    });
  }

  /** Closes the channel and all of its circuits' ends. */
  close(reason: ChannelEnd): void {
    this.group?.stopUnsafe(reason);
  }

  /** The channel's reactors, for as long as it is open. Returns why it ended. */
  run(): Effect.Effect<ChannelEnd, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const group = yield* ReactorGroup.make<ChannelLost | ChannelProtocolError | GroupClosed, ChannelEnd>({
        name: `channel ${this.id}`,
      });
      this.group = group;
      this.connection.onChange(() => {
        this.readable.notify();
        this.writable.notify();
      });
      yield* Effect.addFinalizer(() => Effect.sync(() => this.release()));
      const reactors = {
        reader: Reactor.make({ name: "reader", reads: {}, writes: {}, run: () => this.read }).wire({}),
        writer: Reactor.make({ name: "writer", reads: {}, writes: {}, run: () => this.write }).wire({}),
        keeper: Reactor.make({ name: "keeper", reads: {}, writes: {}, run: () => this.keepTime }).wire({}),
      };
      yield* Effect.ignore(
        Effect.all([group.start(reactors.reader), group.start(reactors.writer), group.start(reactors.keeper)]),
      );
      const end = yield* group.ended;
      this.release();
      return endOf(end.cause);
    });
  }

  private release(): void {
    if (this.closed) return;
    this.closed = true;
    this.connection.destroy();
    for (const circuit of this.circuits.values()) circuit.channelClosed();
    this.circuits.clear();
  }

  // --- reading -----------------------------------------------------------------------------------------------------

  private readonly read: Effect.Effect<never, ChannelLost | ChannelProtocolError> = Effect.gen(
    { self: this },
    function* () {
      // The handshake may have left cells behind.
      yield* this.dispatch();
      let burst = 0;
      for (;;) {
        const chunk = this.connection.read();
        if (chunk !== undefined) {
          // A socket that is always full must not keep the circuits, and the other channels, from their turn.
          burst += chunk.length;
          if (burst >= READ_BURST_BYTES) {
            burst = 0;
            yield* Effect.yieldNow;
          }
          this.counters.bytesIn += chunk.length;
          this.lastTransfer = this.clock.currentTimeMillisUnsafe();
          this.decoder.push(chunk);
          yield* this.dispatch();
        } else if (this.connection.status !== "open") {
          return yield* new ChannelLost({ cause: this.connection.failure });
        } else {
          burst = 0;
          yield* this.readable.wait;
        }
      }
    },
  );

  /** Hands every whole cell of the decoder to where it belongs. */
  private dispatch(): Effect.Effect<void, ChannelProtocolError> {
    try {
      const { decoder, circuits, counters } = this;
      while (decoder.next()) {
        counters.cellsIn++;
        const command = decoder.command;
        if (command === ChannelCommand.RELAY || command === ChannelCommand.RELAY_EARLY) {
          const circuit = circuits.get(decoder.circId);
          if (circuit === undefined) counters.strayCells++;
          else circuit.inbox.push(command, decoder.bytes, decoder.start);
        } else {
          this.onMessage();
        }
      }
      this.used ||= counters.cellsIn > 0 && this.circuits.size > 0;
      return Effect.void;
    } catch (cause) {
      if (!(cause instanceof CellError)) throw cause;
      return Effect.fail(new ChannelProtocolError({ where: cause.subject, detail: cause.message }));
    }
  }

  private onMessage(): void {
    const { decoder } = this;
    const { circId } = decoder;
    const message = readOpenMessage(decoder);
    switch (message._tag) {
      case "CREATE2":
      case "CREATE_FAST":
        this.onCreateMessage(circId, message);
        break;
      case "CREATE":
        // TAP is gone; a peer that still asks for it is told at once.
        if (!this.circuits.has(circId)) this.sendDestroy(circId, DestroyReason.PROTOCOL);
        break;
      case "CREATED2":
      case "CREATED_FAST":
      case "CREATED": {
        const payload = Buffer.from(decoder.bytes.subarray(decoder.start, decoder.end));
        this.circuits.get(circId)?.inbox.pushControl({ command: decoder.command, payload });
        break;
      }
      case "DESTROY": {
        const circuit = this.circuits.get(circId);
        if (circuit === undefined) break;
        this.detach(circuit);
        circuit.end({ _tag: "Destroyed", reason: message.reason });
        break;
      }
      case "PADDING_NEGOTIATE":
        // Only a client may ask a relay for it (padding-spec 2.2).
        if (this.peer === undefined && !this.initiated) this.padding.onNegotiate(message);
        break;
      case "PADDING":
      case "VPADDING":
        this.counters.paddingIn++;
        break;
      default:
        // NETINFO and VERSIONS again, AUTHORIZE, and commands that nobody knows: dropped.
        break;
    }
  }

  private onCreateMessage(circId: number, message: Create2 | CreateFast): void {
    // A CREATE for an ID in use is dropped, as `tor` does: to answer would end the circuit that has it.
    if (this.circuits.has(circId)) return;
    const theirs = circId >= CIRCUIT_ID_HALF !== this.initiated;
    if (!theirs) {
      this.sendDestroy(circId, DestroyReason.PROTOCOL);
      return;
    }
    this.onCreate({
      channel: this,
      circId,
      message,
      accept: (signals) => this.attach(circId, signals),
      refuse: (reason) => this.sendDestroy(circId, reason),
    });
  }

  // --- circuits ----------------------------------------------------------------------------------------------------

  private attach(circId: number, signals: CircuitSignals): Attached {
    const circuit = new Attached(this, circId, signals, this.turns, {
      maxTrain: this.maxTrain,
      inboxLimitBytes: this.config.inboxLimitBytes?.() ?? DEFAULT_INBOX_LIMIT_CELLS * CELL_BODY_LEN,
      outboxLimitCells: this.config.outboxLimitCells ?? DEFAULT_OUTBOX_LIMIT_CELLS,
    });
    this.circuits.set(circId, circuit);
    return circuit;
  }

  /** @internal */
  destroyCircuit(circuit: Attached, reason: number): void {
    if (!this.detach(circuit)) return;
    this.sendDestroy(circuit.circId, reason);
  }

  private detach(circuit: Attached): boolean {
    if (this.circuits.get(circuit.circId) !== circuit) return false;
    this.circuits.delete(circuit.circId);
    if (this.circuits.size === 0) this.idleSince = this.clock.currentTimeMillisUnsafe();
    circuit.outbox.closed = true;
    circuit.outbox.clear();
    return true;
  }

  private sendDestroy(circId: number, reason: number): void {
    this.sendUrgent(encodeChannelMessage(circId, { _tag: "DESTROY", reason }));
  }

  /** @internal Queues a whole cell before all circuits' cells. */
  sendUrgent(cell: Buffer): void {
    if (this.closed) return;
    this.urgent.push(cell);
    this.writable.notify();
  }

  // --- writing -----------------------------------------------------------------------------------------------------

  private readonly write: Effect.Effect<never> = Effect.gen({ self: this }, function* () {
    const { connection } = this;
    let held: Buffer | undefined;
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        if (held !== undefined && connection.pending === 0) releaseWriteBuffer(held);
      }),
    );
    for (;;) {
      if (connection.pending === 0) {
        if (held !== undefined && !this.turns.active && this.urgent.length === 0) {
          releaseWriteBuffer(held);
          held = undefined;
        }
        if (this.turns.active || this.urgent.length > 0) {
          held ??= takeWriteBuffer();
          const end = this.turns.compose(held, this.composeUrgent(held));
          this.counters.cellsOut += Math.floor(end / CELL_LEN);
          this.counters.bytesOut += end;
          this.lastTransfer = this.clock.currentTimeMillisUnsafe();
          this.padding.onTransfer();
          connection.write(held.subarray(0, end));
          continue;
        }
      }
      yield* this.writable.wait;
    }
  }).pipe(Effect.scoped);

  private composeUrgent(out: Buffer): number {
    let end = 0;
    let taken = 0;
    for (const cell of this.urgent) {
      if (end + cell.length > out.length) break;
      end += cell.copy(out, end);
      taken++;
    }
    if (taken === this.urgent.length) this.urgent = [];
    else this.urgent.splice(0, taken);
    return end;
  }

  // --- time --------------------------------------------------------------------------------------------------------

  private readonly keepTime: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    for (;;) {
      const now = yield* Clock.currentTimeMillis;
      const idleAt = this.circuits.size === 0 ? this.idleSince + this.config.idleTimeoutMillis() : undefined;
      if (idleAt !== undefined && now >= idleAt) {
        this.close("idle");
        return yield* Effect.never;
      }
      const padAt = this.turns.active ? undefined : this.padding.deadline(this.lastTransfer, this.used);
      if (padAt !== undefined && now >= padAt) {
        this.counters.paddingOut++;
        this.padding.onTransfer();
        this.lastTransfer = now;
        this.sendUrgent(encodeFixedCell(0, ChannelCommand.PADDING, EMPTY));
      }
      const next = Math.min(
        idleAt ?? Number.POSITIVE_INFINITY,
        padAt ?? Number.POSITIVE_INFINITY,
        now + KEEPER_PERIOD_MILLIS,
      );
      yield* Effect.sleep(Math.max(1, next - now));
    }
  });
}

/** What a channel is made of. */
export interface ChannelOptions {
  readonly id: number;
  readonly connection: Connection;
  /** The decoder that the handshake has read with. */
  readonly decoder: CellDecoder;
  readonly established: Established;
  readonly initiated: boolean;
  readonly config: ChannelConfig;
  readonly onCreate: (request: CreateRequest) => void;
}

/** A channel over a connection whose handshake is over. Nothing is read before `run`. */
export const makeChannel = (options: ChannelOptions): Effect.Effect<Channel, never, Entropy> =>
  Effect.gen(function* () {
    const entropy = yield* Entropy;
    const clock = yield* Clock.Clock;
    return new Channel(options, { entropy, clock });
  });

/** A circuit's end on a channel. */
class Attached implements ChannelCircuit {
  readonly circId: number;
  readonly channel: Channel;
  readonly inbox: CircuitInbox;
  readonly outbox: CircuitOutbox;
  private readonly onEnd: (() => void) | undefined;

  constructor(
    channel: Channel,
    circId: number,
    signals: CircuitSignals,
    turns: TurnList,
    bounds: { readonly maxTrain: number; readonly inboxLimitBytes: number; readonly outboxLimitCells: number },
  ) {
    this.channel = channel;
    this.circId = circId;
    this.onEnd = signals.onEnd;
    this.inbox = new CircuitInbox({
      signal: signals.inbound,
      limitBytes: bounds.inboxLimitBytes,
      maxTrain: bounds.maxTrain,
    });
    this.outbox = new CircuitOutbox({ circId, turns, limitCells: bounds.outboxLimitCells, room: signals.room });
  }

  send(train: Train): Effect.Effect<boolean> {
    if (this.outbox.hasRoom || this.outbox.closed) return Effect.succeed(this.outbox.push(train));
    return Effect.suspend(() => this.waitForRoom(train));
  }

  private waitForRoom(train: Train): Effect.Effect<boolean> {
    return Effect.flatMap(this.outbox.room.wait, () => this.send(train));
  }

  sendCell(command: number, payload: Buffer): void {
    if (!this.outbox.closed) this.channel.sendUrgent(encodeFixedCell(this.circId, command, payload));
  }

  destroy(reason: number): void {
    this.inbox.clear();
    this.channel.destroyCircuit(this, reason);
  }

  end(end: Parameters<CircuitInbox["close"]>[0]): void {
    this.inbox.close(end);
    this.outbox.room.notify();
    this.onEnd?.();
  }

  channelClosed(): void {
    this.outbox.closed = true;
    this.outbox.clear();
    this.end({ _tag: "ChannelClosed" });
  }
}

const endOf = (cause: { readonly _tag: string; readonly reason?: ChannelEnd; readonly exit?: unknown }): ChannelEnd => {
  if (cause._tag === "Stopped" && cause.reason !== undefined) return cause.reason;
  if (cause._tag !== "ReactorEnded") return "shutdown";
  const exit = cause.exit as { readonly cause?: { readonly reasons?: ReadonlyArray<{ readonly error?: unknown }> } };
  const error = exit.cause?.reasons?.[0]?.error;
  return error instanceof ChannelProtocolError || error instanceof ChannelLost
    ? error
    : new ChannelLost({ cause: exit.cause });
};

const EMPTY = Buffer.alloc(0);

/** Circuit IDs with the highest bit set belong to the side that opened the connection, the others to the other. */
const CIRCUIT_ID_HALF = 0x8000_0000;

/** Draws of a circuit ID before a channel is taken for full, as in `tor`. */
const CIRCUIT_ID_ATTEMPTS = 64;

/** `circ_max_cell_queue_size`. */
const DEFAULT_INBOX_LIMIT_CELLS = 50_000;

const DEFAULT_OUTBOX_LIMIT_CELLS = 128;

const DEFAULT_QUANTUM_CELLS = 16;

/** Bytes that a channel reads before others have their turn. */
const READ_BURST_BYTES = 64 * 1024;

/** The channel's timekeeper looks again at least this often: parameters may have changed, a channel may have become idle. */
const KEEPER_PERIOD_MILLIS = 10_000;
