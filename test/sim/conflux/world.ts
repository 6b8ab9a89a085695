import { type CircuitEnd, type CircuitError, errorOfCause, meaningOf } from "@allium/circuit";
import { type OutgoingSet, violationTable } from "@allium/conflux";
import { Cause, type Clock, Duration, Effect, Exit, type Fiber, type Scope } from "effect";
import { setOf } from "./end.ts";
import { type Initiator, makeInitiator } from "./initiator.ts";
import { SimulatedLeg } from "./leg.ts";
import { Observer } from "./observer.ts";
import { ENDS, type End, type Plan } from "./plan.ts";
import { makeResponder, type Responder } from "./responder.ts";
import { SimulatedStream } from "./stream.ts";
import { Timeline } from "./timeline.ts";
import { Trace } from "./trace.ts";

/** All that a seed plays with: two processes, the legs between them, and the applications. */
export class World {
  readonly plan: Plan;
  readonly clock: Clock.Clock;
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly complaints: Array<string> = [];
  readonly legs: Array<SimulatedLeg> = [];
  readonly streams: ReadonlyArray<SimulatedStream>;
  initiator!: Initiator;
  responder!: Responder;
  readonly observer: Observer = new Observer(this);
  /** When the set was closed, when the first end of it was over, and since when nothing is left of it. */
  closedAt: number | undefined = undefined;
  endingAt: number | undefined = undefined;
  overAt: number | undefined = undefined;
  /** It has ended before it was closed. */
  diedEarly = false;
  private outgoing!: OutgoingSet;
  /** Legs that were asked for. */
  private asked = 0;
  /** Streams that wait for a leg. */
  private readonly waiting: Array<SimulatedStream> = [];
  private fork!: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>;

  constructor(plan: Plan, clock: Clock.Clock) {
    this.plan = plan;
    this.timeline = new Timeline(() => clock.currentTimeMillisUnsafe());
    this.clock = sleepingOn(clock, this.timeline);
    this.trace = new Trace(() => this.timeline.now);
    this.streams = plan.streams.map((stream, number) => new SimulatedStream(this, number, stream));
  }

