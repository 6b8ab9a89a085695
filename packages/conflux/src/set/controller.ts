import {
  type CircuitContext,
  type CircuitError,
  errorOfCause,
  LegFailed,
  type Micros,
  microsOfNanos,
  type StreamHandling,
} from "@allium/circuit";
import { Reactor, type ReactorError, type Turn, type Turns, type WiredReactor } from "@allium/kernel";
import { Effect, Scope } from "effect";
import { ConfluxViolation } from "../errors.ts";
import type { ConfluxViolationName } from "../violations.ts";
import { violationTable } from "../violations.ts";
import { Arrivals, LegViolation } from "./arrivals.ts";
import type { ConfluxSet } from "./conflux-set.ts";
import { Departures } from "./departures.ts";
import type { Leg } from "./leg.ts";
import { LegMessages } from "./leg-messages.ts";
import type { LostCells } from "./lost-cells.ts";

/** What a controller is given. */
export interface ControllerOptions {
  readonly set: ConfluxSet;
  readonly handling: StreamHandling["Service"];
  /** What the streams of the set are given. */
  readonly context: CircuitContext;
  readonly lost: LostCells;
}

/** What a controller fails with, and its set with it. */
export type ControllerError = ReactorError<CircuitError>;

/** A controller in the topology: it reads from each leg's ingress, and from the streams, and writes to each leg's egress. */
class WiredController implements WiredReactor<ControllerError> {
  private readonly inner: WiredReactor<ControllerError>;
  private readonly set: ConfluxSet;

  constructor(inner: WiredReactor<ControllerError>, set: ConfluxSet) {
    this.inner = inner;
    this.set = set;
  }

  get name(): string {
    return this.inner.name;
  }

  get run(): WiredReactor<ControllerError>["run"] {
    return this.inner.run;
  }

  get turns(): Turns<ControllerError> {
    return this.inner.turns as Turns<ControllerError>;
  }

  get reads(): ReadonlyArray<string> {
    const { streams } = this.set;
    return [...this.legs.map(fromLeg), ...(streams === undefined ? [] : ["streams"])];
  }

  get writes(): ReadonlyArray<string> {
    return [...this.legs.map(toLeg), ...(this.set.streams === undefined ? [] : ["delivery"])];
  }

  get wiring(): WiredReactor["wiring"] {
    const { streams } = this.set;
    return Object.fromEntries([
      ...this.legs.flatMap((leg) => [
        [fromLeg(leg), leg.inbound.reader],
        [toLeg(leg), leg.outbound.writer],
      ]),
      ...(streams === undefined
        ? []
        : [
            ["streams", streams.outlet],
            ["delivery", streams.inlet],
          ]),
    ]);
  }

  private get legs(): ReadonlyArray<Leg> {
    return this.set.members;
  }
}

const fromLeg = ({ circuit }: Leg): string => `from ${circuit.name}`;
const toLeg = ({ circuit }: Leg): string => `to ${circuit.name}`;

/**
 * The reactor between the legs of a set and its streams: restores the order of what comes, and sends what is ready on the leg that is
 * chosen. One for each set, whichever end it is at. Proposal 329, 2.4 to 2.6.
 */
export const makeController = (options: ControllerOptions): WiredReactor<ControllerError> =>
  new WiredController(controller(options).wire({}), options.set);

/** Its name among the reactors of a set. */
export const CONTROLLER = "controller";

const controller = Reactor.turns({
  name: CONTROLLER,
  reads: {},
  writes: {},
  signal: ({ set }: ControllerOptions) => set.signal,
  turn: (options) => controllerTurn(options),
});

const controllerTurn = (options: ControllerOptions): Turn<ControllerError> => {
  const { set, context, lost } = options;
  const now = (): Micros => microsOfNanos(context.clock.monotonicTimeNanosUnsafe());
  const arrivals = new Arrivals(set, new LegMessages(set, now));
  const departures = new Departures(set);

  /** Goes on as far as it can; an effect if there is something to wait for, or to end with. */
  const move = (): Effect.Effect<void, ControllerError> | undefined => {
    for (;;) {
      const arrived = arrivals.step();
      if (arrived === "wants streams") return openStreams(options);
      let moved = arrived;
      const { streams, flow } = set;
      if (streams !== undefined && flow !== undefined) {
        if (flow.starved) {
          flow.starved = false;
          streams.room.notify();
        }
        moved = departures.step(streams.outlet, flow) || moved;
      }
      const over = set.ended();
      if (over !== undefined) {
        if (set.remove(over)) return endWith(over);
      } else if (!moved) {
        if (lost.look()) throw new LegViolation(undefined, "cells-lost");
        return undefined;
      }
    }
  };

  return () => {
    for (;;) {
      try {
        return move();
      } catch (thrown) {
        const { leg, violation } = asViolation(thrown);
        const error = legFailed(violation);
        // If it cannot be told which of them it was, all legs end with the reason.
        for (const broken of leg === undefined ? set.members : [leg]) {
          broken.isBroken = true;
          broken.circuit.stop(error);
        }
        if (leg === undefined || violationTable[violation].ends === "set") return Effect.fail(error);
      }
    }
  };
};

/** What was thrown, if it was a leg's fault; anything else is a bug and goes on. */
const asViolation = (thrown: unknown): LegViolation => {
  if (thrown instanceof LegViolation) return thrown;
  throw thrown;
};

/** A leg's end is the set's. */
const endWith = (leg: Leg): Effect.Effect<never, ControllerError> => {
  const { cause } = leg.circuit.group;
  const error = cause === undefined ? undefined : errorOfCause(cause);
  return error === undefined ? Effect.interrupt : Effect.fail(error);
};

/** How a circuit ends on which a rule was broken. */
export const legFailed = (violation: ConfluxViolationName): LegFailed =>
  new LegFailed({
    detail: violationTable[violation].what,
    destroyReason: violationTable[violation].reason,
    fault: new ConfluxViolation({ violation }).fault,
  });

/** Starts the reactor of the set's streams: when the first message of one comes, or is to be sent. */
export const openStreams = ({ set, handling, context }: ControllerOptions): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { flow } = set;
    if (set.streams !== undefined || flow === undefined) return Effect.void;
    return handling.direct(context, 0, flow).pipe(
      Effect.tap((streams) =>
        Effect.sync(() => {
          streams.outlet.wakesUnsafe(set.signal);
          set.streams = streams;
          set.signal.notify();
        }),
      ),
      Effect.catchTag("GroupClosed", () => Effect.interrupt),
      Effect.provideService(Scope.Scope, set.group.scope),
      Effect.asVoid,
    );
  });
