import { DestroyReason, HandshakeType } from "@allium/cell";
import type { CreateRequest } from "@allium/channel";
import type { MemoryQuota } from "@allium/kernel";
import { Cause, type Clock, Effect, Exit, type Fiber } from "effect";
import { AskedCircuit } from "./asked-circuit.ts";
import { type Answered, type CreateOptions, UnknownHandshake } from "./handshake.ts";
import { HandshakeQueue, type HandshakeQueueLimits, type HandshakeTicket } from "./handshake-queue.ts";
import type { HandshakeRefused, HandshakeService } from "./handshake-service.ts";

/** A handshake that a relay answers. */
export type HandshakeKind = "fast" | "ntor" | "ntor_v3";

// Why a CREATE is refused, and what the peer is told:
//
// | refusal | DESTROY | when |
// | --- | --- | --- |
// | notAdmitted | RESOURCELIMIT | whoever admits circuits said no: there is a flood from this address, say |
// | tooMany | RESOURCELIMIT | the channel has as many circuits as are left for all |
// | queueFull | RESOURCELIMIT | too many wait, and most of them come from this channel |
// | queueLate | RESOURCELIMIT | it has waited for too long |
// | handshake | PROTOCOL | malformed, or for a key that we do not have |
// | unknownHandshake | PROTOCOL | of a type that we do not know |
// | early | PROTOCOL | cells came on the circuit before it was answered, as in `tor` |
// | bug | INTERNAL | |

const reasons = {
  notAdmitted: DestroyReason.RESOURCELIMIT,
  tooMany: DestroyReason.RESOURCELIMIT,
  queueFull: DestroyReason.RESOURCELIMIT,
  queueLate: DestroyReason.RESOURCELIMIT,
  handshake: DestroyReason.PROTOCOL,
  unknownHandshake: DestroyReason.PROTOCOL,
  early: DestroyReason.PROTOCOL,
  bug: DestroyReason.INTERNAL,
} as const;

/** Why a CREATE was refused. */
export type CircuitRefusal = keyof typeof reasons;

/** What has become of CREATEs so far. */
export interface AcceptorCounters {
  /** Answered, by their kind. */
  readonly answered: Record<HandshakeKind, number>;
  /** Dropped by the queue, by their kind: it was full, or they had waited too long. */
  readonly dropped: Record<HandshakeKind, number>;
  readonly refused: Record<CircuitRefusal, number>;
}

/** What accepting circuits takes. */
export interface CircuitAcceptorOptions {
  readonly service: HandshakeService;
  readonly queue: Pick<HandshakeQueueLimits, "maxDelayMillis" | "cutoffMillis">;
  readonly quota: MemoryQuota;
  readonly clock: Clock.Clock;
  /** Whether a CREATE is looked at. It must not block. */
  readonly admit: (request: CreateRequest) => boolean;
  /** Circuits that are open. */
  readonly open: () => number;
  /** Most circuits of all channels together, those that wait for their handshake included. */
  readonly maxCircuits: () => number;
  readonly createOptions: () => CreateOptions;
  /** Makes a circuit of what was asked for, and becomes its owner. It must not block. */
  readonly launch: (asked: AskedCircuit, answered: Answered) => void;
  /** Runs an effect in a fiber. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>;
  /** Calls a function in a later turn, when everybody who can go on now has. */
  readonly later: (run: () => void) => void;
  readonly onRefused: (refusal: CircuitRefusal) => void;
}

/**
 * Has the CREATEs of all channels answered: channels take turns, as many are worked on at once as the service can, and what
 * waits is bounded. CREATE_FAST costs next to nothing, and does not wait (as in `tor`).
 *
 * Circuits are bounded in all, and a channel may have as many as are left for all: a flood on one has half of the places, one on two
 * a third on each, and there is always a place for whoever has few.
 */
export class CircuitAcceptor {
  readonly counters: AcceptorCounters = {
    answered: { fast: 0, ntor: 0, ntor_v3: 0 },
    dropped: { fast: 0, ntor: 0, ntor_v3: 0 },
    refused: {
      notAdmitted: 0,
      tooMany: 0,
      queueFull: 0,
      queueLate: 0,
      handshake: 0,
      unknownHandshake: 0,
      early: 0,
      bug: 0,
    },
  };
  private readonly options: CircuitAcceptorOptions;
  private readonly queue: HandshakeQueue<object, Asked>;
  /** Who waits for an answer. */
  private readonly waiting = new Map<AskedCircuit, Waiting>();
  private underWay = 0;
  /** When those were begun that are done and have not been counted yet. */
  private done: Array<number> = [];
  private pumping = false;
  /** Handshakes that take longer than a turn. */
  private readonly fibers = new Set<Fiber.Fiber<void>>();

  constructor(options: CircuitAcceptorOptions) {
    this.options = options;
    this.queue = new HandshakeQueue(
      { ...options.queue, concurrency: options.service.concurrency },
      ({ asked, message }, why) => {
        this.counters.dropped[kindOf(message)]++;
        this.refuse(asked, why === "full" ? "queueFull" : "queueLate");
      },
    );
  }

  /** CREATEs that wait for somebody to answer them. */
  get queued(): number {
    return this.queue.size;
  }

