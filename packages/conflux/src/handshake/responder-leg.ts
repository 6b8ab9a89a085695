import type { ConfluxLink, ConfluxLinked } from "@allium/cell";
import { Micros } from "@allium/circuit";
import { LINKED_ACK_TIMEOUT_US } from "../limits.ts";
import type { ConfluxViolationName } from "../violations.ts";
import { roundTripUs } from "./measure.ts";
import { numbersOf, type SetNumbers } from "./set-numbers.ts";

/**
 * How far a leg is, at the end that was asked: `unlinked` until LINK comes, `linked` from LINKED on, `acknowledged` when
 * LINKED_ACK has come. The leg belongs to its set from `linked` on: what the client sends on a faster leg may outrun the
 * LINKED_ACK on this one (proposal 329, 2.4.2).
 */
export type ResponderState = "unlinked" | "linked" | "acknowledged";

export interface ResponderLegOptions {
  /** A `ConfluxUx`: what this end wants of the other's scheduling. `tor`'s exits: MIN_LATENCY. */
  readonly desiredUx: number;
  /** How long LINKED_ACK may take, microseconds; {@link LINKED_ACK_TIMEOUT_US} if left out. */
  readonly timeoutUs?: number;
  /** Whether to take the other end's offer to resume, if it makes one. @default false */
  readonly resumption?: boolean;
}

/**
 * An exit's half of the handshake on one leg: LINK comes, LINKED goes back, LINKED_ACK comes. Proposal 329, 2.2; `tor`:
 * conflux_process_link and conflux_process_linked_ack.
 */
export class ResponderLeg {
  state: ResponderState = "unlinked";
  /** From LINKED to LINKED_ACK, microseconds; 0 until then: such a leg is not chosen to send on. */
  rttUs = 0;
  /** What the other end said in LINK. */
  peer: SetNumbers = { sent: 0, received: 0 };
  /** What this end said in LINKED. */
  own: SetNumbers = { sent: 0, received: 0 };
  /** The other end's wish for this end's scheduling. */
  peerUx = 0;
  /** Whether both ends keep what they send. */
  resumption = false;
  /** The leg's number in its set, as LINK told it to an end that takes offers to resume. */
  number = 0;
  private isAsked = false;
  /** That of the set, until it is answered. */
  private nonce: Buffer | undefined = undefined;
  private sentUs = Micros(0);
  private readonly desiredUx: number;
  private readonly timeoutUs: number;
  private readonly takesOffer: boolean;

  constructor(options: ResponderLegOptions) {
    this.desiredUx = options.desiredUx;
    this.timeoutUs = options.timeoutUs ?? LINKED_ACK_TIMEOUT_US;
    this.takesOffer = options.resumption ?? false;
  }

  /**
   * LINK came. If it breaks no rule, its set is to be found or made by its nonce, and `linked` has the answer.
   * @returns the rule that it breaks: the circuit is to be closed
   */
  onLink(message: ConfluxLink): ConfluxViolationName | undefined {
    if (this.isAsked) return "second-link";
    const peer = numbersOf(message);
    if (peer === undefined) return "number-overflow";
    this.isAsked = true;
    this.nonce = message.nonce;
    this.peer = peer;
    this.peerUx = message.desiredUx;
    this.resumption = this.takesOffer && message.resumption !== undefined;
    this.number = message.resumption ?? 0;
    return undefined;
  }

  /**
   * The LINKED to send now, once, behind LINK. The leg joins its set by `finalize` right before.
   * @param numbers how far the set is on this end
   */
  linked(numbers: SetNumbers, nowUs: Micros): ConfluxLinked {
    const { nonce } = this;
    if (nonce === undefined) throw new RangeError("LINKED answers a LINK, once");
    this.nonce = undefined;
    this.state = "linked";
    this.own = numbers;
    this.sentUs = nowUs;
    return {
      _tag: "CONFLUX_LINKED",
      nonce,
      lastSeqnoSent: BigInt(numbers.sent),
      lastSeqnoReceived: BigInt(numbers.received),
      desiredUx: this.desiredUx,
      ...(this.resumption && { resumption: this.number }),
    };
  }

  /**
   * LINKED_ACK came.
   * @returns the rule that it breaks: the leg is to be closed
   */
  onLinkedAck(nowUs: Micros): ConfluxViolationName | undefined {
    if (this.state === "unlinked") return "ack-unasked";
    if (this.state === "acknowledged") return "second-ack";
    if (nowUs - this.sentUs >= this.timeoutUs) return "ack-late";
    this.state = "acknowledged";
    this.rttUs = roundTripUs(this.sentUs, nowUs);
    return undefined;
  }

  /** When the leg breaks the rule `ack-late` by itself; `undefined` while it does not wait. */
  get deadlineUs(): Micros | undefined {
    return this.state === "linked" ? Micros(this.sentUs + this.timeoutUs) : undefined;
  }
}
