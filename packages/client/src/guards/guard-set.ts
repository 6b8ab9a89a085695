import type { AddressAndPort, Fingerprint, UnixMillis } from "@allium/netdoc";
import { CircuitTable, type CircuitUsability, type GuardInstance, type GuardTicket } from "./circuits.ts";
import { NoGuardError } from "./errors.ts";
import { Exhaustion } from "./exhaustion.ts";
import { GuardFilter } from "./filter.ts";
import type { SampledGuard } from "./guard.ts";
import { ADDED_BY_LIMIT, GUARD_CIRCUIT_LIMIT } from "./limits.ts";
import { type GuardParams, guardParams } from "./params.ts";
import type { Uniform } from "./random.ts";
import type { GuardChoice, GuardRequest, GuardSuccess, GuardUpdate } from "./requests.ts";
import { countingRestrictions, type GuardRestriction, obeysAll } from "./restrictions.ts";
import { Sample } from "./sample.ts";
import {
  countGuards,
  earliest,
  missingDescriptors,
  reasonOf,
  type Selected,
  selectOther,
  selectPrimary,
} from "./select.ts";
import { type GuardSnapshot, snapshotOf } from "./snapshot.ts";
import { type StoredGuard, type StoredSample, storedGuards } from "./stored-guard.ts";
import { emptyGuardView, type GuardView } from "./view.ts";

/** What stays the same for a set. */
export interface GuardSetOptions {
  /** Which of the samples it is. In the restricted one, only what the configuration allows is sampled. */
  readonly instance?: GuardInstance;
  /** What the configuration allows. */
  readonly filter?: GuardFilter;
  /** The version of this program, for ADDED_BY_VERSION. */
  readonly version: string;
}

/**
 * The guards of a client (guard-spec): which relays it connects to, and in which order of preference. A state machine without
 * clock and chance of its own.
 *
 * | what happens | call | section |
 * | --- | --- | --- |
 * | a consensus or microdescriptors came | `update` | 4.10 |
 * | the configuration changed | `update` | 4.10 |
 * | a circuit is to be built, a directory asked | `choose` | 4.6 |
 * | the circuit was built, the directory answered | `succeeded` | 4.8 |
 * | it failed in a way that is the guard's fault (no connection, wrong identity, no answer to the first CREATE) | `failed` | 4.7 |
 * | it failed in a way that may be another's fault (behind the first hop), or was given up | `indeterminate` | |
 * | a complete circuit ended | `closed` | 4.9 |
 * | something else came over the network | `noteInternet` | 4.6 |
 * | time passed, see `nextTick` | `tick` | 4.5, 4.9 |
 *
 * States of guards are told in `guard.ts`, of circuits in `circuits.ts`, sets in `sample.ts`, times in `params.ts`, `retry.ts` and
 * `limits.ts`. Once all guards are down, all count as worth trying again (4.6) after a time that grows: `exhaustion.ts`.
 *
 * What `tor` counts against path bias attacks is not counted: no guard is given up for failing circuits behind it. Bridges are not
 * supported.
 *
 * All times are in milliseconds since 1970. If the clock is set back, waiting does not get longer.
 */
export class GuardSet {
  readonly instance: GuardInstance;
  readonly #sample: Sample;
  readonly #circuits = new CircuitTable();
  readonly #exhaustion = new Exhaustion();
  readonly #version: string;
  #filter: GuardFilter;
  #view: GuardView = emptyGuardView;
  #params: GuardParams = guardParams(emptyGuardView.params);
  /** The last time at which something came over the network (guard-spec 4.6). */
  #lastOnInternet = Number.NEGATIVE_INFINITY;
  #lastSeen = Number.NEGATIVE_INFINITY;
  #nextId = 1;
  #revision = 0;

  constructor(stored: StoredSample, options: GuardSetOptions) {
    this.instance = options.instance ?? "default";
    this.#filter = options.filter ?? GuardFilter.none;
    this.#version = options.version.slice(0, ADDED_BY_LIMIT);
    this.#sample = new Sample(stored.guards, stored.confirmed);
  }

  /** A set that has never seen a guard. */
  static empty(options: GuardSetOptions): GuardSet {
    return new GuardSet({ guards: [], confirmed: [] }, options);
  }

