import type { StreamBatch } from "@allium/circuit";
import type { LinkReader } from "@allium/kernel";
import { countedIn } from "./cells.ts";
import type { ConfluxSet } from "./conflux-set.ts";
import type { Leg } from "./leg.ts";
import type { Resending } from "./resending.ts";
import type { SetFlow } from "./set-flow.ts";

/**
 * What the streams of a set have ready, on its way to the egress of a leg. The leg was chosen when the batch was packaged; if that
 * one has ended meanwhile, or waits for its channel, another one is.
 */
export class Departures {
  private readonly set: ConfluxSet;
  private batch: StreamBatch | undefined = undefined;
  /** DATA cells in the batch, and whose room they take. */
  private data = 0;
  private leg: Leg | undefined = undefined;

  constructor(set: ConfluxSet) {
    this.set = set;
  }

  /** Sends what there is, as long as a leg takes it. Whether there was anything. */
  step(outlet: LinkReader<StreamBatch>, flow: SetFlow): boolean {
    const { resending } = this.set;
    resending?.onSendmes(this.set.legs);
    let moved = resending?.spread(this.set.legs, this.set.signal) ?? false;
    for (;;) {
      if (resending?.isDue === true) {
        this.giveBack(flow);
        if (!this.sendAgain(resending)) return moved;
        moved = true;
        continue;
      }
      const batch = this.batch ?? this.take(outlet, flow);
      if (batch === undefined) return moved;
      const leg = this.legFor(flow);
      // Without room, its egress wakes the controller when there is; without a leg, the set is about to end.
      if (leg === undefined || leg.outbound.writer.waitsForRoom(this.set.signal)) return moved;
      this.batch = undefined;
      this.send(leg, batch);
      moved = true;
    }
  }

  /** What was packaged has no room of its own any more: what is sent again goes before it. */
  private giveBack(flow: SetFlow): void {
    flow.giveBack();
    if (this.leg === undefined || this.batch === undefined) return;
    this.leg.flow.budget.packaged -= this.data;
    this.leg = undefined;
  }

  /** Sends what went with a leg, on one that has room for it. Whether there was one. */
  private sendAgain(resending: Resending): boolean {
    const { set } = this;
    const data = resending.dueData;
    const view = data > 0 ? set.selection.forData(set.views, set.sending.due()) : set.selection.forOther(set.views);
    const leg = set.legOf(view);
    if (leg === undefined || leg.outbound.writer.waitsForRoom(set.signal)) return false;
    const again = resending.take(leg);
    if (again === undefined) return false;
    leg.flow.budget.packaged += data;
    set.selection.sent(leg.seen, again.count);
    leg.outbound.writer.offerUnsafe({ hop: leg.hop, ...again });
    return true;
  }

  private take(outlet: LinkReader<StreamBatch>, flow: SetFlow): StreamBatch | undefined {
    const taken = outlet.takeUnsafe();
    if (taken?._tag !== "Success") return undefined;
    this.batch = taken.value;
    this.data = flow.data;
    this.leg = flow.chosen;
    flow.data = 0;
    return this.batch;
  }

  private legFor(flow: SetFlow): Leg | undefined {
    const { legs, views, selection, sending } = this.set;
    const { leg, data } = this;
    const isThere = leg !== undefined && legs.includes(leg);
    if (isThere && data > 0 && !leg.blocked()) return leg;
    const due = sending.due();
    const other =
      this.set.legOf(data > 0 ? selection.forData(views, due) : undefined) ??
      (isThere ? leg : this.set.legOf(selection.forOther(views)));
    if (other !== undefined && other !== leg) {
      if (data > 0) flow.move(data, isThere ? leg : undefined, other);
      this.leg = other;
    }
    return other;
  }

  private send(leg: Leg, batch: StreamBatch): void {
    const { slab, count } = batch;
    const { sending, selection, resending } = this.set;
    const counted = countedIn(slab, count);
    const relative = counted === 0 ? 0 : sending.send(leg.leg, counted);
    selection.sent(leg.seen, counted);
    if (counted > 0) resending?.keep(leg, batch, sending.sent - counted + 1, counted);
    const { hop } = leg;
    leg.outbound.writer.offerUnsafe(
      relative === 0
        ? { hop, slab, count }
        : { hop, slab, count, lead: { _tag: "CONFLUX_SWITCH", relativeSeqno: relative } },
    );
  }
}
