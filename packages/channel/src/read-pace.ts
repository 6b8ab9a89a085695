import { READ_PAUSE_MILLIS } from "./timeouts.ts";

// A relay that looks at a socket as soon as there is anything to read wakes up for every few cells: its peers write in bursts,
// and it is quick enough to meet each burst several times. A wake from idle finds cold caches and costs more than the cells
// that it moves. So a socket that brought a bulk of bytes is left alone for a moment, while the rest of the burst gathers in
// the kernel. What interactive streams send is below the bulk, and read at once.

/** What can rest: it stops reading by itself, and is told when to go on. */
export interface Resting {
  /** Whether it has brought so much since it last went on that there must be more. */
  readonly overflowing: boolean;
  readonly goOn: () => void;
}

/** Lets sockets rest together, so that they also wake together: at the ticks of a clock that stands still while none rests. */
export class ReadPace {
  private tired: Array<Resting> = [];
  private resting: Array<Resting> = [];
  private scheduled = false;
  private ticking = false;
  private timer: NodeJS.Timeout | undefined;

  /** Calls `goOn` once: at the next tick, or in the next turn of the event loop if the socket has more than one turn can bring. */
  rest(reader: Resting): void {
    this.tired.push(reader);
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(this.sort);
  }

  private readonly sort = (): void => {
    this.scheduled = false;
    const { tired } = this;
    this.tired = [];
    for (const reader of tired) {
      if (reader.overflowing) reader.goOn();
      else this.resting.push(reader);
    }
    if (this.ticking || this.resting.length === 0) return;
    this.ticking = true;
    if (this.timer === undefined) this.timer = setTimeout(this.tick, READ_PAUSE_MILLIS);
    else this.timer.refresh();
  };

  private readonly tick = (): void => {
    const { resting, timer } = this;
    this.ticking = resting.length > 0;
    if (!this.ticking) return;
    this.resting = [];
    // Asked for again from within: the platform then keeps its list of timers of this length, which is dear to make.
    timer?.refresh();
    for (const reader of resting) reader.goOn();
  };
}

/** The pace of all sockets of the process. */
export const readPace = new ReadPace();

/** Bytes from which a socket's reading counts as bulk: eight cells. */
export const BULK_BYTES = 4_096;

/** A socket that brought this much in a turn, of the 64 KiB that the platform reads at once, has more. */
export const FULL_BYTES = 48 * 1_024;
