import type { NetParams } from "@allium/netdoc";
import type { Relay } from "./relay-table.ts";

/** What makes a family: the consensus may turn either off (proposal 321, `use-family-lists` and `use-family-ids`). */
export interface FamilyRules {
  /** Relays that list each other. */
  readonly lists: boolean;
  /** Relays that prove the same family key. */
  readonly ids: boolean;
}

const onOff = { default: 1, min: 0, max: 1 };

/** What the consensus's parameters say of it. */
export const familyRules = (params: NetParams): FamilyRules => ({
  lists: params.get("use-family-lists", onOff) === 1,
  ids: params.get("use-family-ids", onOff) === 1,
});

/** Whom a relay lists as its family. */
interface Listed {
  readonly fingerprints: ReadonlySet<string>;
  /** In lower case: a name may stand for several relays, or for none. */
  readonly nicknames: ReadonlySet<string>;
}

/** Lists are shared by the microdescriptors that have the same, and large: each is read once. */
const listedOf = new WeakMap<ReadonlyArray<string>, Listed>();
const setOf = new WeakMap<ReadonlyArray<string>, ReadonlySet<string>>();

const listed = (family: ReadonlyArray<string>): Listed => {
  const before = listedOf.get(family);
  if (before !== undefined) return before;
  const fingerprints = new Set<string>();
  const nicknames = new Set<string>();
  for (const member of family)
    if (member.startsWith("$")) fingerprints.add(member.slice(1, 41).toUpperCase());
    else nicknames.add(member.toLowerCase());
  const made = { fingerprints, nicknames };
  listedOf.set(family, made);
  return made;
};

const asSet = (ids: ReadonlyArray<string>): ReadonlySet<string> => {
  const before = setOf.get(ids);
  if (before !== undefined) return before;
  const made = new Set(ids);
  setOf.set(ids, made);
  return made;
};

const lists = (one: Relay, other: Relay): boolean => {
  const { family } = one.microdescriptor;
  if (family.length === 0) return false;
  const { fingerprints, nicknames } = listed(family);
  const { fingerprint, nickname } = other.status;
  return fingerprints.has(fingerprint) || (nicknames.size > 0 && nicknames.has(nickname.toLowerCase()));
};

/**
 * Whether two relays are family: each lists the other (path-spec 2.2), or both have the same family key (proposal 321).
 */
export const areFamily = (one: Relay, other: Relay, rules: FamilyRules): boolean => {
  if (rules.lists && lists(one, other) && lists(other, one)) return true;
  const ids = one.microdescriptor.familyIds;
  const others = other.microdescriptor.familyIds;
  return rules.ids && ids.length > 0 && others.length > 0 && !asSet(ids).isDisjointFrom(asSet(others));
};
