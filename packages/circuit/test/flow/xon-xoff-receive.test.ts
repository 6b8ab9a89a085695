import { assert, describe, it } from "@effect/vitest";
import { Micros } from "../../src/congestion/units.ts";
import type { FlowAnswer } from "../../src/flow/stream-flow.ts";
import { XonRate } from "../../src/flow/units.ts";
import { XonXoffReceive } from "../../src/flow/xon-xoff-receive.ts";
import { badClock, defaults, goodClock } from "./support.ts";

const cell = 498;
const limit = defaults.xoffExitBytes;

/** One end of a stream and the buffer before its application. */
class End {
  readonly receive: XonXoffReceive;
  readonly answers: Array<FlowAnswer> = [];
  buffered = 0;
  now = 0;

  constructor(clock = goodClock) {
    this.receive = new XonXoffReceive(defaults, limit, clock);
  }

  /** The answers since the last call. */
  said(): ReadonlyArray<FlowAnswer> {
    return this.answers.splice(0);
  }

  comes(bytes: number): void {
    for (let left = bytes; left > 0; left -= cell) {
      this.buffered += Math.min(cell, left);
      this.note(this.receive.onDataReceived(this.buffered, Micros(this.now)));
    }
  }

  takes(bytes: number): void {
    const taken = Math.min(bytes, this.buffered);
    this.buffered -= taken;
    this.note(this.receive.onDrained(taken, this.buffered, Micros(this.now)));
  }

  /** The application takes at a rate, in bytes per millisecond, while something is buffered. */
  drains(rate: number, milliseconds: number): void {
    for (let ms = 0; ms < milliseconds && this.buffered > 0; ms++) {
      this.now += 1000;
      this.takes(rate);
    }
  }

  private note(answer: FlowAnswer | undefined): void {
    if (answer !== undefined) this.answers.push(answer);
  }
}

/** An end that has sent an XOFF. */
const stopped = (clock = goodClock): End => {
  const end = new End(clock);
  end.comes(limit + cell);
  end.now += 5001;
  end.comes(cell);
  assert.deepStrictEqual(end.said(), [{ _tag: "Xoff" }]);
  return end;
};

