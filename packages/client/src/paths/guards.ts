/**
 * What the keeper of guards asks of a directory. Which guards are kept and used is not for path selection to say (guard-spec).
 */
import type { Fingerprint } from "@allium/netdoc";
import type { Rule } from "./errors.ts";
import type { Relay, RelayTable } from "./relay-table.ts";
import { Restriction } from "./restriction.ts";

/**
 * The weight of a relay in the guard position, whatever its flags; zero for one that the consensus does not list (path-spec
 * 5.1).
 */
export const guardWeight = (table: RelayTable, fingerprint: Fingerprint): number =>
  table.weights("guard")[table.indexOf(fingerprint)] ?? 0;

/** What a guard must keep clear of: what is in the path already, and in other legs of the same tunnel (guard-spec 4.6). */
export class GuardLimits {
  /** The last relay of the path, if it is longer than the guard. */
  readonly last: Relay | undefined;
  /** Relays of other legs, which may not be taken again (proposal 329). */
  readonly used: ReadonlySet<Fingerprint>;
  readonly #table: RelayTable;
  readonly #restriction: Restriction;

  /** @param guards those of other legs: two guards that one operator sees would see the whole tunnel */
  constructor(
    table: RelayTable,
    last: Relay | undefined,
    used: ReadonlyArray<Relay>,
    guards: ReadonlyArray<Relay> = [],
  ) {
    this.last = last;
    this.used = new Set(used.map(({ status }) => status.fingerprint));
    this.#table = table;
    this.#restriction = new Restriction(table, { path: last === undefined ? guards : [last, ...guards], used });
  }

  /**
   * Whether a relay may not be in one path with the last, or beside the guards of other legs: it is the same, or family, or in one of
   * their subnets. A relay whose microdescriptor is not there is taken for unrelated; no circuit can be built with it either.
   */
  related(fingerprint: Fingerprint): boolean {
    const relay = this.#table.find(fingerprint);
    return relay !== undefined && !this.used.has(fingerprint) && this.check(relay) !== undefined;
  }

  /** The rule that forbids a relay as the guard, if one does. */
  check(relay: Relay): Rule | undefined {
    return this.#restriction.check(relay);
  }
}
