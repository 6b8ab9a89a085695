import type { Channel } from "@allium/channel";
import { Clock, Effect } from "effect";
import { ChannelTotals } from "./channel-totals.ts";

/** Bytes that crossed the relay's channels. */
export interface Traffic {
  readonly read: number;
  readonly written: number;
}

/** One finished period of {@link TrafficMeter.history}. */
export interface TrafficPeriod extends Traffic {
  /** Milliseconds since the epoch at which it ended. */
  readonly end: number;
}

/** Seconds over which the observed bandwidth is averaged, as `tor`'s NUM_SECS_ROLLING_MEASURE. */
export const ROLLING_SECONDS = 10;

/** Length of a history period, as `tor`'s NUM_SECS_BW_SUM_INTERVAL. */
export const HISTORY_PERIOD_MILLIS = 24 * 3_600_000;

/** History periods that are kept and published. */
export const HISTORY_PERIODS = 5;

/** Days over which the largest observation counts. */
const OBSERVATION_MILLIS = 5 * 24 * 3_600_000;

/**
 * Measures what the relay carries: the totals, the history that its extra-info document reports, and the bandwidth that its
 * descriptor claims, which is the most that it carried in any ten seconds of the last days, in the direction that was less
 * (dir-spec 2.1.1, `bandwidth`). Pure: told of channels once a second.
 */
export class TrafficMeter {
  /** What it measures. Others may look into it. */
  readonly channels = new ChannelTotals();
  private readonly lastSeconds: Array<Traffic> = [];
  private best: { read: number; written: number; at: number } = { read: 0, written: 0, at: 0 };
  private periodStart: number;
  private periodBase: Traffic = { read: 0, written: 0 };
  private readonly periods: Array<TrafficPeriod> = [];

  /** @param now milliseconds since the epoch */
  constructor(now: number) {
    this.periodStart = now;
    this.best.at = now;
  }

  /** Bytes since the start. */
  get totals(): Traffic {
    const { bytesIn, bytesOut } = this.channels.totals;
    return { read: bytesIn, written: bytesOut };
  }

  /** Bytes per second that the relay has been seen to carry. */
  get observed(): number {
    return Math.floor(Math.min(this.best.read, this.best.written) / ROLLING_SECONDS);
  }

  /** The finished periods, oldest first. */
  get history(): ReadonlyArray<TrafficPeriod> {
    return this.periods;
  }

  /** A second has passed. */
  tick(channels: ReadonlyArray<Channel>, now: number): void {
    for (const channel of channels) this.channels.note(channel);
    const total = this.totals;
    this.lastSeconds.push(total);
    if (this.lastSeconds.length > ROLLING_SECONDS) {
      const before = this.lastSeconds.shift() as Traffic;
      const read = total.read - before.read;
      const written = total.written - before.written;
      const stale = now - this.best.at > OBSERVATION_MILLIS;
      if (stale || Math.min(read, written) > Math.min(this.best.read, this.best.written)) {
        this.best = { read, written, at: now };
      }
    }
    if (now - this.periodStart < HISTORY_PERIOD_MILLIS) return;
    this.periods.push({
      end: this.periodStart + HISTORY_PERIOD_MILLIS,
      read: total.read - this.periodBase.read,
      written: total.written - this.periodBase.written,
    });
    if (this.periods.length > HISTORY_PERIODS) this.periods.shift();
    this.periodStart += HISTORY_PERIOD_MILLIS;
    this.periodBase = total;
  }
}

/** The background task that feeds the meter. */
export const measureTraffic = (meter: TrafficMeter, channels: () => ReadonlyArray<Channel>): Effect.Effect<never> =>
  Effect.gen(function* () {
    for (;;) {
      yield* Effect.sleep("1 second");
      meter.tick(channels(), yield* Clock.currentTimeMillis);
    }
  });
