import { type UnixMillis, ValidityError } from "@allium/netdoc";
import { Data } from "effect";

/** What a request to a directory failed of. */
export type DirectoryFetchProblem =
  /** No connection came about, or it broke. */
  | "transport"
  /** It did not answer, or did not go on, in time. */
  | "timeout"
  /** The answer is no HTTP, or ends before it should. */
  | "malformed"
  /** The answer is larger than such a document may be, as it came or unpacked. */
  | "too-large"
  /** The body cannot be unpacked. */
  | "encoding"
  /** The directory answers with another status than 200 (or 304, where that was asked for). */
  | "status"
  /** The body is no such document, or one that nobody asked for. */
  | "document"
  /** The document is well formed and proves nothing: signatures, dates or digests do not fit. */
  | "verification"
  /** A diff came, and what applies diffs had no time for it. */
  | "not-applied"
  /** The directory does not have what was asked for, or has nothing newer. */
  | "not-there";

/** A request to a directory failed. Nothing that was held before is touched by it. */
export class DirectoryFetchError extends Data.TaggedError("DirectoryFetchError")<{
  /** `http://address:port/tor/...`, shortened if it is long. */
  readonly url: string;
  readonly problem: DirectoryFetchProblem;
  readonly detail: string;
  /** The HTTP status, if there was an answer. */
  readonly status?: number | undefined;
  readonly cause?: unknown;
}> {
  override get message(): string {
    return `${this.url}: ${this.detail} (${this.problem})`;
  }

  /** Whether it says nothing against what was asked for, or who was asked: there was nothing to be had, or no way to get it. */
  get isHarmless(): boolean {
    return this.problem === "not-there" || this.problem === "transport";
  }

  /**
   * What it says of the time, if the document that came is not of this time. Either it was sent by somebody who lies, or the clock
   * here is wrong: the more directories say so, the more likely is the latter.
   */
  get validity(): ValidityError | undefined {
    return this.cause instanceof ValidityError ? this.cause : undefined;
  }
}

/** There is no directory to ask. */
export class NoDirectorySource extends Data.TaggedError("NoDirectorySource")<{
  /** Why not, for people. */
  readonly detail: string;
  /** When there may be one; unknown, if it is left out. */
  readonly retryAt?: UnixMillis | undefined;
  /** Whether there will be none as long as the configuration is what it is. */
  readonly final?: boolean;
  readonly cause?: unknown;
}> {
  override get message(): string {
    return `no directory to ask: ${this.detail}`;
  }

  /** It says nothing against anybody. */
  get isHarmless(): true {
    return true;
  }
}
