import { assert, describe, it } from "@effect/vitest";
import type { VegasParams } from "../../src/congestion/params.ts";
import { Micros } from "../../src/congestion/units.ts";
import { VegasWindow } from "../../src/congestion/vegas-window.ts";
import { consensus, defaults } from "./support.ts";

/**
 * sent_usec_in, got_sendme_usec_in, or_conn_blocked_in, inflight_in, ewma_rtt_usec_out, min_rtt_usec_out, cwnd_out,
 * in_slow_start_out, cwnd_full_out, blocked_chan_out
 */
type Step = readonly [number, number, number, number, number, number, number, number, number, number];

const run = (steps: ReadonlyArray<Step>): void => {
  const window = new VegasWindow(defaults().vegas);
  for (const [index, step] of steps.entries()) {
    const [sent, received, blocked, inflight, smoothed, min, cwnd, inSlowStart, full, channelBlocked] = step;
    window.onAck(Micros(sent), Micros(received), inflight, { channelBlocked: blocked === 1 });
    assert.deepStrictEqual(
      {
        ewma_rtt_usec: window.rtt.smoothedUs,
        min_rtt_usec: window.rtt.minUs,
        cwnd: window.cwnd,
        in_slow_start: window.inSlowStart,
        cwnd_full: window.full,
        blocked_chan: window.channelBlocked,
      },
      {
        ewma_rtt_usec: smoothed,
        min_rtt_usec: min,
        cwnd,
        in_slow_start: inSlowStart === 1,
        cwnd_full: full === 1,
        blocked_chan: channelBlocked === 1,
      },
      `step ${index}`,
    );
  }
};

