import type { TransportError } from "@allium/channel";
import type { BootstrapError, ClientFailed, DataDirError } from "@allium/client";
import { Data, Runtime } from "effect";
import { ExitCode } from "./exit-code.ts";

/** The data directory cannot be used: another client does, or this one may not. */
export class DataDirectoryRefused extends Data.TaggedError("DataDirectoryRefused")<{
  readonly path: string;
  readonly detail: string;
}> {
  override readonly [Runtime.errorExitCode] = ExitCode.DataDirectory;
  override get message(): string {
    return `${this.path}: ${this.detail}`;
  }
}

/** The client could not be run, or ended by itself. */
export class ClientStopped extends Data.TaggedError("ClientStopped")<{
  readonly exitCode: ExitCode;
  readonly detail: string;
  readonly cause: BootstrapError | ClientFailed | DataDirError | TransportError;
}> {
  override readonly [Runtime.errorExitCode] = this.exitCode;
  /** It is in the log. */
  readonly isLogged = true;
  override get message(): string {
    return this.detail;
  }
}

/** There is no proxy to ask about its circuits. */
export class NoProxyRunning extends Data.TaggedError("NoProxyRunning")<{
  readonly dataDir: string;
  readonly detail: string;
}> {
  override readonly [Runtime.errorExitCode] = ExitCode.Failure;
  override get message(): string {
    return `no client runs in ${this.dataDir} that can be asked: ${this.detail}`;
  }
}

/** What was to be fetched was not, or not all of it. */
export class FetchFailed extends Data.TaggedError("FetchFailed")<{
  readonly detail: string;
  readonly cause?: unknown;
}> {
  override readonly [Runtime.errorExitCode] = ExitCode.Failure;
  override get message(): string {
    return this.detail;
  }
}
