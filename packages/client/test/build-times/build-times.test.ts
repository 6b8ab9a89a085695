import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { Random as Generator } from "../../../../test/support/fuzz.ts";
import { BuildTimes, historyLength } from "../../src/build-times/index.ts";
import { params, seeded } from "./support.ts";

const minute = 60_000;
/** Both timeouts before there is an estimate (path-spec 2.4.6, cbtinitialtimeout). */
const initial = { timeoutMs: minute, closeMs: minute };
/** The build times of Arti's tests, in milliseconds (crates/tor-circmgr/src/timeouts/pareto.rs). */
const artisTimes = [300, 500, 542, 305, 543, 307, 212, 203, 617, 413];

const learned = (times: ReadonlyArray<number>, values: Readonly<Record<string, number>> = {}) => {
  const buildTimes = new BuildTimes(params(values));
  for (const time of times) buildTimes.thirdHopDone(time);
  return buildTimes;
};
const times = (count: number, time = 300) => new Array<number>(count).fill(time);
const timeOut = (buildTimes: BuildTimes, count: number) =>
  Array.from({ length: count }, () => buildTimes.circuitTimedOut(1)).filter((changed) => changed).length;

describe("the timeouts (path-spec 2.4.3)", () => {
  it("are the initial one until cbtmincircs build times are there", () => {
    const buildTimes = learned(times(99));
    assert.deepStrictEqual(buildTimes.timeouts(), initial);
    assert.isTrue(buildTimes.learning);
    assert.isFalse(buildTimes.estimated);
    buildTimes.thirdHopDone(310);
    assert.isFalse(buildTimes.learning);
    assert.isTrue(buildTimes.estimated);
    assert.isBelow(buildTimes.timeouts().timeoutMs, 400);
  });

  it("are estimated with the parameters of the consensus", () => {
    const buildTimes = learned(artisTimes, {
      cbtmincircs: 1,
      cbtnummodes: 2,
      cbtmintimeout: 10,
      cbtinitialtimeout: 10,
    });
    assert.approximately(buildTimes.timeouts().timeoutMs, 493.169, 0.001);
    assert.approximately(buildTimes.timeouts().closeMs, 724.841, 0.001);
    buildTimes.setParams(params({ cbtmincircs: 1, cbtnummodes: 2, cbtinitialtimeout: 10, cbtquantile: 60 }));
    assert.approximately(buildTimes.timeouts().timeoutMs, 451.127, 0.001);
  });

  it("are no longer than what was seen: once for the timeout, twice for the close timeout", () => {
    // Half at 100, half at 10000: Xm 105 (the fuller bin), and a tail that the estimate takes for far longer.
    const buildTimes = learned([...times(51, 100), ...times(49, 10_000)]);
    buildTimes.setParams(params({ cbtnummodes: 1, cbtinitialtimeout: 10 }));
    assert.strictEqual(buildTimes.timeouts().closeMs, 20_000);
    assert.isAtMost(buildTimes.timeouts().timeoutMs, 10_000);
    assert.strictEqual(learned(times(100, 100)).timeouts().timeoutMs, 100);
  });

  it("have the initial timeout as the least close timeout", () => {
    assert.strictEqual(learned(times(100)).timeouts().closeMs, minute);
  });

  it("have cbtmintimeout as the least timeout", () => {
    assert.strictEqual(learned(times(100, 2)).timeouts().timeoutMs, 10);
    assert.strictEqual(learned(times(100, 2), { cbtmintimeout: 1500 }).timeouts().timeoutMs, 1500);
  });

  it("are scaled for other lengths and for answers", () => {
    const buildTimes = learned(times(100));
    const { timeoutMs, closeMs } = buildTimes.timeouts();
    assert.deepStrictEqual(buildTimes.timeouts({ hops: 1 }), { timeoutMs: timeoutMs / 6, closeMs: closeMs / 6 });
    assert.deepStrictEqual(buildTimes.timeouts({ hops: 0, roundTrips: [3] }), {
      timeoutMs: timeoutMs / 2,
      closeMs: closeMs / 2,
    });
  });

  it("leave as many circuits behind them as they should, where build times are as supposed", () => {
    const random = seeded(5);
    const draw = () => 500 / (1 - random.uniform()) ** (1 / 3);
    const buildTimes = learned(Array.from({ length: 1000 }, draw));
    const { timeoutMs } = buildTimes.timeouts();
    // F(0.8) of the distribution is 855 ms. The modes' average lies above the true Xm, for which the estimate has some per cent
    // to lose.
    assert.approximately(timeoutMs, 500 * 5 ** (1 / 3), 60);
    const within = Array.from({ length: 10_000 }, draw).filter((time) => time <= timeoutMs).length;
    assert.approximately(within / 10_000, 0.8, 0.06);
  });
});

