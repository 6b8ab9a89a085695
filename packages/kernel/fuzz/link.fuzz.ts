import { strict as assert } from "node:assert";
import { Clock, Context, Effect, Exit, type Fiber, type Scheduler } from "effect";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { LinkClosed, LinkEnded } from "../src/index.ts";
import { LinkImpl } from "../src/link.ts";

/** A scheduler whose turns are taken by hand, so that a run is the same each time. */
class ByHand implements Scheduler.Scheduler {
  readonly executionMode = "async";
  readonly #tasks: Array<() => void> = [];

  shouldYield(): boolean {
    return false;
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return { scheduleTask: (task) => this.#tasks.push(task), flush: () => this.turn() };
  }

  turn(): void {
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) task();
  }
}

type Offer = { readonly item: number; readonly fiber: Fiber.Fiber<void, LinkClosed> };
type Taker = Fiber.Fiber<number, LinkEnded | string>;

/** A link as it should be: what it holds, who waits, and how it was closed. */
interface Model {
  held: number | undefined;
  parked: Array<Offer>;
  taker: Taker | undefined;
  closedBy: LinkClosed["by"] | undefined;
  last: Exit.Exit<never, LinkEnded | string> | undefined;
}

const clock = Context.get(Context.empty(), Clock.Clock);

/** Operations on a link beside a model of it: after each, everything that can be seen must be as the model says. */
const operations = (random: Random): void => {
  const scheduler = new ByHand();
  const link = new LinkImpl<number, string>("fuzzed", clock);
  const model: Model = { held: undefined, parked: [], taker: undefined, closedBy: undefined, last: undefined };
  const fork = <A, E>(effect: Effect.Effect<A, E>) => Effect.runFork(effect, { scheduler });
  const same = (actual: unknown, expected: unknown) => assert.deepEqual(actual, expected);
  let items = 0;

  /** Takes from the model what the reader is to get. */
  const next = (): Exit.Exit<number, LinkEnded | string> | undefined => {
    if (model.held === undefined) return model.last;
    const item = model.held;
    const parked = model.parked.shift();
    model.held = parked?.item;
    accepted.push(...(parked === undefined ? [] : [parked]));
    return Exit.succeed(item);
  };
  const accepted: Array<Offer> = [];

  const operationsByName: Record<string, () => void> = {
    offer: () => {
      const item = ++items;
      const fiber = fork(link.offer(item));
      if (model.closedBy !== undefined) same(fiber.pollUnsafe(), Exit.fail(new LinkClosed("fuzzed", model.closedBy)));
      else if (model.held === undefined) {
        same(fiber.pollUnsafe(), Exit.void);
        model.held = item;
      } else model.parked.push({ item, fiber });
    },
    offerUnsafe: () => {
      const free = model.held === undefined && model.closedBy === undefined;
      assert.equal(link.offerUnsafe(++items), free);
      if (free) model.held = items;
    },
    withdraw: () => {
      if (model.parked.length === 0) return;
      const [offer] = model.parked.splice(random.below(model.parked.length), 1);
      offer?.fiber.interruptUnsafe();
      assert.ok(offer?.fiber.pollUnsafe() !== undefined);
    },
    takeUnsafe: () => {
      // A reactor that waits in `take` cannot ask as well.
      if (model.taker !== undefined) return;
      same(link.takeUnsafe(), next());
    },
    take: () => {
      if (model.taker !== undefined) return;
      const fiber = fork(link.take);
      const expected = next();
      same(fiber.pollUnsafe(), expected);
      if (expected === undefined) model.taker = fiber;
    },
    leave: () => {
      model.taker?.interruptUnsafe();
      model.taker = undefined;
    },
    turn: () => {
      scheduler.turn();
      if (model.taker === undefined) return;
      const expected = next();
      same(model.taker.pollUnsafe(), expected);
      if (expected !== undefined) model.taker = undefined;
    },
    end: () => {
      fork(link.end);
      model.last ??= Exit.fail(new LinkEnded("fuzzed", true));
      model.closedBy ??= "end";
    },
    fail: () => {
      fork(link.fail("broken"));
      model.last ??= Exit.fail("broken");
      model.closedBy ??= "fail";
    },
    drop: () => {
      const by = random.oneIn(2) ? "reader" : "release";
      link.closeUnsafe(by);
      if (model.last === undefined || model.held !== undefined) model.last = Exit.fail(new LinkEnded("fuzzed", false));
      model.closedBy ??= by;
      model.held = undefined;
      for (const { fiber } of model.parked.splice(0)) {
        same(fiber.pollUnsafe(), Exit.fail(new LinkClosed("fuzzed", by)));
      }
    },
  };
  const common = ["offer", "offer", "offerUnsafe", "withdraw", "takeUnsafe", "take", "take", "leave", "turn", "turn"];
  const rare = ["end", "fail", "drop"];
  for (let step = 0; step < 40; step++) {
    operationsByName[random.oneIn(15) ? random.pick(rare) : random.pick(common)]?.();
    assert.equal(link.isClosed, model.closedBy !== undefined);
    for (const { fiber } of accepted.splice(0)) same(fiber.pollUnsafe(), Exit.void);
    for (const { fiber } of model.parked) same(fiber.pollUnsafe(), undefined);
  }
};

export const targets: ReadonlyArray<FuzzTarget> = [{ name: "link operations", run: operations }];
