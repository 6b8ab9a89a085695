import { Data, Runtime } from "effect";
import { ExitCode } from "./exit-code.ts";

/** The program was told to end, and had not done so when its time was over. Whoever meets it logs it. */
export class ShutdownTimeout extends Data.TaggedError("ShutdownTimeout")<{ readonly timeoutMillis: number }> {
  override readonly [Runtime.errorExitCode] = ExitCode.Failure;
  /** See `runMain`. */
  readonly isLogged = true;
  override get message(): string {
    return `the program did not end within ${this.timeoutMillis / 1_000} s, and is cut off`;
  }
}

/** The command line asks for something that cannot be. */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly detail: string }> {
  override readonly [Runtime.errorExitCode] = ExitCode.Usage;
  override get message(): string {
    return this.detail;
  }
}
