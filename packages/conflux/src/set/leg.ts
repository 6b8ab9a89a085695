import type { RelayMessage } from "@allium/cell";
import type { HopFlow, LinkableCircuit, StreamBatch, StreamTrain } from "@allium/circuit";
import type { Link } from "@allium/kernel";
import { InitiatorLeg } from "../handshake/initiator-leg.ts";
import type { ResponderLeg } from "../handshake/responder-leg.ts";
import { type CircuitLeg, type LegView, legView } from "../schedule/leg-view.ts";

/** What a leg is made of. */
export interface LegParts {
  /** Its number in its set, which no other has had. */
  readonly number: number;
  readonly circuit: LinkableCircuit;
  /** The hop of the circuit that the legs meet at. */
  readonly hop: number;
  readonly flow: HopFlow;
  readonly machine: InitiatorLeg | ResponderLeg;
  /** From the circuit's ingress. */
  readonly inbound: Link<StreamTrain>;
  /** To the circuit's egress. */
  readonly outbound: Link<StreamBatch>;
}

/** One circuit of a set. Owned by the set's controller. */
export class Leg implements CircuitLeg {
  readonly leg: number;
  readonly circuit: LinkableCircuit;
  readonly hop: number;
  readonly flow: HopFlow;
  readonly machine: InitiatorLeg | ResponderLeg;
  readonly inbound: LegParts["inbound"];
  readonly outbound: LegParts["outbound"];
  /** What schedulers see of it. */
  readonly seen: LegView;
  /** What came last, and which cell of it is next. */
  train: StreamTrain | undefined = undefined;
  at = 0;
  /** Its circuit is over; what came before that may still be in `inbound`. */
  hasEnded = false;
  /** It broke a rule: what comes on it is not looked at any more. */
  isBroken = false;
  /** Told once: when its handshake is done, or it has ended before. */
  onSettled: (() => void) | undefined = undefined;

  constructor({ number, circuit, hop, flow, machine, inbound, outbound }: LegParts) {
    this.leg = number;
    this.circuit = circuit;
    this.hop = hop;
    this.flow = flow;
    this.machine = machine;
    this.inbound = inbound;
    this.outbound = outbound;
    this.seen = legView(this);
  }

  get view(): HopFlow["view"] {
    return this.flow.view;
  }

  get sendmeInc(): number {
    return this.flow.sending.sendmeInc;
  }

  linkRttUs(): number {
    return this.machine.rttUs;
  }

  room(): number {
    return this.flow.budget.room;
  }

  blocked(): boolean {
    return this.circuit.paths.blocked;
  }

  /** Whether the other end may send messages of streams on it. */
  get isOpen(): boolean {
    const { state } = this.machine;
    return state === (this.machine instanceof InitiatorLeg ? "linked" : "acknowledged");
  }

  /** DATA cells that were handed to it and that are not acknowledged. */
  get inflight(): number {
    const { budget, view } = this.flow;
    return view.inflight + (budget.packaged - budget.sealed);
  }

  /** Its handshake is done, or it has ended. */
  settle(): void {
    const { onSettled } = this;
    this.onSettled = undefined;
    onSettled?.();
  }

  /** Sends a message of the circuit, before whatever else goes out on it. Only while nothing else does. */
  say(message: RelayMessage): void {
    this.outbound.writer.offerUnsafe({ hop: this.hop, slab: NO_CELLS, count: 0, lead: message });
  }

  /** Takes what came next, if the one before is dealt with. */
  takeTrain(): StreamTrain | undefined {
    if (this.isBroken) return undefined;
    if (this.train !== undefined) return this.train;
    const taken = this.inbound.reader.takeUnsafe();
    // The link ends with the set, and then nobody asks any more.
    if (taken?._tag !== "Success") return undefined;
    this.train = taken.value;
    this.at = taken.value.from;
    return this.train;
  }
}

const NO_CELLS = Buffer.alloc(0);