// Test vectors of `tor` 0.4.8, src/test/test_congestion_control.c (the same as in Arti, crates/tor-proto/src/congestion/vegas.rs).
describe("test_congestion_control_vegas_cwnd", () => {
  it("vect1: round trip edge cases, exit of slow start by round trips, full and not full", () => {
    run([
      [100000, 200000, 0, 124, 100000, 100000, 155, 1, 0, 0],
      [200000, 300000, 0, 155, 100000, 100000, 186, 1, 1, 0],
      [350000, 500000, 0, 186, 133333, 100000, 217, 1, 1, 0],
      [500000, 550000, 0, 217, 77777, 77777, 248, 1, 1, 0],
      [600000, 700000, 0, 248, 92592, 77777, 279, 1, 1, 0],
      [700000, 750000, 0, 279, 64197, 64197, 310, 1, 0, 0], // Fullness expiry
      [750000, 875000, 0, 310, 104732, 64197, 341, 1, 1, 0],
      [875000, 900000, 0, 341, 51577, 51577, 372, 1, 1, 0],
      [900000, 950000, 0, 279, 50525, 50525, 403, 1, 1, 0],
      [950000, 1000000, 0, 279, 50175, 50175, 434, 1, 1, 0],
      [1000000, 1050000, 0, 279, 50058, 50058, 465, 1, 1, 0],
      [1050000, 1100000, 0, 279, 50019, 50019, 496, 1, 1, 0],
      [1100000, 1150000, 0, 279, 50006, 50006, 527, 1, 1, 0],
      [1150000, 1200000, 0, 279, 50002, 50002, 558, 1, 1, 0],
      [1200000, 1250000, 0, 550, 50000, 50000, 589, 1, 1, 0],
      [1250000, 1300000, 0, 550, 50000, 50000, 620, 1, 0, 0], // Fullness expiry
      [1300000, 1350000, 0, 550, 50000, 50000, 635, 1, 1, 0],
      [1350000, 1400000, 0, 550, 50000, 50000, 650, 1, 1, 0],
      [1400000, 1450000, 0, 150, 50000, 50000, 650, 1, 0, 0], // cwnd not full
      [1450000, 1500000, 0, 150, 50000, 50000, 650, 1, 0, 0], // cwnd not full
      [1500000, 1550000, 0, 550, 50000, 50000, 664, 1, 1, 0], // cwnd full
      [1500000, 1600000, 0, 550, 83333, 50000, 584, 0, 1, 0], // gamma exit
      [1600000, 1650000, 0, 550, 61111, 50000, 585, 0, 1, 0], // alpha
      [1650000, 1700000, 0, 550, 53703, 50000, 586, 0, 1, 0],
      [1700000, 1750000, 0, 100, 51234, 50000, 586, 0, 0, 0], // alpha, not full
      [1750000, 1900000, 0, 100, 117078, 50000, 559, 0, 0, 0], // delta, not full
      [1900000, 2000000, 0, 100, 105692, 50000, 558, 0, 0, 0], // beta, not full
      [2000000, 2075000, 0, 500, 85230, 50000, 558, 0, 1, 0], // no change
      [2075000, 2125000, 1, 500, 61743, 50000, 557, 0, 1, 1], // beta, blocked
      [2125000, 2150000, 0, 500, 37247, 37247, 558, 0, 1, 0], // alpha
      [2150000, 2350000, 0, 500, 145749, 37247, 451, 0, 1, 0], // delta
    ]);
  });

  it("vect2: exit of slow start by a blocked channel", () => {
    run([
      [100000, 200000, 0, 124, 100000, 100000, 155, 1, 0, 0],
      [200000, 300000, 0, 155, 100000, 100000, 186, 1, 1, 0],
      [350000, 500000, 0, 186, 133333, 100000, 217, 1, 1, 0],
      [500000, 550000, 1, 217, 77777, 77777, 403, 0, 1, 1], // ss exit, blocked
      [600000, 700000, 0, 248, 92592, 77777, 404, 0, 1, 0], // alpha
      [700000, 750000, 1, 404, 64197, 64197, 403, 0, 0, 1], // blocked beta
      [750000, 875000, 0, 403, 104732, 64197, 404, 0, 1, 0],
    ]);
  });

  it("vect3: real upload 1", () => {
    run([
      [18258527, 19002938, 0, 83, 744411, 744411, 155, 1, 0, 0],
      [18258580, 19254257, 0, 52, 911921, 744411, 186, 1, 1, 0],
      [20003224, 20645298, 0, 164, 732023, 732023, 217, 1, 1, 0],
      [20003367, 21021444, 0, 133, 922725, 732023, 248, 1, 1, 0],
      [20003845, 21265508, 0, 102, 1148683, 732023, 279, 1, 1, 0],
      [20003975, 21429157, 0, 71, 1333015, 732023, 310, 1, 0, 0],
      [20004309, 21707677, 0, 40, 1579917, 732023, 310, 1, 0, 0],
    ]);
  });

  it("vect4: real upload 2", () => {
    run([
      [358297091, 358854163, 0, 83, 557072, 557072, 155, 1, 0, 0],
      [358297649, 359123845, 0, 52, 736488, 557072, 186, 1, 1, 0],
      [359492879, 359995330, 0, 186, 580463, 557072, 217, 1, 1, 0],
      [359493043, 360489243, 0, 217, 857621, 557072, 248, 1, 1, 0],
      [359493232, 360489673, 0, 248, 950167, 557072, 279, 1, 1, 0],
      [359493795, 360489971, 0, 279, 980839, 557072, 310, 1, 0, 0],
      [359493918, 360490248, 0, 310, 991166, 557072, 341, 1, 1, 0],
      [359494029, 360716465, 0, 341, 1145346, 557072, 372, 1, 1, 0],
      [359996888, 360948867, 0, 372, 1016434, 557072, 403, 1, 1, 0],
      [359996979, 360949330, 0, 403, 973712, 557072, 434, 1, 1, 0],
      [360489528, 361113615, 0, 434, 740628, 557072, 465, 1, 1, 0],
      [360489656, 361281604, 0, 465, 774841, 557072, 496, 1, 1, 0],
      [360489837, 361500461, 0, 496, 932029, 557072, 482, 0, 1, 0],
      [360489963, 361500631, 0, 482, 984455, 557072, 482, 0, 1, 0],
      [360490117, 361842481, 0, 482, 1229727, 557072, 481, 0, 1, 0],
    ]);
  });
});

