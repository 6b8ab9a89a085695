const keyword = /^[A-Za-z0-9-]+$/;
const range = /^(\d{1,2})(?:-(\d{1,2}))?$/;
/** The highest version that a subprotocol may have (dir-spec 2.1.1, `proto`). */
export const highestProtocolVersion = 63;

/**
 * Which versions of which subprotocols somebody speaks, or must speak: the `proto` and `pr` lines, and the consensus's lists of
 * recommended and required ones (dir-spec 2.1.1, tor-spec 9). Immutable; equal lines of one consensus share one object.
 */
export class Protocols {
  /** No subprotocol at all. */
  static readonly none: Protocols = new Protocols(new Map());

  /** For each name the set of its versions, one bit each. */
  readonly #versions: ReadonlyMap<string, bigint>;

  private constructor(versions: ReadonlyMap<string, bigint>) {
    this.#versions = versions;
  }

  /**
   * The protocols that a line lists, as in `Link=3-5 LinkAuth=3`; undefined if it is malformed. Versions in the wrong order, or
   * listed twice, are put right; the specification only advises against them.
   */
  static parse(text: string): Protocols | undefined {
    const versions = new Map<string, bigint>();
    for (const entry of text.split(/[ \t]+/)) {
      if (entry === "") continue;
      const equals = entry.indexOf("=");
      const name = entry.slice(0, equals);
      if (equals < 0 || !keyword.test(name) || versions.has(name)) return undefined;
      let mask = 0n;
      // An empty list is how a relay says that it knows the name and speaks no version of it.
      for (const part of equals + 1 === entry.length ? [] : entry.slice(equals + 1).split(",")) {
        const match = range.exec(part);
        if (match === null) return undefined;
        const low = Number(match[1]);
        const high = match[2] === undefined ? low : Number(match[2]);
        if (low > high || high > highestProtocolVersion) return undefined;
        mask |= ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);
      }
      versions.set(name, mask);
    }
    return new Protocols(versions);
  }

  /** Whether a version of a subprotocol is among them. */
  supports(name: string, version: number): boolean {
    return version >= 0 && ((this.#versions.get(name) ?? 0n) >> BigInt(version)) % 2n === 1n;
  }

  /** Those of `required` that are not among these, as a line; empty if none is missing. */
  missing(required: Protocols): string {
    const lacking = new Map<string, bigint>();
    for (const [name, mask] of required.#versions) {
      const without = mask & ~(this.#versions.get(name) ?? 0n);
      if (without !== 0n) lacking.set(name, without);
    }
    return new Protocols(lacking).toString();
  }

  /** The line that says so, names sorted and versions in ranges (dir-spec 2.1.1). */
  toString(): string {
    return [...this.#versions]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, mask]) => `${name}=${formatVersions(mask)}`)
      .join(" ");
  }
}

const formatVersions = (mask: bigint): string => {
  const parts: Array<string> = [];
  for (let low = 0; low <= highestProtocolVersion; low++) {
    if ((mask >> BigInt(low)) % 2n === 0n) continue;
    let high = low;
    while ((mask >> BigInt(high + 1)) % 2n === 1n) high++;
    parts.push(low === high ? `${low}` : `${low}-${high}`);
    low = high;
  }
  return parts.join(",");
};
