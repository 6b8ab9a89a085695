import type { Fingerprint } from "@allium/netdoc";
import type { Rule } from "./errors.ts";
import { areFamily } from "./families.ts";
import type { Relay, RelayTable } from "./relay-table.ts";
import { Subnets } from "./subnets.ts";

/** What a relay to be chosen has to keep clear of. */
export interface Surroundings {
  /** The relays of the path so far: not the same, not their family, not in their subnets (path-spec 2.2). */
  readonly path?: ReadonlyArray<Relay>;
  /** Relays that may not be chosen again, while their family may: those of other legs of the same tunnel (proposal 329). */
  readonly used?: ReadonlyArray<Relay>;
  /** Relays that have failed: as exits, until there is a new descriptor of them (path-spec 2.5), or as directories. */
  readonly avoid?: ReadonlySet<Fingerprint>;
}

const nothing: ReadonlyArray<Relay> = [];

/** The rules that {@link Restriction} applies. */
export const restrictionRules: ReadonlyArray<Rule> = ["avoided", "used", "family", "subnet"];

/** What follows from the relays of a path, and other legs, for another relay of it. */
export class Restriction {
  readonly #table: RelayTable;
  readonly #path: ReadonlyArray<Relay>;
  readonly #used: ReadonlySet<Fingerprint>;
  readonly #avoid: ReadonlySet<Fingerprint> | undefined;
  readonly #subnets: Subnets | undefined;

  constructor(table: RelayTable, { path = nothing, used = nothing, avoid }: Surroundings = {}) {
    this.#table = table;
    this.#path = path;
    this.#used = new Set([...path, ...used].map(({ status }) => status.fingerprint));
    this.#avoid = avoid;
    const apart = table.options.enforceDistinctSubnets ?? true;
    this.#subnets = apart && path.length > 0 ? new Subnets(path.map(({ status }) => status)) : undefined;
  }

  /** The rule that rules a relay out, or undefined. */
  check(relay: Relay): Rule | undefined {
    const { fingerprint } = relay.status;
    if (this.#avoid?.has(fingerprint) === true) return "avoided";
    if (this.#used.has(fingerprint)) return "used";
    for (const hop of this.#path) if (areFamily(hop, relay, this.#table.families)) return "family";
    return this.#subnets?.overlap(relay.status) === true ? "subnet" : undefined;
  }
}
