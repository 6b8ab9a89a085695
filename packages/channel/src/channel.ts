import {
  CELL_BODY_LEN,
  type CellDecoder,
  ChannelCommand,
  type Create2,
  type CreateFast,
  DestroyReason,
  encodeChannelMessage,
  encodeFixedCell,
  type PaddingNegotiate,
} from "@allium/cell";
import {
  type GroupCause,
  Memory,
  type MemoryAccount,
  type MemoryKind,
  type MemoryQuota,
  Reactor,
  ReactorGroup,
  Signal,
} from "@allium/kernel";
import { Cause, Clock, Effect, Exit, type Scope } from "effect";
import { AttachedCircuit, type CircuitHost } from "./attached-circuit.ts";
import { ChannelActivity, type ChannelCounters } from "./channel-activity.ts";
import type { ChannelCircuit, ChannelConfig, ChannelEnd, CircuitSignals, CreateRequest } from "./channel-contract.ts";
import { ChannelReader } from "./channel-reader.ts";
import { type ChannelState, ChannelTimers } from "./channel-timers.ts";
import { KEEPER, READER, Registry, registryWithCircuits, WRITER } from "./channel-topology.ts";
import { ChannelWriter } from "./channel-writer.ts";
import { CircuitMap, isInitiatorsHalf } from "./circuit-map.ts";
import { Entropy } from "./entropy.ts";
import { ChannelDefect, ChannelLimit, ChannelLost, ChannelProtocolError } from "./errors.ts";
import type { Established } from "./handshake.ts";
import type { PeerIdentity } from "./link-identity.ts";
import { ChannelPadding, type PaddingMode } from "./padding.ts";
import { DEFAULT_MAX_TRAIN } from "./train.ts";
import type { Connection, Endpoint } from "./transport.ts";

/** What a channel is made of. */
export interface ChannelOptions {
  readonly id: number;
  readonly connection: Connection;
  /** The decoder that the handshake has read with. */
  readonly decoder: CellDecoder;
  readonly established: Established;
  /** Whether this side opened the connection. */
  readonly initiated: boolean;
  /** Whether this side proved no identity: it is a client. @default false */
  readonly anonymous?: boolean;
  readonly config: ChannelConfig;
  /** A peer wants a circuit. It must not block. */
  readonly onCreate: (request: CreateRequest) => void;
}

/** A channel over a connection whose handshake is over. Nothing is read before `run`. */
export const makeChannel = (options: ChannelOptions): Effect.Effect<Channel, never, Entropy> =>
  Effect.gen(function* () {
    return new Channel(options, { entropy: yield* Entropy, clock: yield* Clock.Clock, quota: yield* Memory.Quota });
  });

