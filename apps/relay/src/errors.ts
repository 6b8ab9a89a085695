import type { KeyStoreError, RelayError } from "@allium/relay";
import { Data, Runtime } from "effect";
import { ExitCode } from "./exit-code.ts";

/** The relay could not be run, or ended by itself. */
export class RelayStopped extends Data.TaggedError("RelayStopped")<{
  readonly exitCode: ExitCode;
  readonly detail: string;
  readonly cause: RelayError;
}> {
  override readonly [Runtime.errorExitCode] = this.exitCode;
  /** It is in the log. */
  readonly isLogged = true;
  override get message(): string {
    return this.detail;
  }
}

/** What is wrong with the keys. */
export class KeysRefused extends Data.TaggedError("KeysRefused")<{ readonly cause: KeyStoreError }> {
  override readonly [Runtime.errorExitCode] = ExitCode.Keys;
  override get message(): string {
    return this.cause.message;
  }
}
