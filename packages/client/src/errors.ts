import { Data } from "effect";
import { type ProxyFailure, replyTo } from "./proxy/index.ts";

/** Why there is no stream: a word of this side, or the reason of the exit's END, whatever number it is (tor-spec 6.3). */
export type ConnectFailure = ProxyFailure;

/** A stream, or the answer to a look-up, is not to be had. */
export class ConnectError extends Data.TaggedError("ConnectError")<{
  readonly failure: ConnectFailure;
  /** What was wrong beyond what the failure says: of the last attempt, if there were several. For people. */
  readonly detail?: string;
  readonly cause?: unknown;
}> {
  override get message(): string {
    const { words } = replyTo(this.failure);
    return this.detail === undefined ? words : `${words}: ${this.detail}`;
  }
}

/** What keeps a client from being ready; see {@link BootstrapError}. */
export type BootstrapProblem =
  /** No connection leaves this computer. */
  | "no-network"
  /** The clock of this computer, or of everybody else, is wrong. */
  | "clock"
  /** Nobody who was asked had the documents, or what they gave was refused. */
  | "no-directory"
  /** Whatever was known of the network is too old. */
  | "old-consensus"
  /** No guard takes a circuit, or the configuration allows none. */
  | "no-guard"
  /** The network requires protocols of clients that this one does not speak. */
  | "protocols"
  /** The consensus does not have what a path needs, such as an exit. */
  | "no-path";

/** A client cannot do its work, and waiting for it will not help, or has not for as long as was to be waited. */
export class BootstrapError extends Data.TaggedError("BootstrapError")<{
  readonly problem: BootstrapProblem;
  /** What was seen, and what can be done about it. */
  readonly detail: string;
}> {
  override get message(): string {
    return this.detail;
  }
}

/** The directory in which a client keeps what it learns cannot be used. */
export class DataDirError extends Data.TaggedError("DataDirError")<{
  readonly path: string;
  readonly detail: string;
  readonly cause?: unknown;
}> {
  override get message(): string {
    return `${this.path}: ${this.detail}`;
  }
}

/** A task without which a client is none has ended, more often than it may: a bug. */
export class ClientFailed extends Data.TaggedError("ClientFailed")<{ readonly task: string; readonly cause: unknown }> {
  override get message(): string {
    return `the task "${this.task}" has failed`;
  }
}
