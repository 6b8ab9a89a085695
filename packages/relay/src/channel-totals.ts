import type { Channel, ChannelCounters } from "@allium/channel";

/** What channels count that is added up for all of them, those that are gone too. */
export type ChannelTotal = "bytesIn" | "bytesOut" | "strayCells" | "droppedCreates" | "refusedCreates";

const zeros = (): Record<ChannelTotal, number> => ({
  bytesIn: 0,
  bytesOut: 0,
  strayCells: 0,
  droppedCreates: 0,
  refusedCreates: 0,
});

/** Adds up what channels have counted. Pure: told of channels now and then, and of each before it goes. */
export class ChannelTotals {
  private readonly total = zeros();
  private readonly seen = new Map<Channel, Record<ChannelTotal, number>>();

  /** Since the start, up to when each channel was last noted. */
  get totals(): Readonly<Record<ChannelTotal, number>> {
    return this.total;
  }

  /** Takes in what a channel has counted since it was noted last. */
  note(channel: Channel): void {
    let before = this.seen.get(channel);
    if (before === undefined) {
      before = zeros();
      this.seen.set(channel, before);
    }
    const now: ChannelCounters = channel.counters;
    for (const name of NAMES) {
      this.total[name] += now[name] - before[name];
      before[name] = now[name];
    }
  }

  /** A channel is gone: takes in its last, and keeps nothing of it. */
  forget(channel: Channel): void {
    this.note(channel);
    this.seen.delete(channel);
  }
}

const NAMES = Object.keys(zeros()) as ReadonlyArray<ChannelTotal>;
