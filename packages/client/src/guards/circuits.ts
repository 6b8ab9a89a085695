import type { Fingerprint, UnixMillis } from "@allium/netdoc";
import type { SampledGuard } from "./guard.ts";
import { type GuardRestriction, obeysAll } from "./restrictions.ts";

/**
 * The states of a circuit as far as its guard goes (guard-spec 4.6):
 *
 * | state | means | next |
 * | --- | --- | --- |
 * | `usable-on-completion` | being built through a primary guard | `complete` when it is built |
 * | `usable-if-no-better-guard` | being built through another guard, to find out about it | `waiting-for-better-guard` when it is built; `complete` if its guard has become primary |
 * | `waiting-for-better-guard` | built; no streams yet | `complete` once nothing better may come; expires after `nonprimaryIdleTimeoutMillis` |
 * | `complete` | may be used | |
 *
 * From each it may fail or end, and is forgotten.
 */
export type CircuitUsability =
  | "usable-on-completion"
  | "usable-if-no-better-guard"
  | "waiting-for-better-guard"
  | "complete";

/** By which a circuit's guard is told what became of the circuit. Compared by identity. */
export interface GuardTicket {
  /** A number that no other ticket of the same set has. */
  readonly id: number;
  /** Which sample the guard is of. */
  readonly instance: GuardInstance;
  /** The guard that was given out. */
  readonly guard: Fingerprint;
}

/** The samples that are kept apart (guard-spec 2): the common one, and that of configurations which allow few guards. */
export type GuardInstance = "default" | "restricted";

/** A circuit, or a request to a directory, that has a guard. */
export interface TrackedCircuit {
  readonly ticket: GuardTicket;
  readonly guard: SampledGuard;
  /** What it wants of its guard; nothing any more once it is complete. They may hold on to an old consensus. */
  restrictions: ReadonlyArray<GuardRestriction>;
  usability: CircuitUsability;
  /** Since when it is in its state. */
  since: UnixMillis;
}

/**
 * Whether one guard would rather be used than another (guard-spec 4.3).
 *
 * @param confirmed CONFIRMED_GUARDS, in their order
 */
export const hasHigherPriority = (
  one: SampledGuard,
  other: SampledGuard,
  confirmed: ReadonlyArray<SampledGuard>,
): boolean => {
  if (one === other) return false;
  const place = confirmed.indexOf(one);
  const otherPlace = confirmed.indexOf(other);
  if (place >= 0) return otherPlace < 0 || place < otherPlace;
  if (otherPlace >= 0) return false;
  if (one.pending !== other.pending) return one.pending;
  return one.pending && (one.lastTried ?? 0) < (other.lastTried ?? 0);
};

/** The circuits that have guards of one sample. */
export class CircuitTable {
  readonly #circuits = new Map<GuardTicket, TrackedCircuit>();
  /** Few, of what may be thousands. */
  readonly #waiting = new Set<TrackedCircuit>();

  get size(): number {
    return this.#circuits.size;
  }

  /** All circuits, in the order in which they were begun. */
  all(): IterableIterator<TrackedCircuit> {
    return this.#circuits.values();
  }

  add(circuit: TrackedCircuit): void {
    this.#circuits.set(circuit.ticket, circuit);
  }

  get(ticket: GuardTicket): TrackedCircuit | undefined {
    return this.#circuits.get(ticket);
  }

  delete(ticket: GuardTicket): void {
    const circuit = this.#circuits.get(ticket);
    if (circuit === undefined) return;
    this.#circuits.delete(ticket);
    this.#waiting.delete(circuit);
  }

  /** From here on it may be used. */
  complete(circuit: TrackedCircuit, now: UnixMillis): void {
    circuit.usability = "complete";
    circuit.since = now;
    circuit.restrictions = [];
    this.#waiting.delete(circuit);
  }

  /** It is built, and held back while a better guard may answer. */
  hold(circuit: TrackedCircuit, now: UnixMillis): void {
    circuit.usability = "waiting-for-better-guard";
    circuit.since = now;
    this.#waiting.add(circuit);
  }

  /** Those that wait for a better guard. */
  waiting(): ReadonlyArray<TrackedCircuit> {
    return [...this.#waiting];
  }

  /**
   * Completes the circuits that need not wait any more (guard-spec 4.9): those that no other one blocks, while all primary guards
   * are down. A primary guard that a circuit's restrictions rule out is not waited for: it could never be the better one. Nor does a circuit
   * keep others waiting whose guard is down by now or not listed any more, though the specification has it do so until it ends: nobody is
   * given that guard, and all that is built would wait for as long as somebody uses what was built before.
   *
   * @returns those that became complete
   */
  upgrade(
    now: UnixMillis,
    primary: ReadonlyArray<SampledGuard>,
    confirmed: ReadonlyArray<SampledGuard>,
    connectTimeoutMillis: number,
  ): ReadonlyArray<GuardTicket> {
    const waiting = this.waiting();
    if (waiting.length === 0) return [];
    const mayCome = primary.filter(({ reachability }) => reachability !== "no");
    // There are few guards, and may be many circuits.
    const blockers = new Set<SampledGuard>();
    for (const circuit of this.all())
      if (circuit.guard.usable && mayBlock(circuit, now, connectTimeoutMillis)) blockers.add(circuit.guard);
    const upgraded = waiting.filter(({ guard, restrictions }) => {
      const obeying = ({ fingerprint }: SampledGuard): boolean => obeysAll(fingerprint, restrictions);
      const blocks = (other: SampledGuard): boolean => hasHigherPriority(other, guard, confirmed);
      return !mayCome.some(obeying) && ![...blockers].some((other) => obeying(other) && blocks(other));
    });
    for (const circuit of upgraded) this.complete(circuit, now);
    return upgraded.map(({ ticket }) => ticket);
  }

  /** Forgets the circuits that have waited too long, which are to be closed (guard-spec 4.9). */
  expire(now: UnixMillis, idleTimeoutMillis: number): ReadonlyArray<GuardTicket> {
    const expired = this.waiting().filter(({ since }) => now - since > idleTimeoutMillis);
    for (const { ticket } of expired) this.delete(ticket);
    return expired.map(({ ticket }) => ticket);
  }

  /**
   * Forgets the circuits of a guard that left the sample.
   *
   * @returns those of them that wait for a better guard, which are to be closed
   */
  forget(guard: Fingerprint): ReadonlyArray<GuardTicket> {
    const gone = [...this.all()].filter(({ ticket }) => ticket.guard === guard);
    for (const { ticket } of gone) this.delete(ticket);
    return gone.filter(({ usability }) => usability === "waiting-for-better-guard").map(({ ticket }) => ticket);
  }

  /** The clock was set back by so much. */
  shift(byMillis: number): void {
    for (const circuit of this.all()) circuit.since -= byMillis;
  }
}

/** Whether a circuit in this state can be a reason for others to wait (guard-spec 4.9). */
const mayBlock = ({ usability, since }: TrackedCircuit, now: UnixMillis, connectTimeoutMillis: number): boolean => {
  switch (usability) {
    case "complete":
    case "waiting-for-better-guard":
      return true;
    case "usable-if-no-better-guard":
      return now - since <= connectTimeoutMillis;
    case "usable-on-completion":
      return false;
  }
};
