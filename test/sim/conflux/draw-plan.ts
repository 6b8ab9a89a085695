import { ConfluxUx } from "@allium/cell";
import { MAX_LEGS } from "@allium/conflux";
import { Random } from "../../support/fuzz.ts";
import type { DeathPlan, End, LegPlan, LineChange, LinePlan, Plan, SpeakerPlan, StreamPlan } from "./plan.ts";
import { MAX_BYTES } from "./stream-bytes.ts";

/** Draws what a seed plays. */
export const planOf = (seed: number): Plan => {
  const draw = new Draw(seed);
  const plan = draw.plan();
  // What is lost in the middle of much takes more than chance to come about.
  if (draw.random.oneIn(6)) return draw.underFire(plan);
  const { resumption, streams } = plan;
  if (!resumption.initiator || !resumption.responder) return plan;
  // BEGIN_DIR does not count, so that nobody can tell whether it came, and it is not sent again.
  return { ...plan, streams: streams.map((stream) => ({ ...stream, kind: "begin" })) };
};

/** Nearly all that happens by itself happens before: later there are only stalls, and what waits for somebody. */
const BUSY_MILLIS = 800;

/** After all that anybody waits for. */
const NEVER_MILLIS = 600_000;

class Draw {
  private readonly seed: number;
  readonly random: Random;

  constructor(seed: number) {
    this.seed = seed;
    // Neighbouring seeds share nothing.
    this.random = new Random(Math.imul(seed + 1, 0x9e3779b1) >>> 0);
  }

  plan(): Plan {
    const { random } = this;
    const sendmeInc = random.pick([1, 3, 8, 31]);
    const init = sendmeInc + random.below(random.pick([4, 40, 200]));
    // A third of all sets lives in peace, and has to carry everything.
    const peaceful = random.oneIn(3);
    const legs = random.pick([1, 2, 2, 2, 3, 3, 4]);
    const streams = random.pick([0, 1, 1, 2, 2, 2, 3, 5]);
    return {
      seed: this.seed,
      maxTrain: random.pick([1, 2, 5, 16, 32, 32]),
      ux: { initiator: this.ux(), responder: this.ux() },
      switching: { sendPct: random.pick([0, 10, 100, 255]), drainPct: random.pick([0, 0, 50, 255]) },
      window: {
        sendmeInc,
        init,
        min: sendmeInc + random.below(20),
        max: random.pick([init + 5, init + 100, 5_000]),
      },
      buffers: {
        stream: random.pick([2_000, 10_000, 100_000]),
        hop: random.pick([5_000, 30_000, 1_000_000]),
        xoff: random.pick([1_000, 5_000, 250_000]),
      },
      memory: {
        initiator: peaceful || !random.oneIn(12) ? undefined : 10_000 + random.below(100_000),
        responder: peaceful || !random.oneIn(12) ? undefined : 10_000 + random.below(100_000),
      },
      legs: Array.from({ length: legs }, (_, index) => this.leg(index, peaceful)),
      streams: Array.from({ length: streams }, (_, index) => this.stream(index, legs)),
      close: {
        at: peaceful || !random.oneIn(4) ? undefined : random.below(BUSY_MILLIS),
        by: random.pick<ReadonlyArray<End>>([["initiator"], ["initiator"], ["responder"], ["initiator", "responder"]]),
        how: random.pick(["circuits", "set"]),
        rests: random.oneIn(2),
      },
      split: { initiator: random.oneIn(4), responder: random.oneIn(4) },
      resumption: random.pick([
        { initiator: false, responder: false },
        { initiator: true, responder: false },
        { initiator: false, responder: true },
        { initiator: true, responder: true },
        { initiator: true, responder: true },
      ]),
    };
  }

