import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { Random } from "../../../../test/support/fuzz.ts";
import type { CongestionControl } from "../../src/congestion/control.ts";
import { congestionControl } from "../../src/congestion/make.ts";
import { congestionParamTable } from "../../src/congestion/param-table.ts";
import type { CongestionParams } from "../../src/congestion/params.ts";
import { receiveAccount } from "../../src/congestion/receive-account.ts";
import { Micros } from "../../src/congestion/units.ts";
import { vegas } from "../../src/congestion/vegas.ts";
import { runPath } from "./circuit-path.ts";
import { consensus, defaults, problemOf, tagOf } from "./support.ts";

const open = { channelBlocked: false };

/** Sends cells from number `first` on, at one time. */
const send = (control: CongestionControl, cells: number, first: number, atUs: number): void => {
  for (let cell = first; cell < first + cells; cell++) {
    if (control.onCellSent(Micros(atUs))) control.rememberTag(tagOf(cell));
  }
};

describe("Vegas", () => {
  it("begins with cc_cwnd_init and grows with what is acknowledged", () => {
    const control = vegas(defaults().vegas);
    assert.strictEqual(control.room(), 124);
    assert.isTrue(control.view.inSlowStart);
    assert.isUndefined(control.view.rttUs);
    send(control, 124, 1, 1000);
    assert.strictEqual(control.room(), 0);
    control.onSendme(1, tagOf(31), Micros(101_000), open);
    assert.strictEqual(control.view.cwnd, 155);
    assert.strictEqual(control.view.inflight, 93);
    assert.strictEqual(control.room(), 62);
    assert.strictEqual(control.view.room, 62);
    assert.strictEqual(control.view.rttUs, 100_000);
    assert.strictEqual(control.view.minRttUs, 100_000);
  });

  it("measures each round trip from the cell that the SENDME answers", () => {
    const control = vegas(defaults().vegas);
    send(control, 31, 1, 1000);
    send(control, 31, 32, 51_000);
    control.onSendme(1, tagOf(31), Micros(101_000), open);
    assert.strictEqual(control.view.rttUs, 100_000);
    control.onSendme(1, tagOf(62), Micros(101_000), open);
    assert.strictEqual(control.view.rttUs, 66_666);
  });

  it("has no room, rather than a negative one, when the window shrinks below what is in flight", () => {
    const control = vegas(consensus({ cc_cwnd_init: 1000 }).vegas);
    send(control, 1000, 1, 0);
    control.onSendme(1, tagOf(31), Micros(1000), open);
    control.onSendme(1, tagOf(62), Micros(900_000), open);
    assert.isFalse(control.view.inSlowStart);
    assert.isBelow(control.view.cwnd, control.view.inflight);
    assert.strictEqual(control.room(), 0);
    assert.strictEqual(control.view.room, 0);
  });

  it("counts a SENDME when the clock stands still, and learns nothing else from it", () => {
    const control = vegas(defaults().vegas);
    send(control, 124, 1, 1000);
    control.onSendme(1, tagOf(31), Micros(1000), open);
    assert.strictEqual(control.view.inflight, 93);
    assert.strictEqual(control.view.cwnd, 124);
    assert.isUndefined(control.view.rttUs);
    assert.isFalse(control.view.clockReliable);
  });

  it("refuses what fixed windows refuse", () => {
    const control = vegas(consensus({ sendme_accept_min_version: 1 }).vegas);
    send(control, 30, 1, 0);
    assert.strictEqual(
      problemOf(() => control.onSendme(1, tagOf(30), Micros(9), open)),
      "sendme-unexpected",
    );
    send(control, 1, 31, 0);
    assert.strictEqual(
      problemOf(() => control.onSendme(1, tagOf(30), Micros(9), open)),
      "sendme-tag",
    );
    assert.strictEqual(
      problemOf(() => control.onSendme(0, undefined, Micros(9), open)),
      "sendme-version",
    );
    control.onSendme(1, tagOf(31), Micros(9), open);
    assert.strictEqual(control.view.inflight, 0);
  });

  it("keeps tags and times in order over many windows", () => {
    const control = vegas(defaults().vegas);
    let sent = 0;
    for (let acked = 31; acked < 31 * 500; acked += 31) {
      const cells = control.room();
      send(control, cells, sent + 1, acked * 100);
      sent += cells;
      control.onSendme(1, tagOf(acked), Micros(acked * 100 + 50_000), open);
    }
    assert.strictEqual(control.view.inflight, sent - 31 * 499);
  });

  it("has a view that nobody can change", () => {
    const { view } = vegas(defaults().vegas);
    assert.throws(() => Object.assign(view, { cwnd: 5 }), TypeError);
    assert.strictEqual(view.algorithm, "vegas");
  });
});