/** What a channel's reactors fail with. */
type ChannelError = ChannelLost | ChannelProtocolError;

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
  /** Milliseconds of the clock when the channel was opened. */
  readonly openedAt: number;

  private isClosed = false;
  private readonly options: ChannelOptions;
  private readonly entropy: Entropy["Service"];
  private readonly clock: Clock.Clock;
  private readonly circuits = new CircuitMap();
  private readonly activity: ChannelActivity;
  private readonly padding: ChannelPadding;
  private readonly timers: ChannelTimers;
  /** Wakes the keeper when a deadline may have come nearer. */
  private readonly deadlinesChanged = Signal.make();
  private readonly memory: MemoryAccount;
  private readonly writer: ChannelWriter;
  private readonly reader: ChannelReader;
  private readonly host: CircuitHost;
  /** The reason of the first `close`. */
  private closedWith: ChannelEnd | undefined;
  private group: ReactorGroup<ChannelError, ChannelEnd> | undefined;

  constructor(
    options: ChannelOptions,
    services: { readonly entropy: Entropy["Service"]; readonly clock: Clock.Clock; readonly quota: MemoryQuota },
  ) {
    const { connection, established, config } = options;
    const { clock, entropy, quota } = services;
    this.options = options;
    this.entropy = entropy;
    this.clock = clock;
    this.id = options.id;
    this.peer = established.peer;
    this.remote = connection.remote;
    this.linkProtocol = established.linkProtocol;
    this.established = established;
    this.initiated = options.initiated;
    this.openedAt = clock.currentTimeMillisUnsafe();
    this.activity = new ChannelActivity(this.openedAt, () => this.deadlinesChanged.notify());
    this.padding = new ChannelPadding({
      linkProtocol: this.linkProtocol,
      withClient: options.anonymous === true || this.peer === undefined,
      params: config.padding,
      below: entropy.below,
    });
    this.timers = new ChannelTimers({
      idleTimeoutMillis: config.idleTimeoutMillis,
      paddingDeadline: (lastTransfer, usage) => this.padding.deadline(lastTransfer, usage),
    });
    this.memory = quota.open(CHANNELS, {
      oldest: () => this.writer.oldest(),
      reclaim: () => {
        this.close("memory");
        this.memory.close();
      },
    });
    this.writer = new ChannelWriter({
      connection,
      activity: this.activity,
      clock,
      quantumCells: config.quantumCells ?? DEFAULT_QUANTUM_CELLS,
      memory: this.memory,
    });
    this.reader = new ChannelReader({
      connection,
      decoder: options.decoder,
      circuits: this.circuits,
      activity: this.activity,
      clock,
      // A client's too, as in `tor`, although it never gets a CREATE itself (tor-spec, "Choosing circuit IDs").
      isTheirs: (circId) => isInitiatorsHalf(circId) !== this.initiated,
      answersFull: () => this.writer.answersFull,
      onCreate: (circId, message) => this.onCreate(circId, message),
      refuse: (circId, reason) => this.sendDestroy(circId, reason, true),
      onDestroy: (circId, reason) => this.onDestroy(circId, reason),
      onPaddingNegotiate: (message) => this.onPaddingNegotiate(message),
    });
    this.host = {
      channel: this,
      turns: this.writer.turns,
      maxTrain: config.maxTrain ?? DEFAULT_MAX_TRAIN,
      inboxLimitBytes: (ours) => config.inboxLimitBytes?.(ours) ?? DEFAULT_INBOX_LIMIT_CELLS * CELL_BODY_LEN,
      outboxLimitCells: config.outboxLimitCells ?? DEFAULT_OUTBOX_LIMIT_CELLS,
      nanos: () => clock.monotonicTimeNanosUnsafe(),
      sendCell: (cell, answer) => this.sendCell(cell, answer),
      detach: (circuit) => this.detach(circuit),
      sendDestroy: (circId, reason, answer) => this.sendDestroy(circId, reason, answer),
      noteRelay: (command) => this.activity.noteRelay(command),
    };
  }

  /** Whether the channel has ended, or is about to since its connection has: it is no good for new circuits. */
  get closed(): boolean {
    return this.isClosed || this.closedWith !== undefined || this.options.connection.status !== "open";
  }

  /** What has been counted so far. */
  get counters(): Readonly<ChannelCounters> {
    return this.activity.counters;
  }

  /** How many circuits are on the channel. */
  get circuitCount(): number {
    return this.circuits.size;
  }

  /** Whether cells wait to be written: congestion control takes it for a sign of a full queue. */
  get blocked(): boolean {
    return this.options.connection.pending > 0 && this.writer.turns.active;
  }

  /** Puts a new circuit of ours on the channel, with an unused ID of our half (tor-spec, "Choosing circuit IDs"). */
  openCircuit(signals: CircuitSignals): Effect.Effect<ChannelCircuit, ChannelLimit | ChannelLost> {
    return Effect.suspend((): Effect.Effect<ChannelCircuit, ChannelLimit | ChannelLost> => {
      if (this.closed) return Effect.fail(new ChannelLost({ cause: this.options.connection.failure }));
      if (this.full) return Effect.fail(new ChannelLimit({ limit: "circuits" }));
      const circId = this.circuits.draw(this.initiated, this.entropy.below);
      return circId === undefined
        ? Effect.fail(new ChannelLimit({ limit: "circuitIds" }))
        : Effect.succeed(this.attach(circId, true, signals));
    });
  }

  /** As a client, pads in this way from now on, and lets the relay do the same (padding-spec 2.5). */
  setPadding(mode: PaddingMode): void {
    const message = this.padding.choose(mode);
    this.deadlinesChanged.notify();
    if (message !== undefined) this.sendCell(encodeChannelMessage(0, message), false);
  }

  /** Closes the channel and all of its circuits' ends. The first reason counts. */
  close(reason: ChannelEnd): void {
    this.closedWith ??= reason;
    if (this.group === undefined) this.release(this.closedWith);
    else this.group.stopUnsafe(reason);
  }

  /** The channel's reactors, for as long as it is open. Returns why it ended. To be run once. */
  run(): Effect.Effect<ChannelEnd, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      if (this.closedWith !== undefined) return this.closedWith;
      yield* Effect.addFinalizer(() => Effect.sync(() => this.release("shutdown")));
      const registry = registryWithCircuits(yield* Registry, this.circuits);
      const group = yield* ReactorGroup.make<ChannelError, ChannelEnd>({ name: `channel ${this.id}` }).pipe(
        Effect.provideService(Registry, registry),
      );
      this.group = group;
      this.options.connection.onChange(() => {
        this.reader.wake();
        this.writer.wake();
      });
      group.startTurns(makeReader(this.reader).wire({}));
      group.startTurns(makeWriter(this.writer).wire({}));
      yield* Effect.ignore(
        group.start(Reactor.make({ name: KEEPER, reads: {}, writes: {}, run: () => this.keepTime }).wire({})),
      );
      // The handshake may have left cells for the one, and something may wait for the other.
      this.reader.wake();
      this.writer.wake();
      const { cause } = yield* group.ended;
      const end = endOf(cause);
      this.release(end);
      return end;
    });
  }

  private release(end: ChannelEnd): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.writer.letGo();
    if (typeof end === "string") this.writer.flush();
    this.options.connection.destroy();
    this.memory.close();
    for (const circuit of [...this.circuits.values()]) {
      this.circuits.remove(circuit);
      circuit.end({ _tag: "ChannelClosed" });
    }
  }

  private attach(circId: number, ours: boolean, signals: CircuitSignals): AttachedCircuit {
    const circuit = new AttachedCircuit(this.host, circId, ours, signals);
    if (this.isClosed || this.circuits.has(circId)) circuit.end({ _tag: "ChannelClosed" });
    else this.circuits.add(circuit);
    return circuit;
  }

  private detach(circuit: AttachedCircuit): boolean {
    if (!this.circuits.remove(circuit)) return false;
    if (this.circuits.size === 0) this.activity.idleSince = this.clock.currentTimeMillisUnsafe();
    return true;
  }

  private get full(): boolean {
    return this.circuits.size >= (this.options.config.maxCircuits ?? DEFAULT_MAX_CIRCUITS);
  }

  private onCreate(circId: number, message: Create2 | CreateFast): void {
    if (this.full) {
      this.activity.counters.refusedCreates++;
      return this.sendDestroy(circId, DestroyReason.RESOURCELIMIT, true);
    }
    this.options.onCreate({
      channel: this,
      circId,
      message,
      accept: (signals) => this.attach(circId, false, signals),
      refuse: (reason) => this.sendDestroy(circId, reason, true),
    });
  }

  private onDestroy(circId: number, reason: number): boolean {
    const circuit = this.circuits.get(circId);
    if (circuit === undefined) return false;
    this.detach(circuit);
    circuit.end({ _tag: "Destroyed", reason });
    return true;
  }

  private onPaddingNegotiate(message: PaddingNegotiate): void {
    if (this.options.anonymous === true) {
      throw new ChannelProtocolError({
        where: "PADDING_NEGOTIATE",
        detail: "a relay may not ask a client for padding",
      });
    }
    this.padding.onNegotiate(message);
    this.deadlinesChanged.notify();
  }

  private sendDestroy(circId: number, reason: number, answer: boolean): void {
    this.sendCell(encodeChannelMessage(circId, { _tag: "DESTROY", reason }), answer);
  }

  private sendCell(cell: Buffer, answer: boolean): void {
    if (!this.isClosed) this.writer.send(cell, answer);
  }

  private state(): ChannelState {
    const { idleSince, lastTransfer, lastSent, usage } = this.activity;
    return {
      circuits: this.circuits.size,
      idleSince,
      lastTransfer,
      lastSent,
      usage,
      waiting: this.writer.waiting,
      pending: this.options.connection.pending,
    };
  }

  private readonly keepTime: Effect.Effect<never> = Effect.gen({ self: this }, function* () {
    for (;;) {
      const now = this.clock.currentTimeMillisUnsafe();
      const due = this.timers.due(now, this.state());
      if (due === "padding") {
        this.activity.counters.paddingOut++;
        this.activity.lastTransfer = now;
        this.activity.lastSent = now;
        this.sendCell(encodeFixedCell(0, ChannelCommand.PADDING, EMPTY), false);
      } else if (due !== undefined) {
        this.close(due);
      }
      yield* Effect.raceFirst(Effect.sleep(this.timers.sleep(now, this.state())), this.deadlinesChanged.wait);
    }
  });
}

