import { isConfluxCommand } from "@allium/cell";
import { slabBytes, takeSlab } from "@allium/channel";
import type { StreamTrain } from "@allium/circuit";
import type { LinkWriter } from "@allium/kernel";
import { isMultiplexed } from "../multiplexed.ts";
import type { ConfluxViolationName } from "../violations.ts";
import { commandAt } from "./cells.ts";
import type { ConfluxSet } from "./conflux-set.ts";
import type { Leg } from "./leg.ts";
import { earlyStream, type LegMessages } from "./leg-messages.ts";

/** A leg broke a rule, whichever it was. Thrown by the parts of a controller, and caught by it. */
export class LegViolation {
  readonly leg: Leg | undefined;
  readonly violation: ConfluxViolationName;

  constructor(leg: Leg | undefined, violation: ConfluxViolationName) {
    this.leg = leg;
    this.violation = violation;
  }
}

/**
 * What comes on the legs of a set, on its way to the one reactor of its streams: trains are cut where a SWITCH is, or a message
 * that belongs to its circuit, and what came before its turn waits.
 *
 * | cell | what becomes of it |
 * | --- | --- |
 * | of conflux | LINKED, LINKED_ACK: the handshake goes on; SWITCH, REWIND: say which number the next cell on this leg has |
 * | counts (`multiplexedCommands`) | handed on if it is next; else it waits |
 * | of a stream, and does not count (BEGIN_DIR) | handed on at once |
 */
export class Arrivals {
  private readonly set: ConfluxSet;
  private readonly messages: LegMessages;

  constructor(set: ConfluxSet, messages: LegMessages) {
    this.set = set;
    this.messages = messages;
  }

  /**
   * Hands on what there is, as long as there is room for it, which will wake the controller.
   * @returns whether there was anything, or that the streams are wanted first
   * @throws LegViolation
   */
  step(): boolean | "wants streams" {
    const { set } = this;
    let moved = false;
    for (const leg of set.members) {
      for (;;) {
        if (!this.handOnRipe()) return moved;
        const train = leg.takeTrain();
        if (train === undefined) break;
        const sorted = this.sort(leg, train);
        if (sorted !== true) return sorted === "full" ? moved : sorted;
        moved = true;
      }
    }
    return moved;
  }

  /** Hands on what waited for what has come. False if there is no room. */
  private handOnRipe(): boolean {
    const { receiver, account, signal, streams } = this.set;
    while (this.set.ripe && streams !== undefined) {
      if (streams.inlet.waitsForRoom(signal)) return false;
      const waited = receiver.queue.bytes;
      const next = receiver.next();
      account.adjust(receiver.queue.bytes - waited);
      if (receiver.repeats > 0 && !this.set.resumes) throw new LegViolation(undefined, "repeated-cells");
      if (next === undefined) this.set.ripe = false;
      else streams.inlet.offerUnsafe(next);
    }
    return true;
  }

  /** Deals with the next run of a train, if it can be handed on. */
  private sort(leg: Leg, train: StreamTrain): true | "full" | "wants streams" {
    const { slab, to } = train;
    const from = leg.at;
    let end = from + 1;
    if (isConflux(slab, from)) {
      const violation = this.messages.on(leg, slab, from);
      if (violation !== undefined) throw new LegViolation(leg, violation);
    } else {
      const violation = earlyStream(leg);
      if (violation !== undefined) throw new LegViolation(leg, violation);
      const { streams, signal } = this.set;
      if (streams === undefined) return "wants streams";
      if (streams.inlet.waitsForRoom(signal)) return "full";
      const counts = isMultiplexed(commandAt(slab, from));
      while (end < to && isMultiplexed(commandAt(slab, end)) === counts && !isConflux(slab, end)) end++;
      if (counts) this.onCells(leg, train, from, end, streams.inlet);
      else streams.inlet.offerUnsafe({ hop: train.hop, slab, from, to: end });
    }
    leg.at = end;
    if (end === to) leg.train = undefined;
    return true;
  }

  private onCells(
    leg: Leg,
    { hop, slab }: StreamTrain,
    from: number,
    to: number,
    inlet: LinkWriter<StreamTrain>,
  ): void {
    const { set } = this;
    const { receiver, account } = set;
    const count = to - from;
    const isNext = receiver.sequence.last(leg.leg) === receiver.sequence.delivered;
    // What waits keeps all of its slab: so a small part of one waits in a slab of its own.
    const run = isNext ? { hop, slab, from, to } : detached(hop, slab, from, to);
    const bytes = isNext ? 0 : run.slab.length;
    const place = isNext ? 0 : account.adjust(bytes);
    const received = receiver.receive(leg.leg, count, bytes, run, place);
    switch (received) {
      case "deliver":
        inlet.offerUnsafe(run);
        set.ripe = true;
        return;
      case "held":
        // What is left of a train that came in part before is next.
        if (set.resumes) set.ripe = true;
        return;
      case "dropped":
        account.adjust(-bytes);
        if (!set.resumes) throw new LegViolation(leg, "repeated-cells");
        return;
      case "full":
        throw new LegViolation(leg, "reorder-full");
    }
  }
}

const isConflux = (slab: Buffer, index: number): boolean => isConfluxCommand(commandAt(slab, index));

/** A run in a slab that it fills at least half of. */
const detached = (hop: number, slab: Buffer, from: number, to: number): StreamTrain => {
  const length = slabBytes(to - from);
  if (2 * length >= slab.length) return { hop, slab, from, to };
  const own = takeSlab(length);
  slab.copy(own, 0, slabBytes(from), slabBytes(to));
  return { hop, slab: own, from: 0, to: to - from };
};