describe("Vegas on a path", () => {
  it("fills a bottleneck of 2 cells per millisecond and 100 ms, and keeps its queue between alpha and delta", () => {
    const { vegas: params } = defaults();
    const control = vegas(params);
    const result = runPath(control, receiveAccount(params), {
      cells: 60_000,
      oneWayUs: () => 50_000,
      serviceUs: () => 500,
    });
    assert.strictEqual(result.delivered, 60_000);
    // 60 000 cells take 30 s at least; the rest is slow start.
    assert.isBelow(result.endedAtUs, 1_000_000 + 31_000_000);
    assert.isAtMost(result.queueMax, params.delta);
    assert.isAtLeast(result.queueMin, params.alpha - 2 * params.sendmeInc);
    // The lowest round trip is that of the first SENDME: its 31 cells take 15.5 ms to get through.
    assert.strictEqual(control.view.minRttUs, 115_500);
  });

  it("backs off from a channel that stays blocked", () => {
    const { vegas: params } = defaults();
    const control = vegas(params);
    runPath(control, receiveAccount(params), {
      cells: 60_000,
      oneWayUs: () => 50_000,
      serviceUs: () => 500,
      blocked: () => true,
    });
    assert.isBelow(control.view.cwnd, 200);
  });

  /** A consensus with random values, in range and out of it. */
  const randomConsensus = (random: Random): CongestionParams => {
    const values: Record<string, number> = {};
    for (const [name, range] of Object.entries(congestionParamTable)) {
      // A network that accepts no version of SENDME that there is stands still, and should.
      if (random.oneIn(3) || name === "sendme_accept_min_version") continue;
      const span = Math.min(range.max - range.min, 2000);
      values[name] = random.pick([range.min, range.min - 1, range.min + random.below(span + 1), range.default]);
    }
    return consensus(values, random.pick(["exit", "onion", "sbws"]));
  };

  it.prop("never stands still and keeps its bounds, whatever consensus and path", { seed: Schema.Int }, ({ seed }) => {
    const random = new Random(seed);
    const params = randomConsensus(random);
    const agreed = random.oneIn(4) ? params.fixedWindow : params.vegas;
    const control = congestionControl(agreed);
    const jitter = random.pick([0, 1, 1000, 300_000]);
    const oneWay = random.pick([0, 10, 30_000, 2_000_000]);
    const service = random.pick([0.5, 20, 500, 20_000]);
    const blockedOneIn = random.pick([1, 2, 1_000_000]);
    const cells = 3000;
    const result = runPath(control, receiveAccount(agreed), {
      cells,
      oneWayUs: () => oneWay + random.below(jitter + 1),
      serviceUs: () => service,
      blocked: () => random.oneIn(blockedOneIn),
      watch: () => {
        const { cwnd, inflight, room } = control.view;
        const bounded = agreed.algorithm !== "vegas" || (cwnd >= agreed.sendmeInc && cwnd <= agreed.cwndMax);
        if (bounded && inflight >= 0 && room === Math.max(cwnd - inflight, 0) && Number.isInteger(cwnd)) return;
        assert.fail(`cwnd ${cwnd}, inflight ${inflight}, room ${room}`);
      },
    });
    assert.strictEqual(result.delivered, cells);
    assert.isBelow(control.view.inflight, control.sendmeInc);
  });
});