const makeReader = Reactor.turns({
  name: READER,
  reads: {},
  writes: {},
  signal: (reader: ChannelReader) => reader.readable,
  turn: (reader) => reader.turn,
});

const makeWriter = Reactor.turns({
  name: WRITER,
  reads: {},
  writes: {},
  signal: (writer: ChannelWriter) => writer.writable,
  // All circuits have put their trains first, and one record takes them.
  isLast: true,
  turn: (writer) => writer.turn,
});

const endOf = (cause: GroupCause<ChannelError, ChannelEnd>): ChannelEnd => {
  switch (cause._tag) {
    case "Stopped":
      return cause.reason;
    case "ScopeClosed":
      return "shutdown";
    case "ReactorEnded": {
      if (Exit.isSuccess(cause.exit) || Cause.hasInterruptsOnly(cause.exit.cause)) return "shutdown";
      const error = Cause.findErrorOption(cause.exit.cause);
      return error._tag === "Some" &&
        (error.value instanceof ChannelLost || error.value instanceof ChannelProtocolError)
        ? error.value
        : new ChannelDefect({ cause: cause.exit.cause });
    }
  }
};

const EMPTY = Buffer.alloc(0);

/** Channels whose peers do not read may have a share of the memory, for their write buffers. */
const CHANNELS: MemoryKind = { name: "channels", policy: "share" };

/** `circ_max_cell_queue_size`. */
const DEFAULT_INBOX_LIMIT_CELLS = 50_000;

const DEFAULT_OUTBOX_LIMIT_CELLS = 128;

const DEFAULT_QUANTUM_CELLS = 16;

/** As many as there were circuit IDs for before link protocol 4. */
const DEFAULT_MAX_CIRCUITS = 32_768;
