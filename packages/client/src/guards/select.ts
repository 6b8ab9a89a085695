import type { Fingerprint, UnixMillis } from "@allium/netdoc";
import { type GuardCounts, NoGuardError, type NoGuardReason } from "./errors.ts";
import type { SampledGuard } from "./guard.ts";
import { drawIndex, type Uniform } from "./random.ts";
import { type GuardRestriction, obeysAll } from "./restrictions.ts";
import type { Sample } from "./sample.ts";

/** What a choice goes by. */
export interface Selection {
  /** Whether circuits are built, or a directory is asked over one hop: then no microdescriptor is needed. */
  readonly purpose: "data" | "directory";
  /** Those that count. */
  readonly restrictions: ReadonlyArray<GuardRestriction>;
  /** Among how many primary guards to choose. */
  readonly primaryGuardsToUse: number;
  readonly hasDescriptor: (guard: Fingerprint) => boolean;
}

/** What a choice may come to. */
export type Selected =
  | { readonly usability: "usable-on-completion" | "usable-if-no-better-guard"; readonly guard: SampledGuard }
  /** Microdescriptors have to be fetched first (guard-spec 4.12). */
  | { readonly usability: "none"; readonly missing: ReadonlyArray<Fingerprint> };

/**
 * One of the first primary guards that are not down, chosen uniformly (guard-spec 4.6, first step); undefined if all are down or
 * not permitted. If one of those to choose from has no microdescriptor, no circuit is built: a guard that is further down
 * the list does not get a chance by that (4.12).
 */
export const selectPrimary = (sample: Sample, selection: Selection, random: Uniform): Selected | undefined => {
  const first = sample.primary
    .filter((guard) => guard.usable && obeysAll(guard.fingerprint, selection.restrictions))
    .slice(0, selection.primaryGuardsToUse);
  if (selection.purpose === "data") {
    const missing = first.filter(({ fingerprint }) => !selection.hasDescriptor(fingerprint));
    if (missing.length > 0) return { usability: "none", missing: missing.map(({ fingerprint }) => fingerprint) };
  }
  const guard = first[drawIndex(random, first.length)];
  return guard === undefined ? undefined : { usability: "usable-on-completion", guard };
};

/**
 * The best of the other guards (guard-spec 4.6, second and third step): confirmed ones in their order, then the sample in its
 * order; those first about which no circuit is finding out already. Undefined if none is left.
 */
export const selectOther = (sample: Sample, selection: Selection): Selected | undefined => {
  const fits = (guard: SampledGuard): boolean => guard.usable && obeysAll(guard.fingerprint, selection.restrictions);
  const missing: Array<Fingerprint> = [];
  for (const order of [sample.confirmed, [...sample.guards].filter(({ confirmedOn }) => confirmedOn === undefined)]) {
    const fitting = order.filter(fits);
    const ready = fitting.filter(
      ({ fingerprint }) => selection.purpose === "directory" || selection.hasDescriptor(fingerprint),
    );
    const guard = ready.find(({ pending }) => !pending) ?? ready[0];
    if (guard !== undefined) return { usability: "usable-if-no-better-guard", guard };
    missing.push(...fitting.map(({ fingerprint }) => fingerprint));
  }
  return missing.length === 0 ? undefined : { usability: "none", missing };
};

/** How many guards each step of a choice leaves. */
export const countGuards = (sample: Sample, restrictions: ReadonlyArray<GuardRestriction>): GuardCounts => {
  const filtered = [...sample.guards].filter((guard) => guard.filtered);
  const permitted = filtered.filter(({ fingerprint }) => obeysAll(fingerprint, restrictions));
  return {
    sampled: sample.size,
    filtered: filtered.length,
    permitted: permitted.length,
    usable: permitted.filter(({ usable }) => usable).length,
  };
};

/** The reason why there is no guard, from how many each step left. */
export const reasonOf = ({ sampled, filtered, permitted }: GuardCounts): NoGuardReason =>
  sampled === 0 ? "none-sampled" : filtered === 0 ? "all-filtered" : permitted === 0 ? "all-restricted" : "all-down";

/** The earliest of some times; undefined if there are none. */
export const earliest = (times: Iterable<UnixMillis | undefined>): UnixMillis | undefined => {
  let first: UnixMillis | undefined;
  for (const time of times) if (time !== undefined && (first === undefined || time < first)) first = time;
  return first;
};

/** What is thrown where microdescriptors are missing. */
export const missingDescriptors = (
  sample: Sample,
  restrictions: ReadonlyArray<GuardRestriction>,
  missing: ReadonlyArray<Fingerprint>,
): NoGuardError => new NoGuardError("missing-descriptors", countGuards(sample, restrictions), { missing });
