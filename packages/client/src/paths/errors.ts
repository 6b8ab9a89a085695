/** What a relay is wanted for. */
export type Role = "guard" | "middle" | "exit" | "directory";

/** What rules a relay out. Each is counted under the first that does, in this order. */
export type Rule =
  /** It is not Running, or not Valid (path-spec 2.2). */
  | "running"
  /** The operator excludes it. */
  | "excluded"
  /** Its microdescriptor is not there yet, or lacks the Ed25519 identity. */
  | "descriptor"
  /** It does not speak what the role takes (tor-spec 9). */
  | "protocols"
  /** It is not Fast (path-spec 2.2). */
  | "fast"
  /** It is not Stable, and something long-lived is wanted (path-spec 2.2). */
  | "stable"
  /** It serves no directory requests (dir-spec 3.4.1, `V2Dir`). */
  | "directory"
  /** It is a BadExit, or for the middle only (path-spec 2.2.1, proposal 335). */
  | "badExit"
  /** Its policy forbids what is wanted (path-spec 2.2.1). */
  | "exitPolicy"
  /** The request avoids it: it has failed, as an exit or a directory. */
  | "avoided"
  /** It is in the path, or in another leg of the same tunnel. */
  | "used"
  /** It is family of a relay in the path (path-spec 2.2). */
  | "family"
  /** It is in a subnet of a relay in the path (path-spec 2.2). */
  | "subnet";

/** How many relays each rule has ruled out: zero for those that were applied in vain, nothing for those that were not. */
export type RuledOut = Readonly<Partial<Record<Rule, number>>>;

/** No relay of the consensus can take a role in a path. */
export class NoSuitableRelay extends Error {
  readonly _tag = "NoSuitableRelay";
  readonly role: Role;
  /** How many relays there were to begin with. */
  readonly considered: number;
  readonly ruledOut: RuledOut;

  constructor(role: Role, considered: number, ruledOut: RuledOut) {
    const reasons = Object.entries(ruledOut)
      .filter(([, count]) => count > 0)
      .map(([rule, count]) => `${rule} ${count}`);
    super(`no relay can be the ${role}: of ${considered}, ruled out by ${reasons.join(", ") || "nothing"}`);
    this.role = role;
    this.considered = considered;
    this.ruledOut = ruledOut;
  }
}

/** A path was wanted of a length that paths with such an end do not have. */
export class BadPathLength extends Error {
  readonly _tag = "BadPathLength";
  readonly hops: number;

  constructor(hops: number, least: number, most: number) {
    super(`such a path has from ${least} to ${most} hops, not ${hops}`);
    this.hops = hops;
  }
}
