import { allPorts } from "./port-policy.ts";
import { covers, intersects, type PolicyRule } from "./rule.ts";

/**
 * The same policy with fewer rules: without those that never decide anything. A descriptor carries each rule to every authority,
 * and a policy with its defaults has many that are shadowed.
 *
 * This leaves out exactly what `tor` leaves out, so that a policy looks the same whoever publishes it.
 */
export const withoutRedundantRules = (rules: ReadonlyArray<PolicyRule>): ReadonlyArray<PolicyRule> => {
  const reachable = beforeCatchAll(rules);
  const first: Array<PolicyRule> = [];
  for (const rule of reachable) {
    // An earlier rule decides all that this one is about.
    if (!first.some((earlier) => ruleCovers(earlier, rule))) first.push(rule);
  }
  const kept: Array<PolicyRule> = [];
  first.forEach((rule, index) => {
    if (!sameLater(rule, first, index + 1)) kept.push(rule);
  });
  return kept;
};

/** The rules up to the one that decides all of its family. */
const beforeCatchAll = (rules: ReadonlyArray<PolicyRule>): ReadonlyArray<PolicyRule> => {
  const decided = new Set<number>();
  return rules.filter((rule) => {
    const { family, bits } = rule.network;
    if (decided.has(family)) return false;
    if (bits === 0 && allPorts(rule)) decided.add(family);
    return true;
  });
};

const ruleCovers = (outer: PolicyRule, inner: PolicyRule): boolean =>
  outer.low <= inner.low && outer.high >= inner.high && covers(outer.network, inner.network);

const rulesIntersect = (left: PolicyRule, right: PolicyRule): boolean =>
  left.low <= right.high && right.low <= left.high && intersects(left.network, right.network);

/** Whether a later rule says the same of more, and none in between says anything else about any of it. */
const sameLater = (rule: PolicyRule, rules: ReadonlyArray<PolicyRule>, from: number): boolean => {
  for (let index = from; index < rules.length; index++) {
    const later = rules[index];
    if (later === undefined) return false;
    if (later.accept !== rule.accept) {
      if (rulesIntersect(rule, later)) return false;
    } else if (ruleCovers(later, rule)) {
      return true;
    }
  }
  return false;
};
