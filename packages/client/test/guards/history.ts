import { NetParams } from "@allium/netdoc";
import type { Random } from "../../../../test/support/fuzz.ts";
import {
  formatGuardState,
  type GuardChoice,
  GuardFilter,
  type GuardRestriction,
  GuardSet,
  type GuardTicket,
  type GuardView,
  guardParams,
  maxSampleSize,
  NoGuardError,
  parseGuardState,
} from "../../src/guards/index.ts";
import { candidates, day, hour, minute, second, start, viewOf } from "./support.ts";

const paramNames = [
  "guard-max-sample-size",
  "guard-max-sample-threshold-percent",
  "guard-min-filtered-sample-size",
  "guard-n-primary-guards",
  "guard-n-primary-guards-to-use",
  "guard-lifetime-days",
  "guard-confirmed-min-lifetime-days",
  "guard-remove-unlisted-guards-after-days",
];

const check = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`broken: ${what}`);
};

/** A client's life, drawn at random, in which everything that must always hold is looked at after each step. */
export class History {
  readonly #random: Random;
  readonly #uniform;
  readonly #set: GuardSet;
  readonly #open = new Map<
    GuardTicket,
    { readonly choice: GuardChoice; readonly restrictions: ReadonlyArray<GuardRestriction> }
  >();
  #view: GuardView;
  #now = start;
  /** What was given out and what came of it, for comparison. */
  readonly log: Array<string> = [];

