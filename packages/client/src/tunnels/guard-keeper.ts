import type { AddressAndPort, Consensus, Fingerprint, UnixMillis } from "@allium/netdoc";
import {
  type GuardChoice,
  type GuardRestriction,
  type GuardSets,
  type GuardState,
  type GuardTicket,
  guardView,
  NoGuardError,
} from "../guards/index.ts";
import { type GuardLimits, guardWeight, type Random, type Relay, type RelayTable } from "../paths/index.ts";

/** A guard for a circuit. */
export interface ChosenGuard {
  readonly relay: Relay;
  /** Where it may be reached, in the order in which to try. */
  readonly addresses: ReadonlyArray<AddressAndPort>;
  readonly ticket: GuardTicket;
}

/** Told once whether a circuit that was built may be used: at once, or when no better guard has answered. */
export type Verdict = (usable: boolean) => void;

/**
 * Keeps the guards of a client for its circuits: gives them the clock and chance, and tells the circuits that have waited for a better
 * guard when their waiting is over. Not for more than one thing at a time, as all of a client's state.
 */
export class GuardKeeper {
  readonly #sets: GuardSets;
  readonly #now: () => UnixMillis;
  readonly #random: Random;
  /** Circuits that are built, and wait. */
  readonly #verdicts = new Map<GuardTicket, Verdict>();
  #table: RelayTable | undefined;

  constructor(sets: GuardSets, now: () => UnixMillis, random: Random) {
    this.#sets = sets;
    this.#now = now;
    this.#random = random;
  }

  /** Grows each time that something changes which is kept in the file. */
  get revision(): number {
    return this.#sets.revision;
  }

  /** What is to be kept in the file. */
  state(): GuardState {
    return this.#sets.state();
  }

  /** Takes in what is known of the network now. Answers whether so few guards are allowed that this alone makes the client stand out. */
  update(table: RelayTable): { readonly extremelyRestricted: boolean } {
    this.#table = table;
    const view = guardView(table.consensus, {
      weight: ({ fingerprint }) => guardWeight(table, fingerprint),
      hasDescriptor: ({ fingerprint }) => table.find(fingerprint) !== undefined,
    });
    const update = this.#sets.update(view, this.#now(), this.#random);
    this.#settle(update.completed, update.expired);
    return update;
  }

  /** The guards whose microdescriptors must be there before circuits are built (guard-spec 4.12). */
  primaryInUse(): ReadonlyArray<Fingerprint> {
    return this.#sets.active.primaryInUse(this.#now());
  }

  /**
   * A guard for a circuit.
   *
   * @throws NoGuardError
   */
  choose(table: RelayTable, limits: GuardLimits): ChosenGuard {
    const choice = this.#choose("data", restrictionsOf(limits));
    const relay = table.find(choice.guard.fingerprint);
    if (relay === undefined) {
      // The table is older than what the guards were told.
      this.indeterminate(choice.ticket);
      const counts = { sampled: 0, filtered: 0, permitted: 0, usable: 0 };
      throw new NoGuardError("missing-descriptors", counts, { missing: [choice.guard.fingerprint] });
    }
    return { relay, addresses: choice.guard.addresses, ticket: choice.ticket };
  }

  /**
   * A guard to ask for documents.
   *
   * @param stale directories that did not have lately what was asked for
   * @param asked directories that were asked already
   * @throws NoGuardError
   */
  chooseDirectory(stale: ReadonlySet<Fingerprint>, asked: ReadonlySet<Fingerprint>): GuardChoice {
    const restrictions: Array<GuardRestriction> = [{ kind: "stale-directory", relays: stale }];
    if (asked.size > 0) restrictions.push({ kind: "not-among", relays: asked });
    return this.#choose("directory", restrictions);
  }

  /** The circuit was built, or the directory has answered. */
  succeeded(ticket: GuardTicket, verdict: Verdict): void {
    const { usability, completed } = this.#sets.of(ticket).succeeded(ticket, this.#now(), this.#random);
    if (usability === "waiting-for-better-guard") this.#verdicts.set(ticket, verdict);
    else verdict(usability === "complete");
    this.#settle(completed, []);
  }

  /** It failed, and the guard is to blame. */
  failed(ticket: GuardTicket): void {
    this.#settle(this.#sets.of(ticket).failed(ticket, this.#now()), []);
  }

  /** It failed or was given up, and that says nothing of the guard; or it was used, and has ended. */
  indeterminate(ticket: GuardTicket): void {
    this.#verdicts.delete(ticket);
    this.#settle(this.#sets.of(ticket).indeterminate(ticket, this.#now()), []);
  }

  /** Whether a circuit that waits for a better guard would be given one if it were begun now. */
  isOutdone(ticket: GuardTicket): boolean {
    return this.#sets.of(ticket).isOutdone(ticket, this.#now());
  }

  /** Something came over a circuit that is in use. */
  noteInternet(): void {
    this.#sets.active.noteInternet(this.#now());
  }

  /** Does what is due. */
  tick(): void {
    const { completed, expired } = this.#sets.active.tick(this.#now());
    this.#settle(completed, expired);
  }

  /** When `tick` has something to do, if nothing else happens; undefined if it has nothing to do. */
  nextTick(): UnixMillis | undefined {
    return this.#sets.active.nextTick(this.#now());
  }

  /** The consensus that guards were last chosen from. */
  get consensus(): Consensus | undefined {
    return this.#table?.consensus;
  }

  #choose(purpose: "data" | "directory", restrictions: ReadonlyArray<GuardRestriction>): GuardChoice {
    return this.#sets.active.choose({ purpose, restrictions, now: this.#now(), random: this.#random });
  }

  #settle(completed: ReadonlyArray<GuardTicket>, expired: ReadonlyArray<GuardTicket>): void {
    for (const ticket of completed) this.#tell(ticket, true);
    for (const ticket of expired) this.#tell(ticket, false);
  }

  #tell(ticket: GuardTicket, usable: boolean): void {
    const verdict = this.#verdicts.get(ticket);
    this.#verdicts.delete(ticket);
    verdict?.(usable);
  }
}

const restrictionsOf = (limits: GuardLimits): ReadonlyArray<GuardRestriction> => {
  const { last, used } = limits;
  const restrictions: Array<GuardRestriction> = [];
  if (last !== undefined)
    restrictions.push({
      kind: "exit",
      exit: last.status.fingerprint,
      related: (guard) => limits.related(guard),
    });
  if (used.size > 0) restrictions.push({ kind: "not-among", relays: used });
  return restrictions;
};
