import { isConfluxCommand, RelayCommand } from "@allium/cell";
import { isMultiplexed } from "../multiplexed.ts";
import type { ConfluxViolationName } from "../violations.ts";
import type { InitiatorState } from "./initiator-leg.ts";
import type { ResponderState } from "./responder-leg.ts";

// Which messages a circuit may see, by what it is to conflux. What is not listed passes.
//
// | message | initiator | responder |
// | --- | --- | --- |
// | LINK | never | once, on a circuit that ends here, with congestion control and without streams |
// | LINKED | while linking | never |
// | LINKED_ACK | never | while linked |
// | SWITCH | once linked | once acknowledged |
// | of a stream | not while linking | not between LINK and LINKED_ACK |
// | EXTEND, EXTEND2 | | not from LINK on |

interface CircuitFacts {
  /** Whether conflux is switched on: by the consensus, and by whoever runs this. */
  readonly enabled: boolean;
  /** Whether the message comes from, or is for, the hop that the legs of the set meet at. */
  readonly atJoinPoint: boolean;
}

/** A circuit that was opened from here. */
export interface InitiatorFacts extends CircuitFacts {
  readonly role: "initiator";
  readonly state: InitiatorState;
}

/** A circuit that ends, or passes, here. */
export interface ResponderFacts extends CircuitFacts {
  readonly role: "responder";
  readonly state: ResponderState;
  /** Whether the circuit goes on beyond this relay. */
  readonly extended: boolean;
  /** Whether congestion control was agreed on. */
  readonly congestionControl: boolean;
  /** Whether it has had streams of its own, before LINK. */
  readonly dirty: boolean;
}

/**
 * What is known of the circuit that a message came on. `state` is that of `InitiatorLeg` or `ResponderLeg`, and `unlinked` where
 * there is none.
 */
export type LegFacts = InitiatorFacts | ResponderFacts;

const atInitiator = (command: number, state: InitiatorState): ConfluxViolationName | undefined => {
  switch (command) {
    case RelayCommand.CONFLUX_LINK:
      return "link-at-initiator";
    case RelayCommand.CONFLUX_LINKED_ACK:
      return "ack-at-initiator";
    case RelayCommand.CONFLUX_LINKED:
      if (state === "unlinked") return "linked-unasked";
      return state === "linked" ? "second-linked" : undefined;
    case RelayCommand.CONFLUX_SWITCH:
    case RelayCommand.CONFLUX_REWIND:
    case RelayCommand.CONFLUX_LEG_ENDED:
      return state === "linked" ? undefined : "switch-unlinked";
    default:
      return state === "linking" && isMultiplexed(command) ? "stream-before-linked" : undefined;
  }
};

const linkAtResponder = (facts: ResponderFacts): ConfluxViolationName | undefined => {
  if (facts.state !== "unlinked") return "second-link";
  if (!facts.congestionControl) return "no-congestion-control";
  return facts.dirty ? "dirty-circuit" : undefined;
};

const atResponder = (command: number, facts: ResponderFacts): ConfluxViolationName | undefined => {
  if (isConfluxCommand(command) && facts.extended) return "further-hops";
  switch (command) {
    case RelayCommand.CONFLUX_LINK:
      return linkAtResponder(facts);
    case RelayCommand.CONFLUX_LINKED:
      return "linked-at-responder";
    case RelayCommand.CONFLUX_LINKED_ACK:
      if (facts.state === "unlinked") return "ack-unasked";
      return facts.state === "acknowledged" ? "second-ack" : undefined;
    case RelayCommand.CONFLUX_SWITCH:
    case RelayCommand.CONFLUX_REWIND:
    case RelayCommand.CONFLUX_LEG_ENDED:
      if (facts.state === "unlinked") return "switch-unlinked";
      return facts.state === "linked" ? "switch-before-ack" : undefined;
    case RelayCommand.EXTEND:
    case RelayCommand.EXTEND2:
      return facts.state === "unlinked" ? undefined : "extend-linked";
    default:
      return facts.state === "linked" && isMultiplexed(command) ? "stream-before-ack" : undefined;
  }
};

/**
 * The rule that a message breaks by coming on this circuit, whatever it says. To be asked before it is read. The circuit is to
 * be closed, and with it whatever `fateOfSet` says. Proposal 329, 4.2.1.
 */
export const violationOf = (command: number, facts: LegFacts): ConfluxViolationName | undefined => {
  if (isConfluxCommand(command)) {
    if (!facts.enabled) return "conflux-off";
    if (!facts.atJoinPoint) return "wrong-join-point";
  } else if (!facts.atJoinPoint) return undefined;
  return facts.role === "initiator" ? atInitiator(command, facts.state) : atResponder(command, facts);
};