  constructor(random: Random) {
    this.#random = random;
    this.#uniform = { uniform: () => random.uint32() / 2 ** 32 };
    this.#set = GuardSet.empty({ version: "1.2.3" });
    this.#view = this.#drawView();
    this.#update();
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) {
      this.#step();
      this.#lookAround();
    }
    this.#saveAndLoad();
  }

  #drawView(): GuardView {
    const random = this.#random;
    const all = candidates(1 + random.below(random.oneIn(2) ? 4 : 60), (number) => number % 7);
    const params: Record<string, number> = {};
    for (const name of paramNames) if (random.oneIn(3)) params[name] = random.below(30);
    const without = random.oneIn(4) ? random.below(5) : -1;
    return viewOf(
      all.filter(() => !random.oneIn(10)),
      {
        live: !random.oneIn(6),
        params,
        hasDescriptor: (guard) => guard.charCodeAt(39) % 5 !== without,
      },
    );
  }

  #drawFilter(): GuardFilter {
    const random = this.#random;
    const last = random.below(16).toString(16).toUpperCase();
    return random.oneIn(2)
      ? GuardFilter.none
      : new GuardFilter({ ipv6: random.oneIn(2), ipv4: !random.oneIn(8), allowed: (guard) => guard.at(-1) !== last });
  }

  #drawRestrictions(): ReadonlyArray<GuardRestriction> {
    const random = this.#random;
    const [some = "", other = ""] = [0, 1].map(() => random.pick(candidates(60)).fingerprint);
    switch (random.below(6)) {
      case 0:
        return [{ kind: "exit", exit: some, related: (guard) => guard.at(-1) === some.at(-1) }];
      case 1:
        return [{ kind: "not-among", relays: new Set([some, other]) }];
      case 2:
        return [{ kind: "stale-directory", relays: new Set([some, other]) }];
      default:
        return [];
    }
  }

  #step(): void {
    const random = this.#random;
    const pass = random.pick([0, 0, second, 20 * second, 5 * minute, 11 * minute, hour, day, 40 * day, -hour]);
    this.#now += random.below(4) === 0 ? pass : Math.min(pass, minute);
    switch (random.below(10)) {
      case 0:
        this.#view = this.#drawView();
        return this.#update();
      case 1:
        return this.#tick();
      case 2:
        return this.#set.noteInternet(this.#now);
      case 3:
      case 4:
      case 5:
        return this.#choose();
      default:
        return this.#end();
    }
  }

  #update(): void {
    const before = this.#set.state().length;
    const update = this.#set.update(this.#view, this.#now, this.#uniform, this.#drawFilter());
    const size = this.#set.state().length;
    check(size === before + update.added.length - update.removed.length, "who comes and goes is told");
    this.#bounded(size, before - update.removed.length);
    check(this.#view.isLive(this.#now) || size === before, "without a live consensus nobody comes or goes");
    this.#expired(update.expired);
    this.#completed(update.completed);
  }

  #bounded(size: number, before: number): void {
    const limit = maxSampleSize(guardParams(this.#view.params), this.#view.guards.size);
    check(size <= Math.max(before, limit), "never more than the largest sample");
  }

  #tick(): void {
    const { completed, expired } = this.#set.tick(this.#now);
    const next = this.#set.nextTick(this.#now);
    check(next === undefined || next > this.#now, "what is due was done");
    this.#expired(expired);
    this.#completed(completed);
  }

  #choose(): void {
    const random = this.#random;
    const restrictions = this.#drawRestrictions();
    const purpose = random.oneIn(3) ? "directory" : "data";
    const before = this.#set.snapshot(this.#now);
    let choice: GuardChoice;
    try {
      choice = this.#set.choose({ purpose, restrictions, now: this.#now, random: this.#uniform });
    } catch (error) {
      if (!(error instanceof NoGuardError)) throw error;
      this.log.push(error.reason);
      const { retryAt, reason } = error;
      check((retryAt === undefined) === (reason !== "all-down"), "whoever has to wait is told until when");
      check(retryAt === undefined || retryAt > this.#now, "the time is to come");
      return;
    }
    this.#open.set(choice.ticket, { choice, restrictions });
    const { fingerprint } = choice.guard;
    this.log.push(fingerprint);
    const chosen = before.find((guard) => guard.fingerprint === fingerprint);
    check(chosen?.reachability !== "no", "a guard that is down is not chosen before its time");
    check(choice.guard.addresses.length > 0, "there is a way to reach it");
    check(purpose === "directory" || this.#view.hasDescriptor(fingerprint), "there is a microdescriptor");
    for (const restriction of restrictions) {
      if (restriction.kind === "exit") check(!restriction.related(fingerprint), "the exit's family is not chosen");
      if (restriction.kind === "not-among")
        check(!restriction.relays.has(fingerprint), "who is ruled out is not chosen");
    }
    if (restrictions.length > 0 || choice.usability !== "usable-on-completion") return;
    const { primaryGuardsToUse, primaryDirectoryGuardsToUse } = guardParams(this.#view.params);
    const count = purpose === "data" ? primaryGuardsToUse : primaryDirectoryGuardsToUse;
    const first = this.#set
      .snapshot(this.#now)
      .filter(({ role, reachability }) => role === "primary" && reachability !== "no");
    const among = first.slice(0, count).map((guard) => guard.fingerprint);
    check(among.includes(fingerprint), "primary guards are used in their order");
  }

  #end(): void {
    const random = this.#random;
    if (this.#open.size === 0) return;
    const ticket = random.pick([...this.#open.keys()]);
    switch (random.below(5)) {
      case 0:
      case 1:
        this.#open.delete(ticket);
        return this.#completed(this.#set.failed(ticket, this.#now), ticket.guard);
      case 2:
        this.#open.delete(ticket);
        return this.#completed(this.#set.indeterminate(ticket, this.#now));
      default: {
        const { usability, completed } = this.#set.succeeded(ticket, this.#now, this.#uniform);
        this.log.push(usability);
        if (usability === "never") this.#open.delete(ticket);
        check(this.#set.waiting().includes(ticket) === (usability === "waiting-for-better-guard"), "who waits is told");
        return this.#completed(completed);
      }
    }
  }

  /** @param failed who has just failed: if its circuit was begun long ago, it is worth another attempt at once */
  #completed(tickets: ReadonlyArray<GuardTicket>, failed?: string): void {
    const up = this.#set
      .snapshot(this.#now)
      .filter(({ role, reachability }) => role === "primary" && reachability !== "no")
      .filter(({ fingerprint }) => fingerprint !== failed);
    for (const ticket of tickets) {
      const restrictions = this.#open.get(ticket)?.restrictions;
      check(restrictions !== undefined, "only circuits that are there become complete");
      check(!this.#set.waiting().includes(ticket), "and then wait no more");
      check(restrictions?.length !== 0 || up.length === 0, "none becomes complete while a primary guard may be up");
    }
  }

  #expired(tickets: ReadonlyArray<GuardTicket>): void {
    for (const ticket of tickets) check(this.#open.delete(ticket), "only circuits that are there expire");
  }

  /** What must hold at any time. */
  #lookAround(): void {
    const stored = this.#set.state();
    const sampled = stored.map(({ fingerprint }) => fingerprint);
    check(new Set(sampled).size === sampled.length, "nobody is sampled twice");
    const confirmed = stored
      .filter(({ confirmedPlace }) => confirmedPlace !== undefined)
      .sort((one, other) => (one.confirmedPlace as number) - (other.confirmedPlace as number));
    check(
      confirmed.every(({ confirmedPlace }, index) => confirmedPlace === index),
      "confirmed guards are sampled, in an order",
    );
    const guards = this.#set.snapshot(this.#now);
    check(guards.length === sampled.length, "all guards are shown");
    const primary = guards.filter(({ role }) => role === "primary");
    const { primaryGuards } = guardParams(this.#view.params);
    const filtered = guards.filter((guard) => guard.filtered);
    check(primary.length === Math.min(primaryGuards, filtered.length), "there are as many primary guards as can be");
    check(
      primary.every((guard) => guard.filtered && guard.listed),
      "primary guards can be used",
    );
    const first = confirmed
      .map(({ fingerprint }) => fingerprint)
      .filter((name) => filtered.some(({ fingerprint }) => fingerprint === name))
      .slice(0, primaryGuards);
    check(
      first.every((name, index) => primary[index]?.fingerprint === name),
      "confirmed guards are the first primary ones",
    );
    check(
      primary.every(({ pending }) => !pending),
      "primary guards are never only being tried",
    );
    for (const { reachability, retryAt, failingSince } of guards) {
      check((reachability === "no") === (retryAt !== undefined), "whoever is down has a time to be tried again");
      check(retryAt === undefined || retryAt > this.#now, "and it is to come");
      check(reachability !== "yes" || failingSince === undefined, "who is up is not failing");
    }
  }

  #saveAndLoad(): void {
    const text = formatGuardState({ version: 1, samples: { default: this.#set.state(), restricted: [] } });
    const loaded = parseGuardState(text);
    check(loaded.faults.length === 0, "what was written can be read");
    const again = new GuardSet(loaded.default, { version: "9" });
    check(
      JSON.stringify(again.state()) === JSON.stringify(this.#set.state()),
      "nothing is lost by writing and reading",
    );
    this.log.push(text);
  }
}

/** What the parameters may be in a history, so that a test can tell that it draws real ones. */
export const knownParams = (): boolean => {
  const plain = JSON.stringify(guardParams(NetParams.none));
  return paramNames.every((name) => JSON.stringify(guardParams(new NetParams(new Map([[name, 7]])))) !== plain);
};
