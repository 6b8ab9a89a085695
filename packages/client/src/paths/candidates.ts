import type { Microdescriptor, PortPolicy } from "@allium/netdoc";
import { Bit } from "./bits.ts";
import { WeightedDraw } from "./draw.ts";
import type { Role, Rule, RuledOut } from "./errors.ts";
import { type ExitNeed, permits, permitsSomething } from "./ports.ts";
import type { RelayTable } from "./relay-table.ts";

/** The roles that relays are chosen for here. Guards are kept. */
export type ChosenRole = Exclude<Role, "guard">;

/** What a relay must be for a role, whatever else is in the path. */
export interface Requirement {
  readonly role: ChosenRole;
  readonly fast: boolean;
  readonly stable: boolean;
  /** Whether legs of a conflux set shall meet there. */
  readonly conflux: boolean;
  /** What an exit must permit, all of it; anything, if nothing is needed. */
  readonly needs: ReadonlyArray<ExitNeed>;
}

/** Who meets a requirement, and why the others do not. */
export interface Candidates {
  readonly draw: WeightedDraw;
  readonly ruledOut: RuledOut;
}

/** A rule about bits: which must be set, and which must not. */
interface BitRule {
  readonly rule: Rule;
  readonly set: number;
  readonly clear: number;
}

const bitRules = ({ role, fast, stable, conflux }: Requirement): ReadonlyArray<BitRule> => {
  const rules: Array<BitRule> = [
    { rule: "running", set: Bit.running | Bit.valid, clear: 0 },
    { rule: "excluded", set: 0, clear: role === "exit" ? Bit.excluded | Bit.excludedExit : Bit.excluded },
    { rule: "descriptor", set: Bit.described, clear: 0 },
    { rule: "protocols", set: conflux ? Bit.extend | Bit.conflux : Bit.extend, clear: 0 },
  ];
  if (fast) rules.push({ rule: "fast", set: Bit.fast, clear: 0 });
  if (stable) rules.push({ rule: "stable", set: Bit.stable, clear: 0 });
  if (role === "directory") rules.push({ rule: "directory", set: Bit.directory, clear: 0 });
  if (role === "exit") rules.push({ rule: "badExit", set: 0, clear: Bit.badExit });
  return rules;
};

/** Looks through all relays. */
export const findCandidates = (table: RelayTable, requirement: Requirement): Candidates => {
  const { role, needs } = requirement;
  const rules = bitRules(requirement);
  const counts = new Array<number>(rules.length).fill(0);
  const policy = role === "exit" ? policyCheck(needs) : undefined;
  let forbidden = 0;
  const items = new Uint32Array(table.size);
  let found = 0;
  for (let index = 0; index < table.size; index++) {
    const bits = table.bits[index] as number;
    let at = 0;
    for (; at < rules.length; at++) {
      const { set, clear } = rules[at] as BitRule;
      if ((bits & set) !== set || (bits & clear) !== 0) break;
    }
    if (at < rules.length) counts[at] = (counts[at] as number) + 1;
    else if (policy?.(table.microdescriptorAt(index) as Microdescriptor) === false) forbidden++;
    else items[found++] = index;
  }
  const ruledOut: Partial<Record<Rule, number>> = {};
  rules.forEach(({ rule }, at) => {
    ruledOut[rule] = counts[at] as number;
  });
  if (policy !== undefined) ruledOut.exitPolicy = forbidden;
  return { draw: new WeightedDraw(items.slice(0, found), table.weights(role)), ruledOut };
};

/**
 * Whether an exit's policy permits all that is needed. Many exits have the same policies, and each pair of them is looked at
 * once.
 */
const policyCheck = (needs: ReadonlyArray<ExitNeed>): ((microdescriptor: Microdescriptor) => boolean) => {
  const known = new Map<PortPolicy, Map<PortPolicy, boolean>>();
  return (microdescriptor) => {
    let byIpv6 = known.get(microdescriptor.policy);
    if (byIpv6 === undefined) {
      byIpv6 = new Map();
      known.set(microdescriptor.policy, byIpv6);
    }
    let answer = byIpv6.get(microdescriptor.ipv6Policy);
    if (answer === undefined) {
      answer =
        needs.length === 0 ? permitsSomething(microdescriptor) : needs.every((need) => permits(microdescriptor, need));
      byIpv6.set(microdescriptor.ipv6Policy, answer);
    }
    return answer;
  };
};

/** How many requirements' candidates a table keeps: 100 kB each, with 8,000 relays. */
export const maxKeptCandidates = 32;

/** Candidates that were found before. They hold for one table. */
export class CandidateCache {
  readonly #kept = new Map<string, Candidates>();

  /** How many are kept: {@link maxKeptCandidates}, at most. */
  get size(): number {
    return this.#kept.size;
  }

  /** The candidates for a requirement. Those that were asked for longest ago make room for others. */
  get(table: RelayTable, requirement: Requirement): Candidates {
    const key = keyOf(requirement);
    const found = this.#kept.get(key) ?? findCandidates(table, requirement);
    this.#kept.delete(key);
    this.#kept.set(key, found);
    if (this.#kept.size > maxKeptCandidates) {
      const [oldest] = this.#kept.keys();
      if (oldest !== undefined) this.#kept.delete(oldest);
    }
    return found;
  }
}

const keyOf = ({ role, fast, stable, conflux, needs }: Requirement): string =>
  `${role} ${fast} ${stable} ${conflux} ${needs
    .map(({ family, port }) => `${family}:${port}`)
    .sort()
    .join(" ")}`;
