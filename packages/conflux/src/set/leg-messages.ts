import {
  CellError,
  type RelayCellReader,
  RelayCommand,
  readBackwardMessage,
  readForwardMessage,
  relayCellV0,
} from "@allium/cell";
import type { Micros } from "@allium/circuit";
import { InitiatorLeg } from "../handshake/initiator-leg.ts";
import { type LegFacts, violationOf } from "../handshake/message-rules.ts";
import type { ConfluxViolationName } from "../violations.ts";
import type { ConfluxSet } from "./conflux-set.ts";
import type { Leg } from "./leg.ts";

/** One for all sets, as nothing is read across a turn: it keeps the cell that it has read last. */
const reader: RelayCellReader = relayCellV0.makeReader();

/** What a leg's own messages do: those that say what the cells behind them are. */
export class LegMessages {
  private readonly set: ConfluxSet;
  private readonly now: () => Micros;

  constructor(set: ConfluxSet, now: () => Micros) {
    this.set = set;
    this.now = now;
  }

  /** A message of conflux came on a leg. Returns the rule that it breaks. */
  on(leg: Leg, slab: Buffer, index: number): ConfluxViolationName | undefined {
    try {
      reader.reset(slab, index);
      reader.next();
      return this.onNext(leg);
    } catch (cause) {
      if (cause instanceof CellError) return "malformed";
      throw cause;
    }
  }

  private onNext(leg: Leg): ConfluxViolationName | undefined {
    const violation = violationOf(reader.command, factsOf(leg));
    if (violation !== undefined) return violation;
    if (reader.command === RelayCommand.CONFLUX_LINKED) return this.onLinked(leg);
    const message = readForwardMessage(reader);
    switch (message._tag) {
      case "CONFLUX_SWITCH":
        return this.set.receiver.sequence.onSwitch(leg.leg, message.relativeSeqno);
      case "CONFLUX_REWIND":
        return this.set.receiver.sequence.onRewind(leg.leg, message.lastSeqno);
      case "CONFLUX_LEG_ENDED":
        return this.onLegEnded(message.leg);
      case "CONFLUX_LINKED_ACK":
        return this.onAck(leg);
      default:
        return "second-link";
    }
  }

  /** The other end has lost a leg, of which this end may not hear for long. */
  private onLegEnded(number: number): ConfluxViolationName | undefined {
    const violation = this.set.receiver.sequence.onLegEnded();
    if (violation !== undefined) return violation;
    this.set.members.find(({ machine, hasEnded }) => machine.number === number && !hasEnded)?.circuit.stop("finished");
    return undefined;
  }

  private onAck(leg: Leg): ConfluxViolationName | undefined {
    if (leg.machine instanceof InitiatorLeg) return "ack-at-initiator";
    const violation = leg.machine.onLinkedAck(this.now());
    if (violation === undefined) leg.settle();
    return violation;
  }

  private onLinked(leg: Leg): ConfluxViolationName | undefined {
    const message = readBackwardMessage(reader);
    if (message._tag !== "CONFLUX_LINKED" || !(leg.machine instanceof InitiatorLeg)) return "linked-at-responder";
    const violation = leg.machine.onLinked(message, this.now()) ?? this.set.join(leg);
    if (violation !== undefined) return violation;
    leg.say({ _tag: "CONFLUX_LINKED_ACK" });
    leg.settle();
    return undefined;
  }
}

/** The rule that a message of a stream breaks by coming on a leg; `undefined` if it breaks none. */
export const earlyStream = (leg: Leg): ConfluxViolationName | undefined => {
  if (leg.isOpen) return undefined;
  return leg.machine instanceof InitiatorLeg ? "stream-before-linked" : "stream-before-ack";
};

const factsOf = ({ machine, circuit }: Leg): LegFacts => {
  const known = { enabled: true, atJoinPoint: true } as const;
  if (machine instanceof InitiatorLeg) return { ...known, role: "initiator", state: machine.state };
  const { isExtended: extended } = circuit;
  return { ...known, role: "responder", state: machine.state, extended, congestionControl: true, dirty: false };
};
