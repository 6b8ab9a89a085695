import type { Endpoint } from "@allium/channel";
import { type AddressAndPort, addressAndPort } from "@allium/netdoc";

/** What is wrong with one line of a list. */
export interface LineProblem {
  /** Counted from one. */
  readonly line: number;
  readonly detail: string;
}

/** Thrown within one line, to be given its number. */
export class LineFault extends Error {}

/** How the lines of a list are read. */
export interface LineReader<A> {
  /** The word that may begin a line, and says nothing else. */
  readonly keyword: RegExp;
  /** @returns undefined for a line that is skipped. @throws LineFault */
  readonly read: (words: ReadonlyArray<string>) => A | undefined;
  /** What no other line may have. */
  readonly unique: (value: A) => ReadonlyArray<string>;
}

/** Reads lines of words; blank ones and what follows a `#` are skipped. All problems are found, not only the first. */
export const readLines = <A>(
  text: string,
  { keyword, read, unique }: LineReader<A>,
): { readonly values: ReadonlyArray<A>; readonly problems: ReadonlyArray<LineProblem> } => {
  const values: Array<A> = [];
  const problems: Array<LineProblem> = [];
  const seen = new Map<string, number>();
  for (const [index, raw] of text.split("\n").entries()) {
    const line = index + 1;
    const words = raw
      .replace(/#.*/s, "")
      .split(/\s+/)
      .filter((word) => word !== "");
    if (words.length === 0) continue;
    try {
      const value = read(keyword.test(words[0] ?? "") ? words.slice(1) : words);
      if (value === undefined) continue;
      for (const name of unique(value)) {
        const earlier = seen.get(name);
        if (earlier !== undefined) throw new LineFault(`the ${name} is that of line ${earlier} too`);
        seen.set(name, line);
      }
      values.push(value);
    } catch (error) {
      if (!(error instanceof LineFault)) throw error;
      problems.push({ line, detail: error.message });
    }
  }
  return { values, problems };
};

/** A list that cannot be used. It tells all that is wrong with it, not only what comes first. */
export abstract class ListError extends Error {
  readonly problems: ReadonlyArray<LineProblem>;

  constructor(problems: ReadonlyArray<LineProblem>) {
    super(problems.map(({ line, detail }) => `line ${line}: ${detail}`).join("\n"));
    this.problems = problems;
  }
}

/** A word `name=value`; the value is empty if there is none. */
export const readOption = (word: string): { readonly name: string; readonly value: string } => {
  const equals = word.indexOf("=");
  return {
    name: (equals < 0 ? word : word.slice(0, equals)).toLowerCase(),
    value: equals < 0 ? "" : word.slice(equals + 1),
  };
};

/** The port that `orport=` names. @throws LineFault */
export const readOrPort = (text: string): number => {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new LineFault(`orport "${text}" is not a port`);
  return port;
};

/** What `ipv6=` names. @throws LineFault */
export const readIpv6 = (text: string): AddressAndPort => {
  const address = addressAndPort(text);
  if (!address?.address.includes(":") || address.port === 0)
    throw new LineFault(`ipv6 "${text}" is not [address]:port`);
  return address;
};

/** Where an address with a port leads. */
export const endpointOf = ({ address, port }: AddressAndPort): Endpoint => ({ host: address, port });