describe("what is recorded (path-spec 2.4.2, 2.4.4)", () => {
  it("is also how long a circuit took that was too slow to be used, and that is no success", () => {
    const buildTimes = new BuildTimes();
    for (let index = 0; index < 17; index++) {
      assert.isFalse(buildTimes.circuitTimedOut(2));
      buildTimes.thirdHopDone(70_000, true);
    }
    assert.strictEqual(buildTimes.count, 17);
    assert.strictEqual(buildTimes.recentTimeouts, 17);
    // Had their ends counted as successes, there would never be eighteen timeouts of twenty.
    assert.isTrue(buildTimes.circuitTimedOut(2));
  });

  it("is nothing of a circuit that was given up", () => {
    const buildTimes = learned(times(100));
    const before = buildTimes.timeouts();
    for (let index = 0; index < 50; index++) buildTimes.circuitAbandoned();
    assert.deepStrictEqual(buildTimes.timeouts(), before);
    assert.strictEqual(buildTimes.count, 100);
    assert.strictEqual(buildTimes.abandoned, 50);
  });

  it("is no time that a sleeping host or a changed clock has made", () => {
    const buildTimes = new BuildTimes();
    for (const time of [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 * minute + 1001]) buildTimes.thirdHopDone(time);
    assert.strictEqual(buildTimes.count, 0);
    buildTimes.thirdHopDone(2 * minute + 1000);
    buildTimes.thirdHopDone(0);
    assert.strictEqual(buildTimes.count, 2);
  });

  it("is the newest thousand build times", () => {
    const buildTimes = learned([...times(1500, 5000), ...times(historyLength, 100)]);
    assert.strictEqual(buildTimes.count, historyLength);
    assert.strictEqual(buildTimes.timeouts().timeoutMs, 100);
  });
});

describe("a network that changes (path-spec 2.4.5)", () => {
  it("shows by cbtmaxtimeouts of the last cbtrecentcount circuits", () => {
    const buildTimes = learned(times(100));
    assert.strictEqual(timeOut(buildTimes, 17), 0);
    assert.strictEqual(buildTimes.count, 100);
    assert.strictEqual(timeOut(buildTimes, 1), 1);
    assert.strictEqual(buildTimes.count, 0);
    assert.strictEqual(buildTimes.recentTimeouts, 0);
    assert.isTrue(buildTimes.learning);
    assert.deepStrictEqual(buildTimes.timeouts(), initial);
  });

  it("does not show while successes are among them", () => {
    const buildTimes = learned(times(100));
    for (let round = 0; round < 20; round++) {
      assert.strictEqual(timeOut(buildTimes, 15), 0);
      for (let index = 0; index < 5; index++) buildTimes.thirdHopDone(300);
    }
  });

  it("does not show by circuits without a first hop, nor by silence", () => {
    const buildTimes = learned(times(100));
    for (let index = 0; index < 100; index++) {
      assert.isFalse(buildTimes.circuitTimedOut(0));
      assert.isFalse(buildTimes.circuitTimedOut(2, false));
    }
    assert.strictEqual(buildTimes.count, 100);
  });

  it("doubles timeouts that were at the initial one, each time it shows again", () => {
    const buildTimes = learned(times(100));
    timeOut(buildTimes, 18);
    assert.strictEqual(buildTimes.timeouts().timeoutMs, minute);
    timeOut(buildTimes, 18);
    assert.deepStrictEqual(buildTimes.timeouts(), { timeoutMs: 2 * minute, closeMs: 2 * minute });
    timeOut(buildTimes, 18);
    assert.deepStrictEqual(buildTimes.timeouts(), { timeoutMs: 4 * minute, closeMs: 4 * minute });
    for (const time of times(100)) buildTimes.thirdHopDone(time);
    assert.isBelow(buildTimes.timeouts().timeoutMs, 400);
    timeOut(buildTimes, 18);
    assert.deepStrictEqual(buildTimes.timeouts(), initial);
  });

  it("does not double beyond what a timer can wait", () => {
    const buildTimes = new BuildTimes();
    assert.strictEqual(timeOut(buildTimes, 18 * 40), 40);
    assert.isAtMost(buildTimes.timeouts().closeMs, 0x7fff_ffff);
    assert.isAbove(buildTimes.timeouts().closeMs, 0x3fff_ffff / 2);
  });

  it("never shows if more timeouts are wanted than are kept", () => {
    assert.strictEqual(timeOut(learned(times(100), { cbtmaxtimeouts: 21 }), 500), 0);
  });

  it("shows within as many circuits as the newest consensus says", () => {
    const buildTimes = learned(times(100));
    timeOut(buildTimes, 17);
    buildTimes.setParams(params({ cbtrecentcount: 5, cbtmaxtimeouts: 5 }));
    assert.strictEqual(buildTimes.recentTimeouts, 5);
    assert.isTrue(buildTimes.circuitTimedOut(1));
  });
});

