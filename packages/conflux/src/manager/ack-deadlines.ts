import type { Micros } from "@allium/circuit";
import type { Leg } from "../set/leg.ts";

/** Legs that wait for LINKED_ACK, and until when. All wait equally long, so the first that came is the first that is late. */
export class AckDeadlines {
  private readonly due = new Map<Leg, Micros>();

  get size(): number {
    return this.due.size;
  }

  /** LINKED was sent on a leg. It is forgotten when its handshake is done, or it ends. */
  add(leg: Leg): void {
    const { deadlineUs } = leg.machine;
    // One that has ended was told already that it is settled.
    if (deadlineUs === undefined || leg.hasEnded) return;
    this.due.set(leg, deadlineUs);
    leg.onSettled = () => this.due.delete(leg);
  }

  /** When the next one is late. */
  get next(): Micros | undefined {
    for (const at of this.due.values()) return at;
    return undefined;
  }

  /** Takes those out that are late. */
  takeLate(now: Micros): ReadonlyArray<Leg> {
    const late: Array<Leg> = [];
    for (const [leg, at] of this.due) {
      if (at > now) break;
      this.due.delete(leg);
      late.push(leg);
    }
    return late;
  }
}
