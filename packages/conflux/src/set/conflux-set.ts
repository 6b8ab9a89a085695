import { ConfluxUx } from "@allium/cell";
import { CIRCUITS, type CircuitError, type CircuitStop, type StreamPath, type StreamTrain } from "@allium/circuit";
import { type MemoryAccount, type MemoryHolder, type MemoryQuota, type ReactorGroup, Signal } from "@allium/kernel";
import { type EndedLeg, fateOfSet } from "../fate-of-set.ts";
import { finalize } from "../handshake/finalize.ts";
import type { SetNumbers } from "../handshake/set-numbers.ts";
import type { ConfluxParams } from "../params.ts";
import { LegSelection } from "../schedule/leg-selection.ts";
import type { LegView } from "../schedule/leg-view.ts";
import type { ConfluxScheduler } from "../schedule/scheduler.ts";
import { OrderedReceiver } from "../sequence/ordered-receiver.ts";
import { SendSequence } from "../sequence/send-sequence.ts";
import type { ConfluxViolationName } from "../violations.ts";
import type { Leg } from "./leg.ts";
import { Resending } from "./resending.ts";
import { type Choosing, SetFlow } from "./set-flow.ts";

/** What a set is made of. */
export interface SetParts {
  /** For logs and the topology: `set 3`. */
  readonly name: string;
  readonly group: ReactorGroup<CircuitError, CircuitStop>;
  readonly quota: MemoryQuota;
  /** The scheduler for what the other end wants, a `ConfluxUx`. */
  readonly scheduler: (ux: number) => ConfluxScheduler;
  readonly params: ConfluxParams;
}

/**
 * The state of one set: its legs, the order of what comes, and what was sent. Its controller owns it: others add legs, note that one has
 * ended, and notify `signal`.
 */
export class ConfluxSet implements Choosing, MemoryHolder {
  readonly name: string;
  readonly group: SetParts["group"];
  /** Wakes the controller. */
  readonly signal = Signal.make();
  readonly account: MemoryAccount;
  /** That of the first leg's other end, once there is one. */
  selection: LegSelection;
  readonly sending = new SendSequence();
  receiver = new OrderedReceiver<StreamTrain>();
  /** Keeps what is sent, if both ends have agreed to resume. */
  resending: Resending | undefined = undefined;
  /** All legs, those among them that have sent LINK and wait for LINKED. A new array with each change. */
  members: ReadonlyArray<Leg> = [];
  /** Linked legs, in the order of their linking. */
  legs: ReadonlyArray<Leg> = [];
  views: ReadonlyArray<LegView> = [];
  /** The streams; made when the first message of one comes, or is to be sent. */
  streams: StreamPath | undefined = undefined;
  flow: SetFlow | undefined = undefined;
  /** Trains that came before their turn may be next now. */
  ripe = false;
  /** A linked leg has ended, and others go on: cells may have gone with it. */
  hasLostLeg = false;
  /** A leg has ended, and is still a member. */
  private someEnded = false;
  private readonly scheduler: SetParts["scheduler"];
  private readonly params: ConfluxParams;
  private numbered = 0;

  constructor({ name, group, quota, scheduler, params }: SetParts) {
    this.name = name;
    this.group = group;
    this.account = quota.open(CIRCUITS, this);
    this.scheduler = scheduler;
    this.params = params;
    this.selection = new LegSelection(scheduler(ConfluxUx.NO_OPINION), params);
  }

  /** How many members it has. */
  get size(): number {
    return this.members.length;
  }

  /** Whether it has ended, even if its release still lasts. */
  get isOver(): boolean {
    return this.group.cause !== undefined;
  }

  /** A circuit has been made one of its legs, and is not linked yet. */
  add(leg: Leg): void {
    this.members = this.members.concat(leg);
  }

  /** The circuit of a leg is over. */
  onLegEnded(leg: Leg): void {
    leg.hasEnded = true;
    this.someEnded = true;
    leg.settle();
    this.signal.notify();
  }

  /** Whether what goes with a leg is sent again on another. Agreed on by the first leg, for all of them. */
  get resumes(): boolean {
    return this.resending !== undefined;
  }

  /** How far this end has come. */
  get numbers(): SetNumbers {
    return { sent: this.sending.sent, received: this.receiver.sequence.delivered };
  }

  /** A number for another leg. */
  nextNumber(): number {
    return this.numbered++;
  }

