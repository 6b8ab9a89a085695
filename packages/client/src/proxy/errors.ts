import type { ClientFailure } from "./replies.ts";

/** What the bytes on a proxy port were meant to be; `unknown` before their first byte has told. */
export type Dialect = "unknown" | "tls" | "socks4" | "socks5" | "http" | "dns";

/**
 * What is wrong with what an application sent:
 *
 * - `garbage`: the first byte begins no protocol that is spoken here
 * - `tls`: it begins a TLS handshake; the port is not to be used over TLS
 * - `version`: a message of SOCKS5 begins with another version than its own
 * - `methods`: none of the ways to authenticate that were offered is known here
 * - `credentials`: a user name begins with the mark of Tor's extended parameters, and goes on with none that are known
 * - `reserved`: a byte is set that must be zero
 * - `command`: BIND, UDP ASSOCIATE, or a command that nobody knows
 * - `address-type`: an address of a kind that nobody knows
 * - `not-an-address`: RESOLVE_PTR for something else than an address
 * - `oversized`: a message is longer than its bound
 * - `truncated`: the application closed in the middle of it
 * - `malformed`: no HTTP, or no DNS
 * - `http-version`: HTTP, but another than version 1
 * - `method`: an HTTP request that would have to be forwarded: this is a tunnel
 * - `foreign-host`: an HTTP request for a server of another name. A web page whose name leads here may have made it
 *   (DNS rebinding), so that it gets no answer
 * - `header`: a header field that counts came twice, or has a value that it cannot have
 * - `body`: a request has a body that may have none
 * - `rpc`: a stream is to be made by an object of an RPC session, and there is no RPC here
 * - `response`: a DNS message is an answer, not a question
 * - `opcode`, `question-count`, `class`, `record-type`: a DNS query of a kind that is not answered here
 */
export type ProxyProblem =
  | "garbage"
  | "tls"
  | "version"
  | "methods"
  | "credentials"
  | "reserved"
  | "command"
  | "address-type"
  | "not-an-address"
  | "oversized"
  | "truncated"
  | "malformed"
  | "http-version"
  | "method"
  | "foreign-host"
  | "header"
  | "body"
  | "rpc"
  | "response"
  | "opcode"
  | "question-count"
  | "class"
  | "record-type";

/** An application sent what the protocol of its choice does not allow, or what is not provided here. */
export class ProxyProtocolError extends Error {
  readonly _tag = "ProxyProtocolError";
  override readonly name = "ProxyProtocolError";
  readonly dialect: Dialect;
  /** The kind of fault, see {@link ProxyProblem}. */
  readonly problem: ProxyProblem;
  /** Where the fault lies, in bytes from the first that the application sent. */
  readonly offset: number;

  constructor(dialect: Dialect, problem: ProxyProblem, offset: number, detail: string) {
    super(`${dialect === "unknown" ? "proxy port" : dialect}, byte ${offset}: ${detail}`);
    this.dialect = dialect;
    this.problem = problem;
    this.offset = offset;
  }
}

/**
 * Why a destination is refused:
 *
 * - `empty`: there is none
 * - `characters`: a byte that no host name has, or that no label of one begins with
 * - `label`: an empty label, or one of more than 63 bytes
 * - `long`: more than 253 bytes
 * - `numeric`: it ends in a number without being an address: `127.1`, `2130706433`, `0x7f.1`, `1.2.3.256`. No such name
 *   exists, but some resolvers read an address out of it, and each its own
 * - `port`: no port from 1 to 65535
 * - `exit`: the name says which exit to use, in `tor`'s old `.exit` notation (address-spec 2)
 * - `onion`: the name of an onion service; they are not supported
 * - `onion-address`: it ends in `.onion`, but no onion service can have that name
 */
export type DestinationProblem =
  | "empty"
  | "characters"
  | "label"
  | "long"
  | "numeric"
  | "port"
  | "exit"
  | "onion"
  | "onion-address";

/** Where an application wants to go is no place that streams are made to. */
export class DestinationError extends Error {
  readonly _tag = "DestinationError";
  override readonly name = "DestinationError";
  /** See {@link DestinationProblem}. */
  readonly problem: DestinationProblem;
  /** Where the fault lies, in bytes from the first that the application sent. */
  readonly offset: number;

  constructor(problem: DestinationProblem, offset: number, detail: string) {
    super(`destination, byte ${offset}: ${detail}`);
    this.problem = problem;
    this.offset = offset;
  }

  /** How the application is told. */
  get failure(): ClientFailure {
    switch (this.problem) {
      case "exit":
        return "exit-notation";
      case "onion":
        return "onion-unsupported";
      case "onion-address":
        return "onion-address";
      case "port":
        return "port";
      default:
        return "destination";
    }
  }
}
