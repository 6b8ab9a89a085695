/** When a queue of handshakes is full, and what takes too long. */
export interface HandshakeQueueLimits {
  /** The wait that the queue may come to, in milliseconds: consensus parameter `MaxOnionQueueDelay`. */
  readonly maxDelayMillis: () => number;
  /** What has waited for this long is dropped, in milliseconds: consensus parameter `onion_queue_wait_cutoff`. */
  readonly cutoffMillis: () => number;
  /** Handshakes that are done at once. */
  readonly concurrency: number;
}

/** Why a handshake was dropped: others had to be let in, or it had waited too long. */
export type HandshakeDrop = "full" | "late";

/** A place in the queue. */
export interface HandshakeTicket<Job> {
  readonly job: Job;
}

interface Entry<Channel, Job> extends HandshakeTicket<Job> {
  readonly lane: Lane<Channel, Job>;
  readonly addedAt: number;
}

/** What one channel has asked for, the oldest first. */
interface Lane<Channel, Job> {
  readonly channel: Channel;
  readonly entries: Set<Entry<Channel, Job>>;
}

/**
 * Handshakes that wait for somebody to do them, as in `tor`'s onion queue, with two differences: channels take turns, and when it is
 * full the channel that has asked for most loses its oldest, instead of whoever comes next. So a flood on one channel costs
 * the others nothing.
 *
 * It is full when all that waits would take longer than the allowed delay, at the speed that has been measured. Each operation costs
 * the same, however many channels and handshakes there are. Pure: times come in as arguments.
 */
export class HandshakeQueue<Channel, Job> {
  private readonly limits: HandshakeQueueLimits;
  private readonly onDropped: (job: Job, why: HandshakeDrop) => void;
  /** In the order of their turns. A lane is there while it is not empty. */
  private readonly lanes = new Map<Channel, Lane<Channel, Job>>();
  /** Lanes by how many entries they have; the index is the number. */
  private readonly byLength: Array<Set<Lane<Channel, Job>>> = [];
  /** The length of the longest lane. */
  private longest = 0;
  private count = 0;
  private done = 0;
  private doneMillis = 0;

  /** @param onDropped told of each handshake that will not be done. It must not block, nor touch the queue. */
  constructor(limits: HandshakeQueueLimits, onDropped: (job: Job, why: HandshakeDrop) => void) {
    this.limits = limits;
    this.onDropped = onDropped;
  }

  /** Handshakes that wait. */
  get size(): number {
    return this.count;
  }

  /** How long it would take to do all that waits, in milliseconds. */
  get delayMillis(): number {
    return (this.count * this.millisEach) / this.limits.concurrency;
  }

  /** What a handshake takes on average, in milliseconds. */
  get millisEach(): number {
    return this.done < ENOUGH_MEASURED ? ASSUMED_MILLIS : this.doneMillis / this.done;
  }

  /** A handshake was done, and took so long. */
  noteDone(millis: number): void {
    this.done += 1;
    this.doneMillis += Math.max(millis, LEAST_MILLIS);
    if (this.done < FORGET_AT) return;
    this.done /= 2;
    this.doneMillis /= 2;
  }

  /** Queues a handshake. If that is too much, one of the channel with most is dropped: it may be this one. */
  add(channel: Channel, job: Job, now: number): HandshakeTicket<Job> {
    let lane = this.lanes.get(channel);
    if (lane === undefined) {
      lane = { channel, entries: new Set() };
      this.lanes.set(channel, lane);
    }
    const entry: Entry<Channel, Job> = { job, lane, addedAt: now };
    lane.entries.add(entry);
    this.moved(lane, lane.entries.size - 1);
    this.count += 1;
    if (this.isFull) this.dropOldestOf(this.byLength[this.longest] as Set<Lane<Channel, Job>>);
    return entry;
  }

  /** The next handshake to do, of the channel whose turn it is. What has waited too long is dropped on the way. */
  take(now: number): Job | undefined {
    const deadline = now - this.limits.cutoffMillis();
    for (const lane of this.lanes.values()) {
      for (const entry of lane.entries) {
        this.leave(entry);
        if (entry.addedAt > deadline) {
          this.toEnd(lane);
          return entry.job;
        }
        this.onDropped(entry.job, "late");
      }
    }
    return undefined;
  }

  /** Takes a handshake out that nobody wants any more. False if it was not there. */
  remove(ticket: HandshakeTicket<Job>): boolean {
    const entry = ticket as Entry<Channel, Job>;
    if (!entry.lane.entries.has(entry)) return false;
    this.leave(entry);
    return true;
  }

  private get isFull(): boolean {
    if (this.count <= ALWAYS_ROOM) return false;
    return this.count > MAX_QUEUED || this.delayMillis > this.limits.maxDelayMillis();
  }

  private dropOldestOf(lanes: Set<Lane<Channel, Job>>): void {
    for (const { entries } of lanes) {
      for (const entry of entries) {
        this.leave(entry);
        this.onDropped(entry.job, "full");
        return;
      }
    }
  }

  private leave(entry: Entry<Channel, Job>): void {
    const { lane } = entry;
    lane.entries.delete(entry);
    this.count -= 1;
    this.moved(lane, lane.entries.size + 1);
    if (lane.entries.size === 0) this.lanes.delete(lane.channel);
  }

  /** The lane has had its turn. */
  private toEnd(lane: Lane<Channel, Job>): void {
    if (lane.entries.size === 0) return;
    this.lanes.delete(lane.channel);
    this.lanes.set(lane.channel, lane);
  }

  /** A lane has become longer or shorter by one. */
  private moved(lane: Lane<Channel, Job>, before: number): void {
    const after = lane.entries.size;
    this.byLength[before]?.delete(lane);
    if (after > 0) {
      this.byLength[after] ??= new Set();
      this.byLength[after].add(lane);
    }
    if (after > this.longest) this.longest = after;
    else if (before === this.longest && this.byLength[before]?.size === 0) this.longest = after;
  }
}

/** So many may always wait, as in `tor`. */
const ALWAYS_ROOM = 50;

/** So many may wait at most, however quick they are done. */
export const MAX_QUEUED = 10_000;

/** Until so many have been measured, each is taken to need a millisecond, as in `tor`. */
const ENOUGH_MEASURED = 100;

const ASSUMED_MILLIS = 1;

/** A clock that stands still must not make the queue endless. */
const LEAST_MILLIS = 0.001;

/** When so many have been measured, older ones count for half. */
const FORGET_AT = 10_000;
