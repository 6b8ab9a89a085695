import { ChannelCommand, encodeFixedCell } from "@allium/cell";
import { Effect } from "effect";
import type { Channel } from "./channel.ts";
import type { ChannelCircuit, CircuitSignals } from "./channel-contract.ts";
import { CircuitInbox, type InboxEnd } from "./inbox.ts";
import { CircuitOutbox, type TurnList } from "./outbox.ts";
import type { Train } from "./train.ts";

/** What a circuit needs of its channel. */
export interface CircuitHost {
  readonly channel: Channel;
  readonly turns: TurnList;
  readonly maxTrain: number;
  readonly inboxLimitBytes: (ours: boolean) => number;
  readonly outboxLimitCells: number;
  /** Nanoseconds of a monotonic clock. */
  readonly nanos: () => bigint;
  /** Queues a cell for the peer: an answer to its CREATE, or anything else. */
  readonly sendCell: (cell: Buffer, answer: boolean) => void;
  /** Takes the circuit off the channel. False if it was gone already. */
  readonly detach: (circuit: AttachedCircuit) => boolean;
  /** Tells the peer; `answer` if it is the answer to its CREATE. */
  readonly sendDestroy: (circId: number, reason: number, answer: boolean) => void;
  readonly noteRelay: (command: number) => void;
}

/** A circuit on a channel. */
export class AttachedCircuit implements ChannelCircuit {
  readonly circId: number;
  readonly inbox: CircuitInbox;
  readonly outbox: CircuitOutbox;
  private readonly host: CircuitHost;
  /** Whether we asked the peer for it: then it answers with CREATED. */
  /** Whether this side has asked for it. */
  readonly ours: boolean;
  private created = false;
  /** Whether the peer's CREATE was answered. */
  private answered: boolean;

  constructor(host: CircuitHost, circId: number, ours: boolean, signals: CircuitSignals) {
    this.host = host;
    this.circId = circId;
    this.ours = ours;
    this.answered = ours;
    this.inbox = new CircuitInbox({
      circId,
      signal: signals.inbound,
      limitBytes: host.inboxLimitBytes(ours),
      maxTrain: host.maxTrain,
      listener: signals,
      memory: signals.memory,
    });
    this.outbox = new CircuitOutbox({
      circId,
      turns: host.turns,
      limitCells: host.outboxLimitCells,
      nanos: host.nanos,
      memory: signals.memory,
    });
  }

  get channel(): Channel {
    return this.host.channel;
  }

  send(train: Train): Effect.Effect<boolean> {
    if (!this.outbox.hasRoom && !this.outbox.closed) return Effect.suspend(() => this.waitForRoom(train));
    this.host.noteRelay(train.command);
    return Effect.succeed(this.outbox.push(train));
  }

  sendUnsafe(train: Train): boolean {
    if (!this.outbox.hasRoom && !this.outbox.closed) return false;
    this.host.noteRelay(train.command);
    this.outbox.push(train);
    return true;
  }

  private waitForRoom(train: Train): Effect.Effect<boolean> {
    return Effect.flatMap(this.outbox.waitForRoom(), () => this.send(train));
  }

  sendCell(command: number, payload: Buffer): void {
    if (this.outbox.closed) return;
    this.answered = true;
    this.host.sendCell(encodeFixedCell(this.circId, command, payload), !this.ours);
  }

  destroy(reason: number): void {
    this.inbox.clear();
    if (this.host.detach(this)) this.host.sendDestroy(this.circId, reason, !this.answered);
    this.outbox.close();
  }

  /** The peer answers our CREATE. False if there was none, or it was answered. */
  onCreated(command: number, payload: Buffer): boolean {
    if (!this.ours || this.created) return false;
    this.created = true;
    this.inbox.pushControl({ command, payload });
    return true;
  }

  /** The circuit is off the channel, by whatever but its own `destroy`. */
  end(end: InboxEnd): void {
    this.outbox.close();
    this.inbox.close(end);
  }
}

/** Whether a command answers a CREATE. */
export const isCreated = (command: number): boolean =>
  command === ChannelCommand.CREATED2 || command === ChannelCommand.CREATED_FAST || command === ChannelCommand.CREATED;