  /** Much is said both ways, by sets that resume, while legs are cut: all but the last, which has to carry the rest. */
  underFire(plan: Plan): Plan {
    const { random } = this;
    const legs = [...plan.legs.slice(0, MAX_LEGS - 1), this.leg(plan.legs.length, true)];
    const last = legs.length - 1;
    // One end hears of it from the other: relays may hold back a DESTROY for as long as they like.
    const told = (): Readonly<Record<End, number>> => {
      const soon = random.below(random.pick([2, 100, 3_000]));
      const late = random.pick([random.below(3_000), NEVER_MILLIS]);
      return random.oneIn(2) ? { initiator: soon, responder: late } : { initiator: late, responder: soon };
    };
    const speaker = (): SpeakerPlan => ({
      ...this.speaker(),
      bytes: random.below(MAX_BYTES),
      finish: random.pick(["end", "answer"]),
    });
    return {
      ...plan,
      memory: { initiator: undefined, responder: undefined },
      resumption: { initiator: true, responder: true },
      close: { ...plan.close, at: undefined },
      legs: legs.map((leg, index) => ({
        ...leg,
        linksAt: random.below(20),
        timeout: 60_000,
        death:
          index === last
            ? undefined
            : {
                at: 50 + random.below(BUSY_MILLIS),
                how: "cut",
                told: told(),
              },
      })),
      streams: plan.streams.map((stream) => ({
        ...stream,
        kind: "begin",
        patience: undefined,
        opening: { ...stream.opening, refuses: false },
        speakers: { initiator: speaker(), responder: { ...speaker(), finish: "end" } },
      })),
    };
  }

  private ux(): number {
    // 5 is not defined, and counts as no opinion.
    return this.random.pick([...Object.values(ConfluxUx), 5]);
  }

  private leg(index: number, peaceful: boolean): LegPlan {
    const { random } = this;
    const late = index > 0 && random.oneIn(3);
    const linksAt = late ? random.below(BUSY_MILLIS) : random.below(20);
    return {
      linksAt,
      timeout: peaceful || !random.oneIn(8) ? 60_000 : 20 + random.below(200),
      outboxCells: random.pick([2, 16, 128]),
      lines: { initiator: this.line(), responder: this.line() },
      death: peaceful || !random.oneIn(3) ? undefined : this.death(linksAt),
    };
  }

  private line(): LinePlan {
    const { random } = this;
    return {
      delay: this.delay(),
      rate: this.rate(),
      burst: random.pick([1, 4, 16, 32]),
      changes: Array.from({ length: random.pick([0, 0, 1, 2, 4]) }, () => this.change()),
    };
  }

  private change(): LineChange {
    const { random } = this;
    const at = random.below(BUSY_MILLIS);
    switch (random.below(4)) {
      case 0:
        return { at, delay: this.delay() };
      case 1:
        return { at, rate: this.rate() };
      case 2:
        return { at, delay: this.delay(), rate: this.rate() };
      default:
        return { at, stall: random.oneIn(4) ? 5_000 : 1 + random.below(400) };
    }
  }

  private delay(): number {
    const { random } = this;
    return 0.5 + random.below(random.pick([4, 40, 200]));
  }

  private rate(): number {
    return this.random.pick([0.25, 1, 4, 20]);
  }

  private death(linksAt: number): DeathPlan {
    const { random } = this;
    const at = linksAt + random.below(random.pick([30, 200, BUSY_MILLIS]));
    const by = random.pick<End>(["initiator", "responder"]);
    if (!random.oneIn(3)) return { at, how: random.oneIn(6) ? "reclaim" : "stop", by };
    const told = (): number => random.below(random.pick([2, 100, 3_000]));
    return { at, how: "cut", told: { initiator: told(), responder: told() } };
  }

  private stream(index: number, legs: number): StreamPlan {
    const { random } = this;
    const initiator = this.speaker();
    const responder = this.speaker();
    // If both waited for the other's end, there would be none.
    const both = initiator.finish === "answer" && responder.finish === "answer";
    // BEGIN_DIR does not say which stream it is for, so there is one at most; and an END may overtake it, so it is waited for.
    const kind = index === 0 && random.oneIn(20) ? "directory" : "begin";
    return {
      opensAt: random.below(random.pick([1, 100, BUSY_MILLIS])),
      kind,
      leg: random.below(legs),
      patience: kind === "begin" && random.oneIn(15) ? random.below(300) : undefined,
      opening: { after: random.pick([0, 0, 5, 60]), refuses: random.oneIn(20) },
      speakers: { initiator, responder: both ? { ...responder, finish: "end" } : responder },
    };
  }

  private speaker(): SpeakerPlan {
    const { random } = this;
    const bytes = random.below(random.pick([1, 600, 20_000, 50_000, MAX_BYTES]));
    return {
      bytes,
      chunk: 1 + random.below(random.pick([600, 5_000, 30_000])),
      pauses: Array.from({ length: random.pick([0, 0, 1, 3]) }, () => ({
        atByte: random.below(30_000),
        millis: random.below(random.pick([20, 600])),
      })),
      finish: random.oneIn(12) ? random.pick(["destroy", "reset"]) : random.pick(["end", "answer", "answer"]),
    };
  }
}
