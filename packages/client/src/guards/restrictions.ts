import type { Fingerprint } from "@allium/netdoc";

/**
 * What one circuit, or one request, wants of its guard beyond what all want (guard-spec 4.6). It is remembered with the circuit,
 * as it says which other circuits it has to wait for (4.9).
 */
export type GuardRestriction =
  /** Not the exit (or whichever relay is chosen already), and nothing that may not share a path with it. */
  | {
      readonly kind: "exit";
      readonly exit: Fingerprint;
      /** Whether a guard may not be together with it: its family, its subnet (path-spec 2.2). */
      readonly related: (guard: Fingerprint) => boolean;
    }
  /** None of these: the guards of a conflux set's other legs (proposal 329), relays chosen already. */
  | { readonly kind: "not-among"; readonly relays: ReadonlySet<Fingerprint> }
  /** None of these directories, which lately did not have what was asked for. Does not count while few guards are usable. */
  | { readonly kind: "stale-directory"; readonly relays: ReadonlySet<Fingerprint> };

/** Where fewer guards than this are usable, none is passed over for being behind as a directory; as `tor`. */
const minGuardsToPassOver = 10;

/** The restrictions that count while so many guards are usable. */
export const countingRestrictions = (
  restrictions: ReadonlyArray<GuardRestriction>,
  usable: number,
): ReadonlyArray<GuardRestriction> =>
  usable >= minGuardsToPassOver
    ? restrictions
    : restrictions.filter((restriction) => restriction.kind !== "stale-directory");

const obeys = (guard: Fingerprint, restriction: GuardRestriction): boolean =>
  restriction.kind === "exit"
    ? guard !== restriction.exit && !restriction.related(guard)
    : !restriction.relays.has(guard);

/** Whether a guard obeys all restrictions. */
export const obeysAll = (guard: Fingerprint, restrictions: ReadonlyArray<GuardRestriction>): boolean =>
  restrictions.every((restriction) => obeys(guard, restriction));