  /**
   * A leg whose handshake is done joins.
   * @returns why it cannot, if so
   */
  join(leg: Leg): ConfluxViolationName | undefined {
    const { own, peer, resumption } = leg.machine;
    if (this.flow === undefined && resumption) this.beginResuming();
    if (this.resumes !== resumption) return "resumption-differs";
    const others = this.legs.length > 0;
    const finalized = finalize({ own, peer, now: this.numbers, others, resumes: this.resumes });
    if (finalized._tag === "Refused") return finalized.violation;
    const { start } = finalized;
    if (!this.sending.addLeg(leg.leg, start.sent)) return "too-many-legs";
    this.receiver.sequence.addLeg(leg.leg, start.received);
    this.legs = this.legs.concat(leg);
    this.views = this.views.concat(leg.seen);
    if (this.flow === undefined) {
      this.selection = new LegSelection(this.scheduler(leg.machine.peerUx), this.params);
      this.flow = new SetFlow(this, leg);
    }
    this.resending?.greet(leg);
    this.signal.notify();
    return undefined;
  }

  private beginResuming(): void {
    this.resending = new Resending(this.account, this.sending);
    this.receiver = new OrderedReceiver({ skip: withoutFirst });
  }

  /** A leg that has ended, and of which nothing is left to be dealt with. If none goes on, what is left is not waited for. */
  ended(): Leg | undefined {
    if (!this.someEnded) return undefined;
    const { members } = this;
    return (
      members.find((leg) => leg.hasEnded && leg.takeTrain() === undefined) ??
      (members.every(({ hasEnded }) => hasEnded) ? members[0] : undefined)
    );
  }

  /** A leg has ended, and all that came on it is dealt with. Tells whether the set ends with it. */
  remove(leg: Leg): boolean {
    this.members = this.members.filter((member) => member !== leg);
    this.someEnded = this.members.some(({ hasEnded }) => hasEnded);
    if (!this.legs.includes(leg)) return this.members.length === 0;
    const others = this.legs.filter((other) => other !== leg);
    const highest = (last: (leg: Leg) => number): number =>
      others.reduce((most, other) => Math.max(most, last(other)), 0);
    const sent = (of: Leg): number => this.sending.last(of.leg);
    const received = (of: Leg): number => this.receiver.sequence.last(of.leg);
    const ended: EndedLeg = {
      left: others.length,
      current: this.selection.current === leg.leg,
      inflight: leg.inflight,
      sendmeInc: leg.sendmeInc,
      sent: sent(leg),
      othersSent: highest(sent),
      received: received(leg),
      othersReceived: highest(received),
      resumes: this.resending?.onLegEnded(leg) ?? false,
    };
    this.legs = others;
    this.views = others.map(({ seen }) => seen);
    this.selection.removed(leg.leg);
    this.sending.removeLeg(leg.leg);
    this.receiver.sequence.removeLeg(leg.leg);
    if (this.flow?.chosen === leg) this.flow.chosen = undefined;
    this.hasLostLeg = true;
    this.resending?.tell(others, leg.machine.number);
    return fateOfSet(ended).ends;
  }

  /** Whether all that came is dealt with, as far as the order allows: what waits, waits for cells to come. */
  get isHungry(): boolean {
    return !this.ripe && this.members.every((leg) => leg.takeTrain() === undefined);
  }

  /** Bytes that wait: for cells of other legs, for applications, and from them. Walks over the streams. */
  get heldBytes(): number {
    return this.receiver.queue.bytes + (this.resending?.bytes ?? 0) + (this.streams?.heldBytes() ?? 0);
  }

  oldest(): number | undefined {
    // Copies go first: nothing is lost with them as long as no leg ends (proposal 329, 4.1).
    if ((this.resending?.bytes ?? 0) > 0) return 0;
    const waiting = this.receiver.queue.oldest;
    const streams = this.streams?.oldest();
    return waiting === undefined || streams === undefined ? (waiting ?? streams) : Math.min(waiting, streams);
  }

  reclaim(): void {
    const { resending } = this;
    if (resending !== undefined && resending.bytes > 0 && resending.clear()) return;
    this.streams?.drop();
    this.release();
    this.group.stopUnsafe("memory");
  }

  /** Lets go of all that waits. */
  release(): void {
    this.receiver.queue.clear();
    this.account.close();
  }

  /** The leg that a scheduler has chosen by what it sees of it. */
  legOf(view: LegView | undefined): Leg | undefined {
    return view === undefined ? undefined : this.legs.find(({ seen }) => seen === view);
  }
}

const withoutFirst = ({ hop, slab, from, to }: StreamTrain, cells: number): StreamTrain => ({
  hop,
  slab,
  from: from + cells,
  to,
});