describe("VegasWindow", () => {
  /** A window after so many SENDMEs, each after the same round trip and with a full window. */
  const grown = (params: VegasParams, acks: number): VegasWindow => {
    const window = new VegasWindow(params);
    for (let ack = 0; ack < acks; ack++) {
      window.onAck(Micros(ack), Micros(ack + 1000), window.cwnd, { channelBlocked: false });
    }
    return window;
  };

  it("ends slow start at cc_ss_max in any case", () => {
    const { vegas } = consensus({ cc_ss_max: 500 });
    const window = grown(vegas, 30);
    assert.isFalse(window.inSlowStart);
    assert.isAtLeast(window.cwnd, 500);
    assert.isBelow(window.cwnd, 530);
  });

  it("ends slow start when that has become slower than the steady state", () => {
    const { vegas } = consensus({ cc_cwnd_inc_pct_ss: 1 });
    assert.isFalse(grown(vegas, 1).inSlowStart);
    assert.strictEqual(grown(vegas, 1).cwnd, vegas.cwndInit);
  });

  it("never grows above cc_cwnd_max", () => {
    assert.strictEqual(grown(consensus({ cc_cwnd_max: 500 }).vegas, 200).cwnd, 500);
    assert.strictEqual(new VegasWindow(consensus({ cc_cwnd_max: 500, cc_cwnd_init: 10_000 }).vegas).cwnd, 500);
  });

  it("is never smaller than what one SENDME acknowledges, whatever the consensus says", () => {
    const params = {
      ...consensus({ cc_cwnd_min: 31, cc_cwnd_init: 31, cc_vegas_gamma_exit: 0 }).vegas,
      sendmeInc: 200,
    };
    const window = new VegasWindow(params);
    assert.strictEqual(window.cwnd, 200);
    for (let ack = 0; ack < 100; ack++) {
      window.onAck(Micros(0), Micros(1000 * (ack + 1)), 200, { channelBlocked: true });
      assert.isAtLeast(window.cwnd, 200);
    }
  });

  it("falls back on the queue towards the channel while the clock has never moved", () => {
    const { vegas } = defaults();
    const blocked = new VegasWindow(vegas);
    blocked.onAck(Micros(5), Micros(5), 124, { channelBlocked: true, channelQueue: 50 });
    assert.isFalse(blocked.inSlowStart);
    assert.strictEqual(blocked.cwnd, 124 + vegas.gamma);
    blocked.onAck(Micros(5), Micros(5), 124, { channelBlocked: true, channelQueue: 50 });
    assert.strictEqual(blocked.cwnd, 124 + vegas.gamma - vegas.cwndInc);

    const wide = new VegasWindow(consensus({ cc_cwnd_init: 1000 }).vegas);
    wide.onAck(Micros(5), Micros(5), 1000, { channelBlocked: true, channelQueue: 50 });
    assert.strictEqual(wide.cwnd, 950 + vegas.gamma);

    const open = new VegasWindow(vegas);
    open.onAck(Micros(5), Micros(5), 124, { channelBlocked: false });
    assert.strictEqual(open.cwnd, 124);
    assert.isTrue(open.inSlowStart);
  });

  it("with cc_cwnd_full_per_cwnd=0 has to be full at each update to grow", () => {
    const { vegas } = consensus({ cc_cwnd_full_per_cwnd: 0, cc_cwnd_full_gap: 0 });
    const window = new VegasWindow(vegas);
    const ack = (inflight: number) => window.onAck(Micros(0), Micros(1000), inflight, { channelBlocked: false });
    ack(124);
    assert.strictEqual(window.cwnd, 155);
    ack(124);
    assert.strictEqual(window.cwnd, 155);
    ack(155);
    assert.strictEqual(window.cwnd, 186);
  });

  it("looks at the window at once when the channel blocks and when it opens, and then once per window again", () => {
    const { vegas } = consensus({ cc_cwnd_inc_rate: 1, cc_cwnd_init: 620, cc_cwnd_inc: 10 });
    const window = new VegasWindow(vegas);
    const ack = (rtt: number, channelBlocked: boolean) =>
      window.onAck(Micros(0), Micros(rtt), window.cwnd, { channelBlocked });
    ack(1000, false);
    ack(2000, false);
    assert.isFalse(window.inSlowStart);
    while (window.rtt.smoothedUs > 1005) ack(1000, false);
    const settled = window.cwnd;
    ack(1000, true);
    assert.strictEqual(window.cwnd, settled - 10);
    for (let again = 0; again < 5; again++) ack(1000, true);
    assert.strictEqual(window.cwnd, settled - 10);
    ack(1000, false);
    assert.strictEqual(window.cwnd, settled);
  });
});
