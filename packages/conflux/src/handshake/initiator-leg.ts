import { timingSafeEqual } from "node:crypto";
import type { ConfluxLink, ConfluxLinked } from "@allium/cell";
import { Micros } from "@allium/circuit";
import { LINK_TIMEOUT_US } from "../limits.ts";
import type { ConfluxViolationName } from "../violations.ts";
import { roundTripUs } from "./measure.ts";
import { numbersOf, type SetNumbers } from "./set-numbers.ts";

/**
 * How far a leg is, at the end that opened the circuit: `unlinked` until LINK is sent, `linking` until LINKED comes, `linked`
 * from then on. A leg that broke a rule stays where it was, and is to be closed.
 */
export type InitiatorState = "unlinked" | "linking" | "linked";

export interface InitiatorLegOptions {
  /** 32 random bytes that all legs of the set share. A secret. */
  readonly nonce: Buffer;
  /** A `ConfluxUx`: what this end wants of the other's scheduling. */
  readonly desiredUx: number;
  /** How long LINKED may take, microseconds; {@link LINK_TIMEOUT_US} if left out. `tor`: the circuit build timeout. */
  readonly timeoutUs?: number;
  /** Whether to offer resumption: only to who is known to understand it. @default false */
  readonly resumption?: boolean;
}

/**
 * A client's half of the handshake on one leg: LINK, then LINKED comes, and LINKED_ACK is to be sent before anything else on
 * it. Proposal 329, 2.2; `tor`: conflux_process_linked; Arti: ClientConfluxMsgHandler.
 */
export class InitiatorLeg {
  state: InitiatorState = "unlinked";
  /** From LINK to LINKED, microseconds; 0 until then. */
  rttUs = 0;
  /** What this end said in LINK. */
  own: SetNumbers = { sent: 0, received: 0 };
  /** What the other end said in LINKED. */
  peer: SetNumbers = { sent: 0, received: 0 };
  /** The other end's wish for this end's scheduling. */
  peerUx = 0;
  /** Whether both ends keep what they send. */
  resumption = false;
  /** The leg's number in its set, as LINK tells it. */
  number = 0;
  private sentUs = Micros(0);
  private readonly nonce: Buffer;
  private readonly desiredUx: number;
  private readonly timeoutUs: number;
  private readonly offers: boolean;

  constructor(options: InitiatorLegOptions) {
    this.nonce = options.nonce;
    this.desiredUx = options.desiredUx;
    this.timeoutUs = options.timeoutUs ?? LINK_TIMEOUT_US;
    this.offers = options.resumption ?? false;
  }

  /**
   * The LINK to send now, once.
   * @param numbers how far the set is on this end
   * @param number that of the leg in its set
   */
  link(numbers: SetNumbers, nowUs: Micros, number = 0): ConfluxLink {
    if (this.state !== "unlinked") throw new RangeError("LINK was sent already");
    this.state = "linking";
    this.own = numbers;
    this.number = number;
    this.sentUs = nowUs;
    return {
      _tag: "CONFLUX_LINK",
      nonce: this.nonce,
      lastSeqnoSent: BigInt(numbers.sent),
      lastSeqnoReceived: BigInt(numbers.received),
      desiredUx: this.desiredUx,
      ...(this.offers && { resumption: number }),
    };
  }

  /**
   * LINKED came. If it breaks no rule, LINKED_ACK is to be sent, and the leg joins its set by `finalize`.
   * @returns the rule that it breaks: the leg is to be closed
   */
  onLinked(message: ConfluxLinked, nowUs: Micros): ConfluxViolationName | undefined {
    if (this.state === "unlinked") return "linked-unasked";
    if (this.state === "linked") return "second-linked";
    if (!timingSafeEqual(message.nonce, this.nonce)) return "other-nonce";
    const peer = numbersOf(message);
    if (peer === undefined) return "number-overflow";
    const { resumption } = message;
    if (resumption !== undefined && (!this.offers || resumption !== this.number)) return "resumption-unasked";
    if (nowUs - this.sentUs >= this.timeoutUs) return "linked-late";
    this.state = "linked";
    this.rttUs = roundTripUs(this.sentUs, nowUs);
    this.peer = peer;
    this.peerUx = message.desiredUx;
    this.resumption = resumption !== undefined;
    return undefined;
  }

  /** When the leg breaks the rule `linked-late` by itself; `undefined` while it does not wait. */
  get deadlineUs(): Micros | undefined {
    return this.state === "linking" ? Micros(this.sentUs + this.timeoutUs) : undefined;
  }
}