  /** A peer wants a circuit. */
  accept(request: CreateRequest): void {
    const { options, queue, waiting } = this;
    if (!options.admit(request)) {
      this.count("notAdmitted");
      return request.refuse(reasons.notAdmitted);
    }
    if (request.channel.circuitCount >= options.maxCircuits() - options.open() - waiting.size) {
      this.count("tooMany");
      return request.refuse(reasons.tooMany);
    }
    const asked = new AskedCircuit(request, options.quota, this.withdraw);
    // The channel had closed meanwhile.
    if (asked.gone) return;
    const { message } = request;
    waiting.set(asked, UNDER_WAY);
    if (kindOf(message) === "fast") return this.work(asked, message);
    if (queue.size === 0 && this.underWay < options.service.concurrency) return this.start({ asked, message });
    const ticket = queue.add(request.channel, { asked, message }, this.now());
    // Unless it is the one that was dropped at once.
    if (waiting.has(asked)) waiting.set(asked, ticket);
  }

  /** Answers nobody any more; who still waits is told, and what is under way is given up. */
  close(): void {
    for (const asked of [...this.waiting.keys()]) {
      this.withdraw(asked);
      this.end(asked, DestroyReason.FINISHED);
    }
    for (const fiber of this.fibers) fiber.interruptUnsafe();
  }

  /** A circuit has ended before it was answered. */
  private readonly withdraw = (asked: AskedCircuit): void => {
    const ticket = this.waiting.get(asked);
    this.waiting.delete(asked);
    if (ticket !== undefined && ticket !== UNDER_WAY) this.queue.remove(ticket);
  };

  /** Counts what is done, and has as many answered as may be worked on at once. */
  private readonly pump = (): void => {
    this.pumping = false;
    const now = this.now();
    for (const begun of this.done) this.queue.noteDone(now - begun);
    this.underWay -= this.done.length;
    this.done = [];
    while (this.underWay < this.options.service.concurrency) {
      const next = this.queue.take(now);
      if (next === undefined) return;
      this.waiting.set(next.asked, UNDER_WAY);
      this.start(next);
    }
  };

  private start({ asked, message }: Asked): void {
    this.underWay++;
    const begun = this.now();
    this.work(asked, message, () => {
      this.done.push(begun);
      if (this.pumping) return;
      this.pumping = true;
      // The next ones have their turn after everybody else: handshakes must not hold up cells.
      this.options.later(this.pump);
    });
  }

  /** Has one answered: on the spot, if the service can. */
  private work(asked: AskedCircuit, message: CreateMessage, onDone?: () => void): void {
    const answer = this.ask(message);
    if (Exit.isExit(answer)) {
      this.onAnswer(asked, message, answer as Exit.Exit<Answered, HandshakeRefused>);
      return onDone?.();
    }
    const fiber = this.options.fork(Effect.map(Effect.exit(answer), (exit) => this.onAnswer(asked, message, exit)));
    this.fibers.add(fiber);
    fiber.addObserver(() => {
      this.fibers.delete(fiber);
      onDone?.();
    });
  }

  private ask(message: CreateMessage): Effect.Effect<Answered, HandshakeRefused> {
    try {
      return this.options.service.answer(message, this.options.createOptions());
    } catch (bug) {
      return Exit.die(bug);
    }
  }

  private onAnswer(asked: AskedCircuit, message: CreateMessage, exit: Exit.Exit<Answered, HandshakeRefused>): void {
    if (asked.gone) return;
    if (Exit.isFailure(exit)) return this.onFailure(asked, exit.cause);
    if (asked.near.inbox.bytes > 0) return this.refuse(asked, "early");
    this.counters.answered[kindOf(message)]++;
    try {
      this.options.launch(asked, exit.value);
    } catch (bug) {
      return this.onFailure(asked, Cause.die(bug));
    }
    this.waiting.delete(asked);
  }

  private onFailure(asked: AskedCircuit, cause: Cause.Cause<HandshakeRefused>): void {
    const error = Cause.findErrorOption(cause);
    if (error._tag === "Some") {
      return this.refuse(asked, error.value instanceof UnknownHandshake ? "unknownHandshake" : "handshake");
    }
    // An interruption is the end of all circuits: `close` has told the peer.
    if (!Cause.hasDies(cause)) return;
    this.refuse(asked, "bug");
    this.options.fork(Effect.logError("a CREATE was not answered because of a bug", cause));
  }

  private refuse(asked: AskedCircuit, refusal: CircuitRefusal): void {
    if (!this.waiting.delete(asked)) return;
    this.count(refusal);
    this.end(asked, reasons[refusal]);
  }

  private end(asked: AskedCircuit, reason: number): void {
    asked.gone = true;
    asked.near.destroy(reason);
    asked.memory.close();
  }

  private count(refusal: CircuitRefusal): void {
    this.counters.refused[refusal]++;
    this.options.onRefused(refusal);
  }

  /** Milliseconds of a clock that does not go back. */
  private now(): number {
    return Number(this.options.clock.monotonicTimeNanosUnsafe()) / 1e6;
  }
}

type CreateMessage = CreateRequest["message"];

/** A circuit and the handshake that it was asked for with. */
interface Asked {
  readonly asked: AskedCircuit;
  readonly message: CreateMessage;
}

/** A place in the queue, or none, since it is worked on. */
type Waiting = HandshakeTicket<Asked> | typeof UNDER_WAY;
const UNDER_WAY = Symbol("under way");

const kindOf = (message: CreateMessage): HandshakeKind => {
  if (message._tag === "CREATE_FAST") return "fast";
  return message.handshakeType === HandshakeType.NTOR ? "ntor" : "ntor_v3";
};
