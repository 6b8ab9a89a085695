import { Effect, Exit, type Fiber } from "effect";
import type { LinkReader } from "./inlet.ts";
import type { WiredReactor } from "./reactor.ts";
import type { Wakeable } from "./run-queue.ts";
import type { Signal } from "./signal.ts";

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

/** A reactor in turns: a fiber for each turn, and none between them. */
export class TurningMember implements Member, Wakeable {
  readonly reactor: WiredReactor<unknown, never>;
  readonly previous: Member | undefined;
  ended = false;
  readonly #host: MemberHost;
  #turn: Effect.Effect<unknown, unknown> | undefined;
  /** While a turn waits for something. */
  #fiber: Fiber.Fiber<unknown, unknown> | undefined;
  /** Something came while a turn waited. */
  #again = false;

  constructor(reactor: WiredReactor<unknown, never>, previous: Member | undefined, host: MemberHost) {
    this.reactor = reactor;
    this.previous = previous;
    this.#host = host;
    const signal = reactor.turns as Signal;
    for (const port of reactor.reads) (reactor.wiring[port] as LinkReader<unknown, unknown>).wakesUnsafe(signal);
  }

  /** There is something to do: called from the run queue. */
  runWake(): void {
    if (this.ended) return;
    if (this.#fiber !== undefined) {
      this.#again = true;
      return;
    }
    const host = this.#host;
    host.began();
    this.#turn ??= turnOf(this.reactor);
    const fiber = host.fork(this.#turn);
    const exit = fiber.pollUnsafe();
    if (exit !== undefined) return this.#ran(exit);
    this.#fiber = fiber;
    this.ended = false;
    fiber.addObserver((exit) => this.#ran(exit));
    if (host.isEnding) this.interrupt();
  }

  interrupt(): void {
    if (this.#fiber !== undefined) this.#fiber.interruptUnsafe();
    else this.ended = true;
  }

  #ran(exit: Exit.Exit<unknown, unknown>): void {
    this.#fiber = undefined;
    this.ended ||= Exit.isFailure(exit) || this.#host.isEnding;
    this.#host.ran(this, exit, Exit.isFailure(exit));
    if (!this.#again) return;
    this.#again = false;
    this.reactor.turns?.notify();
  }
}

/** What `run` throws is the reactor's defect: hence the suspension, for the first turn. */
const turnOf = (reactor: WiredReactor<unknown, never>): Effect.Effect<unknown, unknown> => {
  try {
    return reactor.run;
  } catch (defect) {
    return Effect.die(defect);
  }
};
