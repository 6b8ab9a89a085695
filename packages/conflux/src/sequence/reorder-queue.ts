import { MAX_LANES } from "../limits.ts";
import { NO_LEG } from "../no-leg.ts";
import { TrainQueue } from "./train-queue.ts";

/** The trains that wait of those that came on one leg in order, so that the first is always the one with the lowest number. */
export interface Lane<T> {
  lane: number;
  readonly trains: TrainQueue<T>;
}

/**
 * Trains that came before others with lower numbers: a queue for each lane, which is a leg until its numbers go back. Cells of a leg that has ended stay until what they
 * wait for has come. Bounded in bytes and in lanes.
 */
export class ReorderQueue<T> {
  /** Bytes that wait. */
  bytes = 0;
  /** Trains that wait. */
  trains = 0;
  readonly limit: number;
  readonly lanes: Array<Lane<T>> = [];

  constructor(limit: number) {
    this.limit = limit;
  }

  /** The arrival of the oldest train that waits: who is to be ended first when memory runs out (proposal 329, 4.1). */
  get oldest(): number | undefined {
    let oldest: number | undefined;
    for (const { trains } of this.lanes) {
      if (trains.size === 0) continue;
      const arrival = trains.markAt(0);
      if (oldest === undefined || arrival < oldest) oldest = arrival;
    }
    return oldest;
  }

  /** Whether a train of so many bytes may wait. */
  fits(lane: number, bytes: number): boolean {
    return this.bytes + bytes <= this.limit && this.laneOf(lane) !== undefined;
  }

  /** Puts a train behind those of its lane. Ask `fits` first. */
  push(number: number, first: number, cells: number, bytes: number, arrival: number, payload: T): void {
    const lane = this.laneOf(number);
    if (lane === undefined) throw new RangeError(`no lane ${number}`);
    lane.lane = number;
    lane.trains.push(first, cells, bytes, arrival, payload);
    this.bytes += bytes;
    this.trains++;
  }

  /** Takes the first train of a lane out. */
  shift(lane: Lane<T>): void {
    this.bytes -= lane.trains.bytesAt(0);
    this.trains--;
    lane.trains.shift();
    if (lane.trains.size === 0) lane.lane = NO_LEG;
  }

  /** Lets go of everything: the set has ended. */
  clear(): void {
    for (const lane of this.lanes) {
      lane.trains.clear();
      lane.lane = NO_LEG;
    }
    this.bytes = 0;
    this.trains = 0;
  }

  /** The lane of this number, or one that is free. */
  private laneOf(number: number): Lane<T> | undefined {
    let free: Lane<T> | undefined;
    for (const lane of this.lanes) {
      if (lane.lane === number) return lane;
      if (lane.lane === NO_LEG) free = lane;
    }
    if (free !== undefined || this.lanes.length >= MAX_LANES) return free;
    const lane = { lane: NO_LEG, trains: new TrainQueue<T>() };
    this.lanes.push(lane);
    return lane;
  }
}
