import type { Channel } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { ChannelTotals } from "../src/channel-totals.ts";
import { HISTORY_PERIOD_MILLIS, HISTORY_PERIODS, ROLLING_SECONDS, TrafficMeter } from "../src/index.ts";

/** A channel of which nothing is there but its counters. */
const channelWith = () => {
  const counters = { ...new ChannelTotals().totals };
  return { channel: { counters } as unknown as Channel, counters };
};

const DAY = 24 * 3_600_000;

describe("what a relay has carried", () => {
  it("is what its channels counted, those that are gone too, and nothing twice", () => {
    const meter = new TrafficMeter(0);
    const first = channelWith();
    const second = channelWith();
    Object.assign(first.counters, { bytesIn: 10, bytesOut: 20, strayCells: 1 });
    Object.assign(second.counters, { bytesIn: 100, bytesOut: 200, droppedCreates: 3, refusedCreates: 2 });
    meter.tick([first.channel, second.channel], 1_000);
    meter.tick([first.channel, second.channel], 2_000);
    first.counters.bytesIn += 5;
    first.counters.strayCells += 1;
    meter.channels.forget(first.channel);
    meter.tick([second.channel], 3_000);
    assert.deepStrictEqual(meter.channels.totals, {
      bytesIn: 115,
      bytesOut: 220,
      strayCells: 2,
      droppedCreates: 3,
      refusedCreates: 2,
    });
    assert.deepStrictEqual(meter.totals, { read: 115, written: 220 });
  });

  it("claims the most of any ten seconds in the direction that was less, until that is five days ago", () => {
    const meter = new TrafficMeter(0);
    const { channel, counters } = channelWith();
    let now = 0;
    const second = (read: number, written: number): void => {
      counters.bytesIn += read;
      counters.bytesOut += written;
      now += 1_000;
      meter.tick([channel], now);
    };
    second(0, 0);
    for (let count = 0; count < ROLLING_SECONDS; count++) second(900, 700);
    assert.strictEqual(meter.observed, 700);
    for (let count = 0; count < ROLLING_SECONDS; count++) second(100, 5_000);
    // Ten seconds across both: the less of 9 · 900 + 100 read and 9 · 700 + 5000 written.
    assert.strictEqual(meter.observed, 820);
    const at = now;
    for (; now < at + 5 * DAY; ) second(50, 50);
    for (let count = 0; count < 60; count++) second(50, 50);
    assert.strictEqual(meter.observed, 50);
  });

  it("has a history of five days, a period for each", () => {
    const meter = new TrafficMeter(0);
    const { channel, counters } = channelWith();
    for (let day = 1; day <= HISTORY_PERIODS + 2; day++) {
      counters.bytesIn += day;
      counters.bytesOut += day * 10;
      meter.tick([channel], day * HISTORY_PERIOD_MILLIS);
    }
    assert.deepStrictEqual(
      meter.history,
      [3, 4, 5, 6, 7].map((day) => ({ end: day * HISTORY_PERIOD_MILLIS, read: day, written: day * 10 })),
    );
  });
});
