import type { ConfluxSet } from "@allium/conflux";
import { type Process, setOf } from "./end.ts";
import { ENDS, type End, otherEnd } from "./plan.ts";
import type { World } from "./world.ts";

/** Looks at the sets of both ends while they live: what must hold between any two things that happen. */
export class Observer {
  /** The set that each end has, or has had. */
  readonly sets: Partial<Record<End, ConfluxSet>> = {};
  /** The most bytes that have waited for cells of other legs at an end. */
  mostHeld = 0;
  private readonly world: World;
  /** By leg, each end's: what it had in flight when it was last looked at, and its window. */
  private readonly windows: Readonly<Record<End, Map<number, { readonly inflight: number; readonly cwnd: number }>>> = {
    initiator: new Map(),
    responder: new Map(),
  };

  constructor(world: World) {
    this.world = world;
  }

  /** A set has ended that had legs left, and had agreed to go on then. */
  get gaveUp(): End | undefined {
    return ENDS.find((end) => {
      const set = this.sets[end];
      return set?.group.cause !== undefined && set.resumes && set.legs.length > 0;
    });
  }

  /** Whether a set has ended by now. */
  get someEnded(): boolean {
    return ENDS.some((end) => this.sets[end]?.group.cause !== undefined);
  }

  look(): void {
    for (const end of ENDS) {
      const process = this.world[end];
      this.lookAtMemory(end, process);
      const set = setOf(process);
      if (set === undefined) continue;
      if (this.sets[end] === undefined) {
        this.sets[end] = set;
        this.world.trace.note(end, "has a set");
      }
      this.lookAtOrder(end, set);
      this.lookAtWindows(end, set);
    }
  }

  /** Nothing happens any more, and the streams are done: nothing may wait, at a set that lives. */
  lookAtRest(): void {
    if (this.someEnded) return;
    for (const end of ENDS) {
      const set = this.sets[end];
      if (set === undefined) continue;
      const { receiver, account, legs, streams, resending } = set;
      if (receiver.queue.trains > 0) this.complain(end, `${receiver.queue.trains} trains wait at rest`);
      // What is less than a SENDME's worth is kept for ever by a set that resumes.
      if (account.bytes !== (resending?.bytes ?? 0)) this.complain(end, `${account.bytes} bytes are charged at rest`);
      if ((streams?.streams.size ?? 0) > 0) this.complain(end, `${streams?.streams.size} streams are left at rest`);
      for (const { leg, flow } of legs) {
        const { packaged, sealed } = flow.budget;
        if (packaged !== sealed) this.complain(end, `leg ${leg} has sealed ${sealed} cells of ${packaged}`);
      }
      const delivered = this.sets[otherEnd(end)]?.receiver.sequence.delivered ?? 0;
      if (set.sending.sent !== delivered) this.complain(end, `${set.sending.sent} cells sent, ${delivered} delivered`);
    }
  }

  private complain(end: End, what: string): void {
    this.world.complain(`${end}: ${what}`);
  }

  /** Memory never passes its bound for longer than a moment. */
  private lookAtMemory(end: End, { quota }: Process): void {
    if (quota.used > quota.limit) this.complain(end, `${quota.used} bytes are held where ${quota.limit} are allowed`);
    if (quota.used < 0) this.complain(end, `${quota.used} bytes are held`);
  }

  /** What waits for its turn is no more than what is under way, and it is charged. */
  private lookAtOrder(end: End, { receiver, account, resumes }: ConfluxSet): void {
    const { bytes } = receiver.queue;
    if (bytes === 0) return;
    this.mostHeld = Math.max(this.mostHeld, bytes);
    const ahead = (this.sets[otherEnd(end)]?.sending.sent ?? 0) - receiver.sequence.delivered;
    // What is sent again may wait twice, until its turn has come.
    if (!resumes && bytes > 2 * CELL_BYTES * ahead) this.complain(end, `${bytes} bytes wait for ${ahead} cells`);
    if (bytes > receiver.queue.limit) this.complain(end, `${bytes} bytes wait`);
    if (account.bytes < bytes) this.complain(end, `${account.bytes} bytes are charged of ${bytes} that wait`);
  }

  /**
   * Nothing is given to a leg that its window has no room for. But a window may shrink below what is in flight, and a train that was
   * packaged for another leg, and moves here, is not cut; nor is one that is sent again.
   */
  private lookAtWindows(end: End, { legs, resumes }: ConfluxSet): void {
    const spare = this.world.plan.maxTrain * (resumes ? 2 : 1);
    for (const { leg, inflight, flow } of legs) {
      const { cwnd } = flow.view;
      const before = this.windows[end].get(leg);
      const grew = inflight > (before?.inflight ?? 0);
      if (grew && inflight >= Math.max(cwnd, before?.cwnd ?? 0) + spare) {
        this.complain(end, `leg ${leg} has ${inflight} cells in flight, and room for ${cwnd}`);
      }
      if (inflight !== before?.inflight || cwnd !== before.cwnd) this.windows[end].set(leg, { inflight, cwnd });
    }
  }
}

const CELL_BYTES = 509;
