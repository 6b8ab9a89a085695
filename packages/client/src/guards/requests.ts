import type { AddressAndPort, Fingerprint, UnixMillis } from "@allium/netdoc";
import type { GuardTicket } from "./circuits.ts";
import type { Uniform } from "./random.ts";
import type { GuardRestriction } from "./restrictions.ts";
import type { RemovedGuard } from "./sample.ts";

/** What a circuit or a request asks for. */
export interface GuardRequest {
  /** Circuits of more than one hop need the guard's microdescriptor; a directory that is asked over one hop does not. */
  readonly purpose: "data" | "directory";
  readonly restrictions?: ReadonlyArray<GuardRestriction>;
  readonly now: UnixMillis;
  readonly random: Uniform;
}

/** A guard that was given out. */
export interface GuardChoice {
  readonly guard: {
    readonly fingerprint: Fingerprint;
    readonly nickname: string;
    /** Where to connect to, in the order in which to try. */
    readonly addresses: ReadonlyArray<AddressAndPort>;
  };
  /** Whether the circuit can be used as soon as it is built, or may have to wait. */
  readonly usability: "usable-on-completion" | "usable-if-no-better-guard";
  /** To be handed to `succeeded`, `failed`, `indeterminate` or `closed`. */
  readonly ticket: GuardTicket;
}

/** What a success means for the circuit. */
export interface GuardSuccess {
  /** `never`: its guard has left the sample, or nobody knows the ticket any more; the circuit is to be closed. */
  readonly usability: "complete" | "waiting-for-better-guard" | "never";
  /** Other circuits, which have waited and may be used now. */
  readonly completed: ReadonlyArray<GuardTicket>;
}

/** What a new consensus, or a new configuration, has changed. */
export interface GuardUpdate {
  readonly added: ReadonlyArray<Fingerprint>;
  readonly removed: ReadonlyArray<RemovedGuard>;
  /** Circuits that wait for a better guard and are to be closed, since their own has left the sample. */
  readonly expired: ReadonlyArray<GuardTicket>;
  /** Circuits that have waited and may be used now. */
  readonly completed: ReadonlyArray<GuardTicket>;
}
