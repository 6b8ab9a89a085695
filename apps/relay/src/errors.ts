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
  override get message(): string {
    return this.detail;
  }
}

/** The relay was told to end, and had not done so when its time was over. */
export class ShutdownTimeout extends Data.TaggedError("ShutdownTimeout")<{ readonly timeoutMillis: number }> {
  override readonly [Runtime.errorExitCode] = ExitCode.Failure;
  override get message(): string {
    return `the relay did not end within ${this.timeoutMillis / 1_000} s, and is cut off`;
  }
}

/** The command line asks for something that cannot be. */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly detail: string }> {
  override readonly [Runtime.errorExitCode] = ExitCode.Usage;
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
