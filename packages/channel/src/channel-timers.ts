import type { ChannelUsage } from "./padding.ts";
import {
  BUSY_KEEPER_PERIOD_MILLIS,
  KEEPALIVE_PERIOD_MILLIS,
  KEEPER_PERIOD_MILLIS,
  STUCK_TIMEOUT_MILLIS,
} from "./timeouts.ts";

/** What a channel's timers look at. Times are milliseconds of one clock. */
export interface ChannelState {
  readonly circuits: number;
  /** When the last circuit left, or the channel opened. */
  readonly idleSince: number;
  readonly lastTransfer: number;
  readonly lastSent: number;
  readonly usage: ChannelUsage;
  /** Whether cells wait to be given to the connection. */
  readonly waiting: boolean;
  /** Bytes that the connection has not got rid of. */
  readonly pending: number;
}

/** What is due: the channel is to be closed, or a padding cell to be sent. */
export type ChannelDue = "idle" | "stuck" | "padding";

/** Where timers get their times from. */
export interface ChannelTimerOptions {
  readonly idleTimeoutMillis: () => number;
  /** When a padding cell is due, see `ChannelPadding.deadline`. */
  readonly paddingDeadline: (lastTransfer: number, usage: ChannelUsage) => number | undefined;
}

// | timer | runs from | while | then |
// | --- | --- | --- | --- |
// | idle | the last circuit's end | there is no circuit | the channel closes |
// | stuck | the last bytes given to the connection | it has not got rid of them | the channel closes |
// | padding | the last transfer in either direction | nothing waits | a padding cell |
// | keepalive | the last bytes sent | nothing waits | a padding cell |

/** The deadlines of one channel, as data: the keeper sleeps until the earliest. */
export class ChannelTimers {
  private readonly options: ChannelTimerOptions;

  constructor(options: ChannelTimerOptions) {
    this.options = options;
  }

  /** What is due now, if anything. */
  due(now: number, state: ChannelState): ChannelDue | undefined {
    if (now >= this.idleAt(state)) return "idle";
    if (now >= stuckAt(state)) return "stuck";
    return now >= this.padAt(state) ? "padding" : undefined;
  }

  /** How long the keeper may sleep, in milliseconds, at least 1. */
  sleep(now: number, state: ChannelState): number {
    const period = isBusy(state) ? BUSY_KEEPER_PERIOD_MILLIS : KEEPER_PERIOD_MILLIS;
    const next = Math.min(this.idleAt(state), stuckAt(state), this.padAt(state), now + period);
    return Math.max(1, next - now);
  }

  private idleAt(state: ChannelState): number {
    return state.circuits > 0 ? Number.POSITIVE_INFINITY : state.idleSince + this.options.idleTimeoutMillis();
  }

  private padAt(state: ChannelState): number {
    if (isBusy(state)) return Number.POSITIVE_INFINITY;
    const paddingAt = this.options.paddingDeadline(state.lastTransfer, state.usage);
    return Math.min(state.lastSent + KEEPALIVE_PERIOD_MILLIS, paddingAt ?? Number.POSITIVE_INFINITY);
  }
}

const isBusy = (state: ChannelState): boolean => state.waiting || state.pending > 0;

const stuckAt = (state: ChannelState): number =>
  state.pending > 0 ? state.lastSent + STUCK_TIMEOUT_MILLIS : Number.POSITIVE_INFINITY;
