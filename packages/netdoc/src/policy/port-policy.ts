import { PolicyError } from "../errors.ts";

/** An inclusive range of ports. */
export interface PortRange {
  /** The lowest port of it, from 1. */
  readonly low: number;
  /** The highest port of it. */
  readonly high: number;
}

/** The highest port. */
export const highestPort = 65535;
/** Characters of the longest summary (dir-spec 3.8.2). */
export const maxSummaryLength = 1000;

const entry = /^([1-9]\d{0,4})(?:-([1-9]\d{0,4}))?$/;

/**
 * A policy's summary: the ports that are open to most addresses, or those that are not (dir-spec 3.8.2). It is what clients
 * know of an exit: `p` and `p6` lines, and `ipv6-policy` in a router descriptor.
 */
export class PortPolicy {
  /** Nothing is permitted: what an absent line means. */
  static readonly rejectAll: PortPolicy = new PortPolicy(false, [{ low: 1, high: highestPort }]);

  /** Whether the ranges are the ports that are permitted, rather than those that are not. */
  readonly accepts: boolean;
  /** The ranges, in ascending order. */
  readonly ranges: ReadonlyArray<PortRange>;

  constructor(accepts: boolean, ranges: ReadonlyArray<PortRange>) {
    this.accepts = accepts;
    this.ranges = ranges;
  }

  /**
   * Reads a summary, as in `accept 80,443` or `reject 25,6881-6999`.
   *
   * @throws PolicyError if it is malformed, or its ranges are not in ascending order
   */
  static parse(text: string): PortPolicy {
    const space = text.indexOf(" ");
    const action = space < 0 ? text : text.slice(0, space);
    if (action !== "accept" && action !== "reject")
      throw new PolicyError("bad-action", text, 0, "expected accept or reject");
    const ranges: Array<PortRange> = [];
    let offset = space < 0 ? text.length : space + 1;
    let previous = 0;
    for (const part of text.slice(offset).split(",")) {
      const match = entry.exec(part);
      const low = Number(match?.[1]);
      const high = match?.[2] === undefined ? low : Number(match[2]);
      if (match === null || high > highestPort || low > high)
        throw new PolicyError("bad-ports", text, offset, "expected a port or a range of ports");
      if (low <= previous) throw new PolicyError("bad-ports", text, offset, "ports are not in ascending order");
      ranges.push({ low, high });
      previous = high;
      offset += part.length + 1;
    }
    return new PortPolicy(action === "accept", ranges);
  }

  /** Whether a port is open to most addresses. The exit may still refuse a single one. */
  permits(port: number): boolean {
    if (port < 1 || port > highestPort) return false;
    return this.ranges.some(({ low, high }) => low <= port && port <= high) === this.accepts;
  }

  /** Whether no port is open. */
  get rejectsAll(): boolean {
    const [only] = this.ranges;
    return !this.accepts && this.ranges.length === 1 && only !== undefined && allPorts(only);
  }

  /** The summary as a line has it. */
  toString(): string {
    return `${this.accepts ? "accept" : "reject"} ${this.ranges.map(formatRange).join(",")}`;
  }
}

/** Whether a range is all ports. */
export const allPorts = ({ low, high }: PortRange): boolean => low === 1 && high === highestPort;

/** A range as summaries and rules write it. */
export const formatRange = ({ low, high }: PortRange): string => (low === high ? `${low}` : `${low}-${high}`);
