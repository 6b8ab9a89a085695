import type { CongestionControl, ReceiveAccount } from "../../src/congestion/index.ts";
import { Micros } from "../../src/congestion/units.ts";
import { tagOf } from "./support.ts";

/** A circuit with one bottleneck, cells in order, and an end that acknowledges. Times in microseconds. */
export interface PathOptions {
  /** Cells to send altogether. */
  readonly cells: number;
  /** What a cell takes to the other end, and a SENDME back, without queues. */
  readonly oneWayUs: (atUs: number) => number;
  /** What the bottleneck takes for a cell. */
  readonly serviceUs: (atUs: number) => number;
  /** Whether the channel is blocked when a SENDME comes in. */
  readonly blocked?: (atUs: number) => boolean;
  /** Called after everything that happens. */
  readonly watch?: (atUs: number) => void;
}

/** What came of it. */
export interface PathResult {
  readonly endedAtUs: number;
  readonly delivered: number;
  /** The longest and the shortest queue at the bottleneck, cells, while the second half of the cells was sent. */
  readonly queueMax: number;
  readonly queueMin: number;
}

/** Sends cells over a path as fast as congestion control allows. Ends when all arrived, or when nothing moves any more. */
export const runPath = (control: CongestionControl, account: ReceiveAccount, options: PathOptions): PathResult => {
  const { cells, oneWayUs, serviceUs, blocked = () => false, watch = () => {} } = options;
  let nowUs = 1_000_000;
  let sent = 0;
  let delivered = 0;
  let bottleneckFreeAt = 0;
  let sendmeAt = 0;
  let queueMax = 0;
  let queueMin = Number.POSITIVE_INFINITY;
  const sendmes: Array<{ readonly atUs: number; readonly tag: Buffer }> = [];
  for (;;) {
    while (sent < cells && control.room() > 0) {
      sent++;
      if (control.onCellSent(Micros(nowUs))) control.rememberTag(tagOf(sent));
      watch(nowUs);
      // Cells keep their order, so when each arrives can be computed at once.
      bottleneckFreeAt = Math.max(bottleneckFreeAt, nowUs + oneWayUs(nowUs)) + serviceUs(nowUs);
      delivered++;
      if (!account.onCellReceived()) continue;
      account.onSendmeSent();
      sendmeAt = Math.max(sendmeAt, bottleneckFreeAt + oneWayUs(bottleneckFreeAt));
      sendmes.push({ atUs: Math.ceil(sendmeAt), tag: tagOf(delivered) });
    }
    if (sent > cells / 2 && sent < cells) {
      const queue = Math.max(bottleneckFreeAt - nowUs - oneWayUs(nowUs), 0) / serviceUs(nowUs);
      queueMax = Math.max(queueMax, queue);
      queueMin = Math.min(queueMin, queue);
    }
    const sendme = sendmes.shift();
    if (sendme === undefined) return { endedAtUs: nowUs, delivered, queueMax, queueMin };
    nowUs = sendme.atUs;
    control.onSendme(1, sendme.tag, Micros(nowUs), { channelBlocked: blocked(nowUs) });
    watch(nowUs);
  }
};
