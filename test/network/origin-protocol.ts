/**
 * The origin's protocol. A client sends one line, `MODE key=value ...`; lengths are always said beforehand, because a
 * stream through `tor` has no half-close: the end of one direction ends both.
 *
 * | mode | what the origin does |
 * | --- | --- |
 * | `transfer down=N up=M seed=S verify=0/1` | sends N bytes while it reads M, then one line `SHA256-of-sent SHA256-of-read` (`-` unverified), then closes |
 * | `echo` | gives back every byte until the client closes |
 * | `stall` | never reads again, and never closes by itself |
 * | `early-close down=N up=M seed=S` | reads M bytes, sends N without a line after them, closes although the client may be sending |
 * | `reset down=N seed=S` | sends N bytes, then breaks the connection with RST |
 * | `slow down=N up=M seed=S rate=R` | as a verified transfer, at R bytes a second in each direction |
 * | `whoami` | answers with the address and port it sees the client at |
 */
export const ORIGIN_MODES = ["transfer", "echo", "stall", "early-close", "reset", "slow", "whoami"] as const;

export type OriginMode = (typeof ORIGIN_MODES)[number];

/** A request to the origin. */
export interface OriginRequest {
  readonly mode: OriginMode;
  /** Bytes from the origin to the client. @default 0 */
  readonly down?: number;
  /** Bytes from the client to the origin. @default 0 */
  readonly up?: number;
  /** Chooses the bytes; the client's are those of `seed + 1`. @default 1 */
  readonly seed?: number;
  /** Whether both sides make a SHA-256 of what they send and read. @default true */
  readonly verify?: boolean;
  /** Bytes per second, for `slow`. @default 65_536 */
  readonly rate?: number;
}

/** A client sent something else than a request. */
export class OriginRequestError extends Error {
  readonly _tag = "OriginRequestError";
}

export const formatRequest = (request: OriginRequest): string =>
  `${request.mode} down=${request.down ?? 0} up=${request.up ?? 0} seed=${request.seed ?? 1} ` +
  `verify=${request.verify === false ? 0 : 1} rate=${request.rate ?? 65_536}\n`;

/** @throws OriginRequestError */
export const parseRequest = (line: string): Required<OriginRequest> => {
  const [word, ...fields] = line.split(" ");
  const mode = ORIGIN_MODES.find((known) => known === word);
  const values = new Map(fields.map((field) => field.split("=") as [string, string]));
  const number = (name: string): number => {
    const value = Number(values.get(name));
    if (!Number.isSafeInteger(value) || value < 0) throw new OriginRequestError(`${name} in ${JSON.stringify(line)}`);
    return value;
  };
  if (mode === undefined) throw new OriginRequestError(`mode in ${JSON.stringify(line)}`);
  return {
    mode,
    down: number("down"),
    up: number("up"),
    seed: number("seed"),
    verify: number("verify") === 1,
    rate: number("rate"),
  };
};

/** One connection as the origin saw it. */
export interface OriginConnection {
  readonly id: number;
  /** The request's mode; undefined before one came. */
  readonly mode: OriginMode | undefined;
  /** The client's address and port. */
  readonly remote: string;
  /** Payload bytes read and written, the request line and the trailing line not counted. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly open: boolean;
  /** How it ended: `done`, `closed` by the client before the end, or the socket's error code. */
  readonly end: string | undefined;
}