describe("learning (path-spec 2.4.2, 2.4.6)", () => {
  it("wants a test circuit each cbttestfreq while there are too few build times, unless too many circuits are open", () => {
    const buildTimes = learned(times(99));
    assert.isTrue(buildTimes.testCircuitDue({ sinceLastMs: 10_000, openCircuits: 9 }));
    assert.isTrue(buildTimes.testCircuitDue({ sinceLastMs: Number.POSITIVE_INFINITY, openCircuits: 0 }));
    assert.isFalse(buildTimes.testCircuitDue({ sinceLastMs: 9999, openCircuits: 9 }));
    assert.isFalse(buildTimes.testCircuitDue({ sinceLastMs: 10_000, openCircuits: 10 }));
    buildTimes.thirdHopDone(300);
    assert.isFalse(buildTimes.testCircuitDue({ sinceLastMs: 10_000, openCircuits: 0 }));
  });

  it("never ends in an estimate, nor in test circuits, if more build times are wanted than are kept", () => {
    const buildTimes = learned(times(1000), { cbtmincircs: 1001 });
    assert.deepStrictEqual(buildTimes.timeouts(), initial);
    assert.isFalse(buildTimes.learning);
  });

  it("does not take place if the consensus disables it, and what was learned is discarded", () => {
    const buildTimes = learned(times(100));
    buildTimes.setParams(params({ cbtdisabled: 1, cbtinitialtimeout: 30_000 }));
    assert.deepStrictEqual(buildTimes.timeouts(), { timeoutMs: 30_000, closeMs: 30_000 });
    buildTimes.thirdHopDone(300);
    assert.strictEqual(timeOut(buildTimes, 100), 0);
    assert.strictEqual(buildTimes.count, 0);
    assert.isFalse(buildTimes.learning);
    buildTimes.setParams(params());
    assert.deepStrictEqual(buildTimes.timeouts(), initial);
    assert.isTrue(buildTimes.learning);
  });

  it("begins with the initial timeout of the newest consensus, but for timeouts that were doubled", () => {
    const buildTimes = new BuildTimes();
    buildTimes.setParams(params({ cbtinitialtimeout: 20_000 }));
    assert.strictEqual(buildTimes.timeouts().timeoutMs, 20_000);
    timeOut(buildTimes, 18);
    buildTimes.setParams(params({ cbtinitialtimeout: 30_000 }));
    assert.strictEqual(buildTimes.timeouts().timeoutMs, 40_000);
  });
});

describe("whatever happens", () => {
  it.prop(
    "the timeouts are in order and in bounds, and no more is kept than may be",
    { seed: Schema.Int },
    ({ seed }) => {
      const random = new Generator(seed);
      const values = () => ({
        cbtmincircs: 1 + random.below(30),
        cbtquantile: random.below(120),
        cbtclosequantile: random.below(120),
        cbtrecentcount: random.below(30),
        cbtmaxtimeouts: random.below(20),
        cbtmintimeout: random.below(2000),
        cbtinitialtimeout: random.below(100_000),
        cbtnummodes: random.below(25),
        cbtdisabled: random.oneIn(10) ? 1 : 0,
      });
      const buildTimes = new BuildTimes(params(values()));
      for (let step = 0; step < 300; step++) {
        if (random.oneIn(50)) buildTimes.setParams(params(values()));
        else if (random.oneIn(4)) buildTimes.circuitTimedOut(random.below(4), !random.oneIn(3));
        else buildTimes.thirdHopDone(random.below(random.pick([100, 5000, 200_000])), random.oneIn(5));
        const { timeoutMs, closeMs } = buildTimes.timeouts();
        assert.isAtMost(timeoutMs, closeMs);
        assert.isAtMost(closeMs, 0x7fff_ffff);
        assert.isAtLeast(
          closeMs,
          buildTimes.params.initialTimeoutMs > 10 && buildTimes.estimated ? buildTimes.params.initialTimeoutMs : 10,
        );
        assert.isAtLeast(timeoutMs, buildTimes.estimated ? buildTimes.params.minTimeoutMs : 10);
        assert.isAtMost(buildTimes.recentTimeouts, buildTimes.params.recentCount);
        assert.isAtMost(buildTimes.count, historyLength);
      }
    },
  );
});
