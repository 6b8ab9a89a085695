import { DestroyReason } from "@allium/cell";
import type { FaultKind } from "@allium/channel";
import { Data } from "effect";
import { type ConfluxRule, type ConfluxViolationName, violationTable } from "./violations.ts";

/**
 * The peer broke a rule of conflux. Machines of this package return the name of the rule; whoever runs them fails with this.
 * The message never has the nonce in it: that is a secret (proposal 329, 2.2).
 */
export class ConfluxViolation extends Data.TaggedError("ConfluxViolation")<{
  readonly violation: ConfluxViolationName;
  /** What exactly, if there is more to say than the rule does. */
  readonly detail?: string;
}> {
  /** The row of the table. */
  get rule(): ConfluxRule {
    return violationTable[this.violation];
  }

  get fault(): FaultKind {
    switch (this.rule.reason) {
      case DestroyReason.RESOURCELIMIT:
        return "resource";
      case DestroyReason.TIMEOUT:
        return "timeout";
      case DestroyReason.FINISHED:
        return "peerClosed";
      default:
        return "protocol";
    }
  }

  override get message(): string {
    return this.detail === undefined ? this.rule.what : `${this.rule.what}: ${this.detail}`;
  }
}
