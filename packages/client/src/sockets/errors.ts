import type { TransportError } from "@allium/channel";
import type { ConnectError, ConnectFailure } from "../errors.ts";
import { replyTo } from "../proxy/index.ts";

/**
 * Failures for which the platform has a word of its own. Programs know it, and libraries decide by it what to try again.
 *
 * | failure | code |
 * | --- | --- |
 * | in this table | the platform's |
 * | any other END, such as EXITPOLICY | `ERR_TOR_END_EXITPOLICY` |
 * | any other of this side, such as `no-exit` | `ERR_TOR_NO_EXIT` |
 */
const PLATFORM_CODES: Readonly<Record<string, string>> = {
  "end/RESOLVEFAILED": "ENOTFOUND",
  "end/CONNECTREFUSED": "ECONNREFUSED",
  "end/TIMEOUT": "ETIMEDOUT",
  "end/NOROUTE": "EHOSTUNREACH",
  "end/CONNRESET": "ECONNRESET",
  "end/DONE": "ECONNRESET",
  "allium/no-network": "ENETUNREACH",
  "allium/no-guard": "ENETUNREACH",
  "allium/timeout": "ETIMEDOUT",
  "allium/no-answer": "ENOTFOUND",
};

const codeOf = (token: string): string =>
  PLATFORM_CODES[token] ??
  `ERR_TOR_${token
    .replace(/^allium\//, "")
    .replace(/[^A-Za-z0-9]/g, "_")
    .toUpperCase()}`;

/** A stream is not to be had, as programs know such errors: with a `code`. */
export class StreamOpenError extends Error {
  override readonly name = "StreamOpenError";
  /** The platform's word where it has one (`ECONNREFUSED`, `ENOTFOUND`, …), else `ERR_TOR_…`. */
  readonly code: string;
  /** Why, in Tor's words or ours. */
  readonly failure: ConnectFailure;
  declare readonly cause: ConnectError;

  constructor(cause: ConnectError) {
    super(cause.message, { cause });
    this.code = codeOf(replyTo(cause.failure).token);
    this.failure = cause.failure;
  }
}

/** A stream that was open has broken, as programs know such errors: with a `code`. */
export class StreamBrokenError extends Error {
  override readonly name = "StreamBrokenError";
  /** `ECONNRESET` or `ETIMEDOUT`; `EPIPE` if it was written to what had ended; or what else the platform said. */
  readonly code: string;

  /** @param failure of the connection; `undefined` if it ended by agreement, and then was written to */
  constructor(failure: TransportError | undefined) {
    super(
      failure === undefined ? "the stream has ended, and takes no more bytes" : `the stream broke: ${failure.code}`,
      failure === undefined ? undefined : { cause: failure },
    );
    this.code = failure === undefined ? "EPIPE" : brokenCode(failure);
  }
}

/** What an exit says of a stream that was open is a matter of its own end; to this one it is a connection that is gone. */
const brokenCode = ({ code, kind }: TransportError): string => {
  if (!code.startsWith("END_")) return code;
  return kind === "timeout" ? "ETIMEDOUT" : "ECONNRESET";
};
