import type { UnixMillis } from "@allium/netdoc";
import type { GuardInstance, GuardTicket } from "./circuits.ts";
import { GuardFilter } from "./filter.ts";
import { GuardSet } from "./guard-set.ts";
import { type GuardParams, guardParams } from "./params.ts";
import type { Uniform } from "./random.ts";
import type { GuardUpdate } from "./requests.ts";
import { GUARD_STATE_VERSION, type GuardState, type LoadedGuards } from "./state.ts";
import type { StoredSample } from "./stored-guard.ts";
import { emptyGuardView, type GuardView } from "./view.ts";

/** How far beyond MEANINGFUL_RESTRICTION_FRAC the fraction has to go before the sample is changed again (guard-spec 2). */
const reluctance = 0.05;

/** How many of the consensus's guards the configuration allows. */
export interface GuardShare {
  readonly listed: number;
  readonly allowed: number;
}

/**
 * Which sample to use (guard-spec 2): the common one, unless the configuration allows so few guards that they would fill it with
 * others. A program that uses one already changes only if the share has gone beyond the bound by 5 %, so as not to go back and
 * forth.
 */
export const chooseInstance = (
  { listed, allowed }: GuardShare,
  params: GuardParams,
  previous: GuardInstance | undefined,
): GuardInstance => {
  const bound = listed * params.meaningfulRestriction;
  if (previous === undefined) return allowed < bound ? "restricted" : "default";
  if (allowed >= bound * (1 + reluctance)) return "default";
  if (allowed < bound * (1 - reluctance)) return "restricted";
  return previous;
};

/** What a change did to the set in use. */
export interface GuardSetsUpdate extends GuardUpdate {
  /** Whether another sample is in use from here on. Then circuits of the other should get no new streams. */
  readonly switched: boolean;
  /** Whether so few guards are allowed that this alone makes the client stand out (EXTREME_RESTRICTION_FRAC): worth a warning. */
  readonly extremelyRestricted: boolean;
}

const nothing: StoredSample = { guards: [], confirmed: [] };

/** What {@link GuardSets} begins with. */
export interface GuardSetsOptions {
  /** What was kept; nothing if left out. */
  readonly loaded?: LoadedGuards;
  readonly filter?: GuardFilter;
  /** The version of this program. */
  readonly version: string;
}

/** The samples of guard-spec 2 of which one is in use: a common one, and one for configurations that allow few guards. */
export class GuardSets {
  readonly #sets: Readonly<Record<GuardInstance, GuardSet>>;
  #filter: GuardFilter;
  #view: GuardView = emptyGuardView;
  #instance: GuardInstance | undefined;

  constructor({ loaded, filter = GuardFilter.none, version }: GuardSetsOptions) {
    this.#filter = filter;
    this.#sets = {
      default: new GuardSet(loaded?.default ?? nothing, { instance: "default", filter, version }),
      restricted: new GuardSet(loaded?.restricted ?? nothing, { instance: "restricted", filter, version }),
    };
  }

  /** The set from which guards are to be chosen. */
  get active(): GuardSet {
    return this.#sets[this.#instance ?? "default"];
  }

  /** The set that a ticket's guard is of, to tell it what became of the circuit. */
  of(ticket: GuardTicket): GuardSet {
    return this.#sets[ticket.instance];
  }

  /** Grows each time that something changes which is kept in the file. */
  get revision(): number {
    return this.#sets.default.revision + this.#sets.restricted.revision;
  }

  /** Takes in a consensus or its microdescriptors. */
  update(view: GuardView, now: UnixMillis, random: Uniform): GuardSetsUpdate {
    this.#view = view;
    return this.#update(now, random);
  }

  /** Takes in what the configuration allows. */
  configure(filter: GuardFilter, now: UnixMillis, random: Uniform): GuardSetsUpdate {
    this.#filter = filter;
    return this.#update(now, random);
  }

  /** What is to be kept in the file. */
  state(): GuardState {
    const { default: common, restricted } = this.#sets;
    return { version: GUARD_STATE_VERSION, samples: { default: common.state(), restricted: restricted.state() } };
  }

  #update(now: UnixMillis, random: Uniform): GuardSetsUpdate {
    const params = guardParams(this.#view.params);
    const guards = [...this.#view.guards.values()];
    const share = { listed: guards.length, allowed: guards.filter((guard) => this.#filter.allows(guard)).length };
    const before = this.#instance;
    // Without a consensus there is no telling.
    if (this.#view.isLive(now) && share.listed > 0) this.#instance = chooseInstance(share, params, before);
    const former = this.#sets[before ?? "default"];
    const switched = this.active !== former;
    // The sample that is not in use rests. It is brought up to date when it is used again.
    const update = this.active.update(this.#view, now, random, this.#filter);
    const expired = switched ? [...update.expired, ...former.dropWaiting()] : update.expired;
    const extremelyRestricted = share.allowed < share.listed * params.extremeRestriction;
    return { ...update, expired, switched, extremelyRestricted };
  }
}
