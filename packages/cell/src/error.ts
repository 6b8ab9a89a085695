/**
 * What is wrong with bytes that a peer sent:
 *
 * - `truncated`: the message ends before a field of it does
 * - `length`: a length field contradicts what it measures
 * - `value`: a field holds a value that the specification does not allow there
 * - `duplicate`: something is listed twice that may be listed once
 * - `destination`: the host of a BEGIN or RESOLVE is neither an address nor a name that is looked up; its form is right, so
 *   an exit answers as if the name did not exist
 * - `unexpected`: the message is known, but not allowed in this state
 * - `circuit-id`, `stream-id`: the ID is zero where it must not be, or the other way round
 * - `oversized`: a variable-length cell is longer than the decoder's limit
 * - `backlog`: more bytes were pushed into a decoder than it may hold
 */
export type CellProblem =
  | "truncated"
  | "length"
  | "value"
  | "duplicate"
  | "destination"
  | "unexpected"
  | "circuit-id"
  | "stream-id"
  | "oversized"
  | "backlog";

/**
 * Bytes from a peer that are not what the protocol says. Every decoder of this package throws this and nothing else.
 * For whom it may concern it is a protocol violation, except `backlog`, which is the caller's.
 */
export class CellError extends Error {
  readonly _tag = "CellError";
  override readonly name = "CellError";
  /** The kind of fault, see {@link CellProblem}. */
  readonly problem: CellProblem;
  /** The message or structure that was read, by the name the specification gives it: `NETINFO`, `RELAY cell`. */
  readonly subject: string;
  /** Where in the body of the subject the fault lies, in bytes from its start. */
  readonly offset: number;

  constructor(problem: CellProblem, subject: string, offset: number, detail: string) {
    super(`${subject}, byte ${offset}: ${detail}`);
    this.problem = problem;
    this.subject = subject;
    this.offset = offset;
  }
}

/**
 * A message that has no encoding: a list with too many items, a text too long, an address that is none. It tells of a
 * fault on this side. Every encoder of this package throws this and nothing else.
 */
export class CellEncodeError extends Error {
  readonly _tag = "CellEncodeError";
  override readonly name = "CellEncodeError";
  /** The message or structure that was to be written, by the name the specification gives it. */
  readonly subject: string;

  constructor(subject: string, detail: string) {
    super(`${subject}: ${detail}`);
    this.subject = subject;
  }
}
