import { Clock, Context, Effect, type Exit, type Fiber, Scheduler } from "effect";
import type { GroupEnd } from "./reactor-group.ts";
import { Topology, type TopologyRegistry, type TopologySource } from "./topology.ts";

/** What a home needs of its groups. */
interface Inhabitant extends Extract<TopologySource, { readonly kind: "group" }> {
  /** Begins the group's end. */
  readonly scopeClosed: (exit: Exit.Exit<unknown, unknown>) => void;
  readonly ended: Effect.Effect<GroupEnd<unknown, unknown>>;
}

/** What groups that are made in one place have in common, and how they end with it. */
export class GroupHome {
  readonly context: Context.Context<never>;
  readonly clock: Clock.Clock;
  readonly scheduler: Scheduler.Scheduler;
  /** How the scope closed, if it has. */
  closed: Exit.Exit<unknown, unknown> | undefined = undefined;
  /** Runs an effect in the context that the home was made in. */
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>;
  readonly #registry: TopologyRegistry;
  readonly #onEmpty: (() => void) | undefined;
  readonly #groups = new Set<Inhabitant>();

  /** @param onEmpty told when its last group has ended */
  constructor(context: Context.Context<never>, onEmpty?: () => void) {
    this.context = context;
    this.clock = Context.get(context, Clock.Clock);
    this.scheduler = Context.get(context, Scheduler.Scheduler);
    this.fork = Effect.runForkWith(context);
    this.#registry = Context.get(context, Topology.Registry);
    this.#onEmpty = onEmpty;
  }

  /** A group begins. */
  enter(group: Inhabitant): void {
    this.#groups.add(group);
    this.#registry.add(group);
  }

  /** A group has ended. */
  leave(group: Inhabitant): void {
    this.#groups.delete(group);
    this.#registry.remove(group);
    if (this.#groups.size === 0) this.#onEmpty?.();
  }

  /** Ends all groups at once, and waits until they are torn down. */
  close(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.closed = exit;
      const ends = [...this.#groups].map((group) => {
        group.scopeClosed(exit);
        return group.ended;
      });
      return Effect.forEach(ends, (ended) => ended, { discard: true });
    });
  }
}