  /** Makes both processes, and plans what happens. To be run with the clock of this world. */
  begin(): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      this.initiator = yield* makeInitiator(this);
      this.responder = yield* makeResponder(this);
      this.fork = Effect.runForkWith(yield* Effect.context<never>());
      this.outgoing = this.initiator.manager.begin({
        desiredUx: this.plan.ux.initiator,
        resumption: this.plan.resumption.initiator,
      });
      const { timeline, plan } = this;
      for (const [number, leg] of plan.legs.entries()) timeline.plan(leg.linksAt, () => this.link(number));
      for (const stream of this.streams) timeline.plan(stream.plan.opensAt, () => this.ask(stream));
      if (plan.close.at !== undefined) timeline.plan(plan.close.at, () => this.close());
    });
  }

  complain(what: string): void {
    this.trace.note("complaint", what);
    this.complaints.push(what);
  }

  onCircuitEnd(end: End, circuit: number, cause: CircuitEnd["cause"]): void {
    this.trace.note(`leg ${circuit}`, `is over at the ${end}: ${this.describe(cause)}`);
  }

  /** Looks at how things are, after each thing that has happened. */
  look(): void {
    this.observer.look();
    if (this.observer.someEnded && this.endingAt === undefined) {
      this.endingAt = this.timeline.now;
      this.checkResumption();
    }
    if (this.closedAt === undefined) {
      this.diedEarly = this.endingAt !== undefined;
      if (this.isOver) this.onDeath();
      else if (this.isDone && !this.plan.close.rests) this.close();
    } else {
      this.stopAll();
      if (this.overAt === undefined && this.isOver) this.overAt = this.timeline.now;
    }
  }

  /** A set that resumes ends with its last leg, unless it is closed, or there is no memory for it. */
  private checkResumption(): void {
    const { memory } = this.plan;
    if (this.closedAt !== undefined || memory.initiator !== undefined || memory.responder !== undefined) return;
    const end = this.observer.gaveUp;
    if (end !== undefined) this.complain(`${end}: the set ended although it could resume`);
  }

  /** Nothing happens by itself any more. */
  rest(): void {
    if (this.isDone) this.observer.lookAtRest();
    else this.complain(`it stands still: ${this.unfinished}`);
    this.close();
  }

  /** Closes the set, in whichever way it is to be. */
  close(): void {
    if (this.closedAt !== undefined || this.isOver) return;
    this.closedAt = this.timeline.now;
    this.endingAt ??= this.closedAt;
    this.trace.note("set", `is closed by the ${this.plan.close.by.join(" and the ")}`);
    this.stopAll();
  }

  /** Whether the set was there for as long as it was wanted. */
  get lived(): boolean {
    return !this.diedEarly && this.plan.close.at === undefined;
  }

  /** Whether it may end by itself: with a leg, for memory, or because no leg was linked in time. */
  get mayDie(): boolean {
    const { legs, memory } = this.plan;
    const isHard = legs.some(({ death, timeout }) => death !== undefined || timeout < 60_000);
    return isHard || memory.initiator !== undefined || memory.responder !== undefined;
  }

  /** What is not done, for complaints. */
  get unfinished(): string {
    const streams = this.streams.filter(({ isDone }) => !isDone).map(({ name }) => name);
    return streams.length === 0 ? "the set" : streams.join(", ");
  }

  /** Nothing is left of the set, at either end. */
  private get isOver(): boolean {
    return ENDS.every((end) => setOf(this[end]) === undefined) && this.legs.every(({ isOver }) => isOver);
  }

  /** All streams are done, and all legs were asked for. */
  private get isDone(): boolean {
    return this.asked === this.plan.legs.length && this.streams.every(({ isDone }) => isDone);
  }

  private onDeath(): void {
    this.diedEarly = true;
    this.closedAt = this.timeline.now;
    this.overAt = this.closedAt;
    this.trace.note("set", "is over before it was closed");
    for (const stream of this.streams) stream.abandon();
  }

  private stopAll(): void {
    for (const end of this.plan.close.by) {
      if (this.plan.close.how === "circuits") for (const leg of this.legs) leg[end].stop("finished");
      else setOf(this[end])?.group.stopUnsafe("finished");
    }
    // A set that nobody has linked has nothing else to end with.
    if (this.legs.length === 0) setOf(this.initiator)?.group.stopUnsafe("finished");
  }

  private link(number: number): void {
    const plan = this.plan.legs[number];
    this.asked++;
    if (plan === undefined || this.closedAt !== undefined || this.outgoingIsOver) return;
    const leg = new SimulatedLeg(this, number, plan);
    this.legs.push(leg);
    this.trace.note(`leg ${number}`, "is asked for");
    const linked = Effect.exit(this.outgoing.link(leg.initiator, 0));
    this.fork(Effect.map(linked, (exit) => this.onLinked(number, exit)));
  }

  private onLinked(number: number, exit: Exit.Exit<void, CircuitError>): void {
    const why = Exit.isSuccess(exit) ? "" : `: ${Cause.pretty(exit.cause).split("\n")[0]}`;
    this.trace.note(`leg ${number}`, `${Exit.isSuccess(exit) ? "is linked" : "is not linked"}${why}`);
    for (const stream of this.waiting.splice(0)) this.ask(stream);
  }

  private ask(stream: SimulatedStream): void {
    if (this.closedAt !== undefined || this.outgoingIsOver) return stream.abandon();
    const linked = this.outgoing.legs.map(({ circuit }) => circuit);
    const usable = this.legs.filter(
      ({ initiator }) => linked.includes(initiator) && initiator.group.cause === undefined,
    );
    const leg = usable.find(({ number }) => number === stream.plan.leg) ?? usable[0];
    if (leg === undefined || this.outgoing.streams === undefined) this.waiting.push(stream);
    else this.fork(stream.ask(leg.initiator));
  }

  private get outgoingIsOver(): boolean {
    return setOf(this.initiator) === undefined;
  }

  /** Why a circuit ended, in words. */
  private describe(cause: CircuitEnd["cause"]): string {
    const error = errorOfCause(cause);
    const what =
      error === undefined
        ? cause._tag === "Stopped"
          ? String(cause.reason)
          : cause._tag
        : `${error._tag} ${messageOf(error)}`;
    if (meaningOf(cause).level === "error") this.complain(`a defect: ${what} ${causeText(cause)}`);
    else if (isFault(error)) this.complain(`a violation: ${what}`);
    return what;
  }
}

/** Both ends keep the rules, so that nobody may be found to have broken one. A LINK may come when its set has ended. */
const isFault = (error: ReturnType<typeof errorOfCause>): boolean =>
  error !== undefined &&
  "fault" in error &&
  error.fault === "protocol" &&
  error.message !== violationTable["reused-nonce"].what;

const messageOf = (error: object): string => ("message" in error ? String(error.message) : "");

const causeText = (cause: CircuitEnd["cause"]): string =>
  cause._tag === "ReactorEnded" && Exit.isFailure(cause.exit) ? Cause.pretty(cause.exit.cause) : "";

/** Clocks begin at 1000 ms: at 0 nothing can have happened before. */
export const BEGINNING = 1000;

/** A clock whose sleepers are woken by the timeline, so that all that waits for a time is in one place. */
const sleepingOn = (clock: Clock.Clock, timeline: Timeline): Clock.Clock =>
  Object.assign(Object.create(clock) as Clock.Clock, {
    sleep: (duration: Duration.Duration) =>
      Effect.callback<void>((resume) => {
        const takeBack = timeline.after(Duration.toMillis(duration), () => resume(Effect.void));
        return Effect.sync(takeBack);
      }),
  });