describe("XonXoffReceive", () => {
  it("sends nothing while the application keeps up", () => {
    const end = new End();
    for (let turn = 0; turn < 5000; turn++) {
      end.comes(20 * cell);
      end.now += 1000;
      end.takes(20 * cell);
    }
    assert.deepStrictEqual(end.said(), []);
  });

  it("sends an XOFF when more than the threshold has waited for longer than 5 ms", () => {
    const end = new End();
    end.comes(limit);
    end.now += 50_000;
    end.comes(cell);
    assert.deepStrictEqual(end.said(), []);
    end.now += 5000;
    end.comes(cell);
    assert.deepStrictEqual(end.said(), []);
    end.now += 1;
    end.comes(cell);
    assert.deepStrictEqual(end.said(), [{ _tag: "Xoff" }]);
  });

  it("spares an application that had no turn yet, but takes when it has", () => {
    const end = new End();
    end.comes(limit + 3 * cell);
    end.now += 4000;
    end.takes(4 * cell);
    end.comes(cell);
    end.comes(10 * cell);
    end.now += 4000;
    end.comes(cell);
    assert.deepStrictEqual(end.said(), []);
  });

  it("sends one XOFF, and an XON only when everything was taken", () => {
    const end = stopped();
    end.now += 1_000_000;
    end.comes(100 * cell);
    end.takes(end.buffered - 1);
    assert.deepStrictEqual(end.said(), []);
    end.takes(1);
    assert.deepStrictEqual(
      end.said().map(({ _tag }) => _tag),
      ["Xon"],
    );
    end.comes(cell);
    end.takes(cell);
    assert.deepStrictEqual(end.said(), []);
  });

  it("tells in the XON how fast the application takes, in kilobytes per second", () => {
    const end = stopped();
    end.comes(700 * cell);
    end.drains(500, 100_000);
    const [answer] = end.said();
    assert.strictEqual(answer?._tag, "Xon");
    // 500 bytes per millisecond are 500 kilobytes per second.
    assert.approximately(answer?._tag === "Xon" ? answer.rate : 0, 500, 10);
  });

  it("gives no rate when there was not enough to measure, or the clock is not to be trusted", () => {
    const end = stopped();
    end.takes(end.buffered);
    assert.deepStrictEqual(end.said(), [{ _tag: "Xon", rate: XonRate(0) }]);

    const suspicious = stopped(badClock);
    suspicious.comes(3000 * cell);
    suspicious.drains(500, 100_000);
    assert.deepStrictEqual(suspicious.said(), [{ _tag: "Xon", rate: XonRate(0) }]);
  });

  /** An end whose last XON said 500 kilobytes per second. */
  const advertised = (): End => {
    const end = stopped();
    end.comes(700 * cell);
    end.drains(500, 100_000);
    assert.lengthOf(end.said(), 1);
    return end;
  };

  /** Lets the buffer stay filled at some cells for a while, in which the application takes at the rate. */
  const busy = (end: End, rate: number, milliseconds: number): void => {
    end.comes(100 * cell);
    for (let ms = 0; ms < milliseconds; ms++) {
      end.now += 1000;
      end.takes(rate);
      end.comes(rate);
    }
  };

  it("counts the time in which the application takes nothing at all", () => {
    const end = stopped();
    end.now += 10_000_000;
    end.comes(700 * cell);
    end.drains(500, 100_000);
    const [answer] = end.said();
    // Two measurements: 250 kB in more than ten seconds, then 500 kilobytes per second.
    assert.isBelow(answer?._tag === "Xon" ? answer.rate : Number.POSITIVE_INFINITY, 400);
  });

  it("forgets the rate at an XOFF: it was wrong", () => {
    const end = advertised();
    end.comes(limit + cell);
    end.now += 5001;
    end.comes(cell);
    end.takes(end.buffered);
    assert.deepStrictEqual(end.said(), [{ _tag: "Xoff" }, { _tag: "Xon", rate: XonRate(0) }]);
  });

  it("sends another XON when the rate has changed by more than a quarter", () => {
    const slower = advertised();
    busy(slower, 200, 10_000);
    const rates = slower.said().map((answer) => (answer._tag === "Xon" ? answer.rate : answer._tag));
    assert.isAtLeast(rates.length, 1);
    assert.approximately(Number(rates.at(-1)), 200, 60);

    const same = advertised();
    busy(same, 520, 10_000);
    assert.deepStrictEqual(same.said(), []);
  });

  it("sends no XON more often than cc_xon_rate cells come in", () => {
    const end = advertised();
    let came = 0;
    let xons = 0;
    for (let turn = 0; turn < 20_000; turn++) {
      // A rate that is never the same.
      const rate = turn % 2000 < 1000 ? 100 : 3000;
      end.comes(rate);
      came += rate;
      end.now += 1000;
      end.takes(turn % 50 === 0 ? end.buffered : rate);
      xons += end.said().filter(({ _tag }) => _tag === "Xon").length;
    }
    assert.isAtLeast(xons, 1);
    assert.isAtMost(xons * defaults.xonRateBytes, came);
  });

  it("doubles the rate while the application empties the buffer at once", () => {
    const end = advertised();
    const rates: Array<number> = [];
    for (let turn = 0; turn < 2000; turn++) {
      end.comes(cell);
      end.now += 10;
      end.takes(cell);
      for (const answer of end.said()) if (answer._tag === "Xon") rates.push(answer.rate);
    }
    assert.isAtLeast(rates.length, 2);
    for (const [index, rate] of rates.entries()) assert.isAbove(rate, index === 0 ? 900 : rates[index - 1]! * 1.9);
  });

  it("works from time zero on", () => {
    const end = new End();
    assert.strictEqual(end.now, 0);
    end.comes(2000 * cell);
    end.now = 5001;
    end.comes(cell);
    assert.deepStrictEqual(end.said(), [{ _tag: "Xoff" }]);
  });
});
