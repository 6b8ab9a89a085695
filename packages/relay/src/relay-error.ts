import type { TransportError } from "@allium/channel";
import { Data } from "effect";
import type { KeyStoreError } from "./keys/index.ts";

/** What the operator wrote cannot be run with. */
export class RelayConfigError extends Data.TaggedError("RelayConfigError")<{
  readonly key: string;
  readonly detail: string;
}> {
  override get message(): string {
    return `${this.key}: ${this.detail}`;
  }
}

/** A task without which the relay is none has ended. */
export class RelayFailed extends Data.TaggedError("RelayFailed")<{ readonly task: string; readonly cause: unknown }> {
  override get message(): string {
    return `the task "${this.task}" has failed`;
  }
}

/** Why a relay did not start, or ended by itself. */
export type RelayError = RelayConfigError | RelayFailed | KeyStoreError | TransportError;
