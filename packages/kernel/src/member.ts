import { type Effect, Exit, type Fiber } from "effect";
import type { LinkReader } from "./inlet.ts";
import type { Turn, Turns, WiredReactor } from "./reactor.ts";
import type { Wakeable } from "./run-queue.ts";

/** A reactor of a group, as the group sees it. */
export interface Member {
  readonly reactor: WiredReactor<unknown, never>;
  /** The one that was started before it. */
  readonly previous: Member | undefined;
  readonly ended: boolean;
  /** Ends it, if it has not ended. It may still need time, if it runs. */
  readonly interrupt: () => void;
}

/** What members need of their group. */
export interface MemberHost {
  /** Whether the group is ending. */
  readonly isEnding: boolean;
  /** Runs an effect in a fiber, with what the group knows. */
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>;
  /** A member begins to run: the release of the group waits for it. */
  readonly began: () => void;
  /** It runs no more. `ended` if that was its end, else it waits for its next turn. */
  readonly ran: (member: Member, exit: Exit.Exit<unknown, unknown>, ended: boolean) => void;
}

/** A reactor that is a fiber all its life. */
export class LivingMember implements Member {
  readonly reactor: WiredReactor<unknown, never>;
  readonly previous: Member | undefined;
  ended = false;
  #fiber: Fiber.Fiber<unknown, unknown> | undefined;

  constructor(reactor: WiredReactor<unknown, never>, previous: Member | undefined) {
    this.reactor = reactor;
    this.previous = previous;
  }

  /** Its first steps may have ended the group already. */
  started(fiber: Fiber.Fiber<unknown, unknown>, host: MemberHost): void {
    this.#fiber = fiber;
    fiber.addObserver((exit) => {
      this.ended = true;
      host.ran(this, exit, true);
    });
    if (host.isEnding) this.interrupt();
  }

  interrupt(): void {
    if (!this.ended) this.#fiber?.interruptUnsafe();
  }
}

/** A reactor in turns: called when there is something to do, and a fiber only while it waits for an effect. */
export class TurningMember implements Member, Wakeable {
  readonly reactor: WiredReactor<unknown, never>;
  readonly previous: Member | undefined;
  ended = false;
  readonly #turns: Turns<unknown>;
  readonly #host: MemberHost;
  #turn: Turn<unknown> | undefined;
  /** While it waits for something. */
  #fiber: Fiber.Fiber<void, unknown> | undefined;

  constructor(
    reactor: WiredReactor<unknown, never>,
    turns: Turns<unknown>,
    previous: Member | undefined,
    host: MemberHost,
  ) {
    this.reactor = reactor;
    this.#turns = turns;
    this.previous = previous;
    this.#host = host;
    for (const port of reactor.reads) (reactor.wiring[port] as LinkReader<unknown, unknown>).wakesUnsafe(turns.signal);
  }

  /** There is something to do: called from the run queue. While it waits, what comes is looked at in the turn that follows anyway. */
  runWake(): void {
    if (this.ended || this.#fiber !== undefined) return;
    const host = this.#host;
    host.began();
    let exit: Exit.Exit<unknown, unknown> = Exit.void;
    try {
      this.#turn ??= this.#turns.begin();
      for (let wait = this.#turn(); wait !== undefined && !host.isEnding; wait = this.#turn()) {
        const fiber = host.fork(wait);
        const done = fiber.pollUnsafe();
        if (done === undefined) return this.#await(fiber);
        exit = done;
        if (Exit.isFailure(done)) break;
      }
    } catch (defect) {
      exit = Exit.die(defect);
    }
    this.#ran(exit);
  }

  interrupt(): void {
    if (this.#fiber !== undefined) this.#fiber.interruptUnsafe();
    else this.ended = true;
  }

  #await(fiber: Fiber.Fiber<void, unknown>): void {
    this.#fiber = fiber;
    // Its group may have ended in the turn, before there was something to interrupt.
    this.ended = false;
    fiber.addObserver((exit) => {
      this.#fiber = undefined;
      this.#ran(exit);
      this.runWake();
    });
    if (this.#host.isEnding) this.interrupt();
  }

  #ran(exit: Exit.Exit<unknown, unknown>): void {
    const failed = Exit.isFailure(exit);
    this.ended ||= failed || this.#host.isEnding;
    this.#host.ran(this, exit, failed);
  }
}