  /** Grows each time that something changes which is kept in the file. */
  get revision(): number {
    return this.#revision;
  }

  /** What is in force of the consensus's parameters. */
  get params(): GuardParams {
    return this.#params;
  }

  /**
   * Takes in a consensus, its microdescriptors, or another configuration (guard-spec 4.10). By a consensus that is not live no guard
   * comes or goes; and what the configuration allows never changes what is sampled already.
   *
   * @param filter what the configuration allows; as before if left out
   */
  update(view: GuardView, now: UnixMillis, random: Uniform, filter: GuardFilter = this.#filter): GuardUpdate {
    this.#begin(now);
    this.#view = view;
    this.#filter = filter;
    this.#params = guardParams(view.params);
    const moment = { now, random, params: this.#params };
    const live = view.isLive(now);
    if (live && this.#sample.updateListed(view, moment)) this.#revision++;
    const removed = live ? this.#sample.expire(moment) : [];
    if (removed.length > 0) this.#revision++;
    const expired = removed.flatMap(({ fingerprint }) => this.#circuits.forget(fingerprint));
    this.#sample.refilter(view, filter);
    const added = this.#grow(now, random);
    this.#retry(now);
    return { added, removed, expired, completed: this.#upgrade(now) };
  }

  /**
   * Gives out a guard (guard-spec 4.6).
   *
   * @throws NoGuardError if there is none, with the reason and the time at which it is worth asking again
   */
  choose({ purpose, restrictions = [], now, random }: GuardRequest): GuardChoice {
    this.#begin(now);
    const counting = countingRestrictions(restrictions, this.#sample.usable);
    if (this.#circuits.size >= GUARD_CIRCUIT_LIMIT)
      throw new NoGuardError("too-many-circuits", countGuards(this.#sample, counting));
    const { primaryGuardsToUse, primaryDirectoryGuardsToUse } = this.#params;
    const selection = {
      purpose,
      restrictions: counting,
      primaryGuardsToUse: purpose === "data" ? primaryGuardsToUse : primaryDirectoryGuardsToUse,
      hasDescriptor: (guard: Fingerprint) => this.#view.hasDescriptor(guard),
    };
    let selected = selectPrimary(this.#sample, selection, random);
    if (selected === undefined) {
      this.#grow(now, random);
      // What was added may have become primary.
      selected = selectPrimary(this.#sample, selection, random) ?? selectOther(this.#sample, selection);
    }
    if (selected === undefined) throw this.#noGuard(counting, now);
    if (selected.usability === "none") throw missingDescriptors(this.#sample, counting, selected.missing);
    return this.#give(selected, counting, now);
  }

  /** The circuit was built, or the directory has answered (guard-spec 4.8). */
  succeeded(ticket: GuardTicket, now: UnixMillis, random: Uniform): GuardSuccess {
    this.#begin(now);
    const circuit = this.#circuits.get(ticket);
    if (circuit === undefined) return { usability: "never", completed: [] };
    const { guard } = circuit;
    const silence = now - this.#lastOnInternet;
    this.#lastOnInternet = now;
    if (guard.reachability !== "yes") this.#exhaustion.over();
    guard.succeeded();
    if (this.#sample.confirm(guard, { now, random, params: this.#params })) {
      this.#revision++;
      this.#sample.updatePrimary(this.#params.primaryGuards);
    }
    if (circuit.usability === "usable-on-completion" || (circuit.usability !== "complete" && guard.primary)) {
      this.#circuits.complete(circuit, now);
    } else if (circuit.usability === "usable-if-no-better-guard") {
      this.#circuits.hold(circuit, now);
      // The network was away, so what failed meanwhile says nothing about the guards that we like best.
      if (silence > this.#params.internetLikelyDownMillis)
        for (const primary of this.#sample.primary) primary.reconsider();
    }
    const completed = this.#upgrade(now).filter((other) => other !== ticket);
    return { usability: circuit.usability === "complete" ? "complete" : "waiting-for-better-guard", completed };
  }

  /**
   * The circuit failed, and its guard is to blame (guard-spec 4.7).
   *
   * @returns circuits that have waited and may be used now
   */
  failed(ticket: GuardTicket, now: UnixMillis): ReadonlyArray<GuardTicket> {
    this.#begin(now);
    const circuit = this.#circuits.get(ticket);
    if (circuit === undefined) return [];
    this.#circuits.delete(ticket);
    circuit.guard.failed(now);
    return this.#upgrade(now);
  }

  /**
   * The circuit failed, or was given up, and nothing is known about its guard by that.
   *
   * @returns as `failed`
   */
  indeterminate(ticket: GuardTicket, now: UnixMillis): ReadonlyArray<GuardTicket> {
    this.#begin(now);
    const circuit = this.#circuits.get(ticket);
    if (circuit === undefined) return [];
    this.#circuits.delete(ticket);
    if (circuit.usability === "usable-if-no-better-guard") circuit.guard.pending = false;
    return this.#upgrade(now);
  }

  /**
   * The circuit has ended, so nobody has to wait because of it any more.
   *
   * @returns as `failed`
   */
  closed(ticket: GuardTicket, now: UnixMillis): ReadonlyArray<GuardTicket> {
    return this.indeterminate(ticket, now);
  }

  /**
   * Something came over a circuit that is complete (guard-spec 4.6, last_time_on_internet). Not to be called when a guard is
   * connected to: that the network is back is told by `succeeded`, which then has primary guards tried again (4.8).
   */
  noteInternet(now: UnixMillis): void {
    this.#begin(now);
    this.#lastOnInternet = now;
  }

  /** Does what is due (guard-spec 4.5, 4.9): guards become worth another attempt, circuits have waited long enough or too long. */
  tick(now: UnixMillis): {
    readonly completed: ReadonlyArray<GuardTicket>;
    readonly expired: ReadonlyArray<GuardTicket>;
  } {
    this.#begin(now);
    const expired = this.#circuits.expire(now, this.#params.nonprimaryIdleTimeoutMillis);
    return { completed: this.#upgrade(now), expired };
  }

  /**
   * The state that a circuit is in; undefined if it has ended. Where circuits are counted, those that are `complete` are built, those
   * that wait are nothing yet, and the others are being built (guard-spec 4.11).
   */
  usability(ticket: GuardTicket): CircuitUsability | undefined {
    return this.#circuits.get(ticket)?.usability;
  }

  /**
   * Whether a circuit that waits for a better guard would be given one if it were begun now: one that nobody is finding out about. Whoever
   * waits for that circuit does better to begin another, or nobody may ever ask the guard that keeps it waiting.
   */
  isOutdone(ticket: GuardTicket, now: UnixMillis): boolean {
    this.#begin(now);
    const circuit = this.#circuits.get(ticket);
    if (circuit?.usability !== "waiting-for-better-guard") return false;
    const { guard, restrictions } = circuit;
    const { primary, confirmed } = this.#sample;
    const better = [...primary, ...confirmed.slice(0, Math.max(confirmed.indexOf(guard), 0))];
    return better.some(
      ({ usable, pending, fingerprint }) =>
        usable && !pending && obeysAll(fingerprint, restrictions) && this.#view.hasDescriptor(fingerprint),
    );
  }

  /** The circuits that wait for a better guard. */
  waiting(): ReadonlyArray<GuardTicket> {
    return this.#circuits.waiting().map(({ ticket }) => ticket);
  }

  /**
   * The primary guards that circuits are built through now: those whose microdescriptors have to be there before any are
   * (guard-spec 4.12).
   */
  primaryInUse(now: UnixMillis): ReadonlyArray<Fingerprint> {
    this.#begin(now);
    const usable = this.#sample.primary.filter((guard) => guard.usable);
    return usable.slice(0, this.#params.primaryGuardsToUse).map(({ fingerprint }) => fingerprint);
  }

  /** Forgets the circuits that wait for a better guard, as another set is used from here on; they are to be closed. */
  dropWaiting(): ReadonlyArray<GuardTicket> {
    const waiting = this.waiting();
    for (const ticket of waiting) this.#circuits.delete(ticket);
    return waiting;
  }

  /** When the next guard that is down is worth another attempt; undefined if none is down. */
  nextRetry(now: UnixMillis): UnixMillis | undefined {
    this.#begin(now);
    return earliest([this.#exhaustion.until, ...[...this.#sample.guards].map(({ retryAt }) => retryAt)]);
  }

  /** When `tick` has something to do next; undefined if never. */
  nextTick(now: UnixMillis): UnixMillis | undefined {
    const retry = this.nextRetry(now);
    const waiting = this.#circuits.waiting();
    const idle = waiting.map(({ since }) => since + this.#params.nonprimaryIdleTimeoutMillis + 1);
    const exploring = waiting.length === 0 ? [] : [...this.#circuits.all()].filter(isExploring);
    const slow = exploring.map(({ since }) => since + this.#params.nonprimaryConnectTimeoutMillis + 1);
    return earliest([retry, ...idle, ...slow.filter((time) => time > now)]);
  }

  /** What is to be kept in the file. */
  state(): ReadonlyArray<StoredGuard> {
    return storedGuards(this.#sample.guards, this.#sample.confirmed);
  }

  /** All guards as they are now, for display: primary ones first, then confirmed ones, then the others. */
  snapshot(now: UnixMillis): ReadonlyArray<GuardSnapshot> {
    this.#begin(now);
    return snapshotOf(this.#sample, (guard) => this.#view.hasDescriptor(guard));
  }

  /** Guards whose time has come are worth another attempt (guard-spec 4.5). */
  #begin(now: UnixMillis): void {
    const back = this.#lastSeen - now;
    this.#lastSeen = now;
    if (back > 0 && Number.isFinite(back)) {
      for (const guard of this.#sample.guards) guard.shift(back);
      this.#circuits.shift(back);
      this.#exhaustion.shift(back);
      this.#lastOnInternet -= back;
    }
    if (this.#exhaustion.isOver(now)) for (const guard of this.#sample.guards) guard.reconsider();
    this.#retry(now);
  }

  /** Those whose time has come by their schedule, which is that of primary guards for who has become one. */
  #retry(now: UnixMillis): void {
    for (const guard of this.#sample.guards) {
      const { retryAt } = guard;
      if (retryAt !== undefined && now >= retryAt) guard.reconsider();
    }
  }

  /** Adds guards to the sample if there are too few (guard-spec 4.2), and computes PRIMARY_GUARDS anew. */
  #grow(now: UnixMillis, random: Uniform): ReadonlyArray<Fingerprint> {
    let added: ReadonlyArray<Fingerprint> = [];
    if (this.#view.isLive(now)) {
      const all = [...this.#view.guards.values()];
      const universe = this.instance === "restricted" ? all.filter((guard) => this.#filter.allows(guard)) : all;
      const moment = { now, random, params: this.#params };
      added = this.#sample.grow(universe, this.#filter, this.#version, moment);
    }
    if (added.length > 0) this.#revision++;
    this.#sample.updatePrimary(this.#params.primaryGuards);
    return added;
  }

  #upgrade(now: UnixMillis): ReadonlyArray<GuardTicket> {
    const { primary, confirmed } = this.#sample;
    return this.#circuits.upgrade(now, primary, confirmed, this.#params.nonprimaryConnectTimeoutMillis);
  }

  #give(
    { guard, usability }: Exclude<Selected, { usability: "none" }>,
    restrictions: ReadonlyArray<GuardRestriction>,
    now: UnixMillis,
  ): GuardChoice {
    guard.tried(now);
    if (usability === "usable-if-no-better-guard") guard.pending = true;
    const { fingerprint, nickname } = guard;
    const ticket = { id: this.#nextId++, instance: this.instance, guard: fingerprint };
    this.#circuits.add({ ticket, guard, restrictions, usability, since: now });
    return { guard: { fingerprint, nickname, addresses: this.#addresses(guard) }, usability, ticket };
  }

  #addresses({ candidate }: SampledGuard): ReadonlyArray<AddressAndPort> {
    return candidate === undefined ? [] : this.#filter.addresses(candidate);
  }

  #noGuard(restrictions: ReadonlyArray<GuardRestriction>, now: UnixMillis): NoGuardError {
    const counts = countGuards(this.#sample, restrictions);
    const reason = this.#view === emptyGuardView ? "no-consensus" : reasonOf(counts);
    if (reason !== "all-down") return new NoGuardError(reason, counts);
    this.#exhaustion.begin(now);
    return new NoGuardError(reason, counts, { retryAt: this.nextRetry(now) });
  }
}

const isExploring = ({ usability }: { readonly usability: string }): boolean =>
  usability === "usable-if-no-better-guard";
