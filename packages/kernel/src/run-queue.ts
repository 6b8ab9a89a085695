/**
 * The run queue: where fibers that a link or a signal has woken wait for their turn.
 *
 * Waking a fiber on the spot would run it inside whoever woke it: a socket callback that wakes a reactor for the first
 * message it finds would hand it that one alone. So a wake is queued and run when the running code has ended. Queueing costs a push on an array;
 * only the first wake of a burst asks the platform for a turn, and wakes that wakes cause run in the same turn, so a message
 * that crosses five links costs one turn of the event loop, not five.
 */
import type { Scheduler } from "effect";

/** What can be woken: the queue calls `runWake` once for each time that it was pushed. */
export interface Wakeable {
  readonly runWake: () => void;
}

/**
 * How many wakes one turn may run before the event loop is let back in. Sockets and timers wait for this long at most:
 * 256 wakes of a few microseconds each are about a millisecond.
 */
export const WAKES_PER_TURN = 256;

/** Where a wake is put to have its turn. */
export interface Wakes {
  readonly push: (wake: Wakeable) => void;
}

/** The run queue of one `Scheduler`. */
export class RunQueue implements Wakes {
  /** Wakes that are put here run when no others are left in the turn: for those who gather what the others make. */
  readonly last: Wakes = { push: (wake) => this.#put(this.#late, wake) };
  readonly #scheduleTask: (task: () => void) => void;
  #ready: Array<Wakeable> = [];
  #next = 0;
  readonly #late: Array<Wakeable> = [];
  #scheduled = false;

  constructor(scheduler: Scheduler.Scheduler) {
    const dispatcher = scheduler.makeDispatcher();
    this.#scheduleTask = (task) => dispatcher.scheduleTask(task, 0);
  }

  /** Runs `wake` after the code that is running now, in the order of the pushes. */
  push(wake: Wakeable): void {
    this.#put(this.#ready, wake);
  }

  #put(queue: Array<Wakeable>, wake: Wakeable): void {
    queue.push(wake);
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#scheduleTask(this.#drain);
    }
  }

  readonly #drain = (): void => {
    const ready = this.#ready;
    const late = this.#late;
    let budget = WAKES_PER_TURN;
    try {
      do {
        while (this.#next < ready.length && budget-- > 0) (ready[this.#next++] as Wakeable).runWake();
        // At the end of the turn at the latest, however much is left for the next.
        for (let left = late.length; left > 0; left--, budget--) late.shift()?.runWake();
      } while (budget > 0 && this.#next < ready.length);
    } finally {
      // Reached too when a fiber's observer throws: one bad callback must not leave every other fiber asleep.
      ready.splice(0, this.#next);
      this.#next = 0;
      this.#scheduled = ready.length > 0 || late.length > 0;
      if (this.#scheduled) this.#scheduleTask(this.#drain);
    }
  };
}

const queues = new WeakMap<Scheduler.Scheduler, RunQueue>();

/** The run queue of a fiber's scheduler. Fibers of one runtime share one, so their wakes keep one order. */
export const runQueueOf = (scheduler: Scheduler.Scheduler): RunQueue => {
  let queue = queues.get(scheduler);
  if (queue === undefined) {
    queue = new RunQueue(scheduler);
    queues.set(scheduler, queue);
  }
  return queue;
};
