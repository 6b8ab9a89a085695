import { type Fingerprint, NetParams } from "@allium/netdoc";
import { Random } from "../../../../test/support/fuzz.ts";
import {
  type GuardCandidate,
  type GuardChoice,
  type GuardFilter,
  type GuardRequest,
  GuardSet,
  type GuardSnapshot,
  type GuardTicket,
  type GuardView,
  NoGuardError,
  readGuardState,
  type StoredGuard,
  type Uniform,
} from "../../src/guards/index.ts";

export const second = 1_000;
export const minute = 60 * second;
export const hour = 60 * minute;
export const day = 24 * hour;

/** When tests begin. */
export const start = Date.UTC(2026, 0, 15, 12);

/** Chance from a seed. */
export const seeded = (seed: number): Uniform => {
  const random = new Random(seed);
  return { uniform: () => random.uint32() / 2 ** 32 };
};

/** The fingerprint of the relay with a number. */
export const relay = (number: number): Fingerprint => number.toString(16).toUpperCase().padStart(40, "0");

/** The guard with a number: it listens on an address of each family. */
export const candidate = (number: number, weight = 1): GuardCandidate => ({
  fingerprint: relay(number),
  nickname: `guard${number}`,
  weight,
  addresses: [
    { address: `10.0.${number >> 8}.${number & 255}`, port: 9001 },
    { address: `2001:db8::${number.toString(16)}`, port: 9001 },
  ],
});

/** Guards from 1 on. */
export const candidates = (count: number, weight: (number: number) => number = () => 1): Array<GuardCandidate> =>
  Array.from({ length: count }, (_, index) => candidate(index + 1, weight(index + 1)));

export interface ViewOptions {
  readonly params?: Readonly<Record<string, number>>;
  readonly live?: boolean;
  readonly hasDescriptor?: (guard: Fingerprint) => boolean;
}

/** A network of such guards. */
export const viewOf = (
  guards: ReadonlyArray<GuardCandidate>,
  { params = {}, live = true, hasDescriptor = () => true }: ViewOptions = {},
): GuardView => ({
  guards: new Map(guards.map((guard) => [guard.fingerprint, guard])),
  params: new NetParams(new Map(Object.entries(params))),
  isLive: () => live,
  hasDescriptor,
});

export interface BenchOptions {
  readonly seed?: number;
  readonly filter?: GuardFilter;
  /** What was kept of an earlier one. */
  readonly stored?: ReadonlyArray<StoredGuard>;
}

/** A set that has seen a network, with its own clock and chance. */
export class Bench {
  readonly random: Uniform;
  readonly set: GuardSet;
  now = start;
  view: GuardView;

  constructor(view: GuardView, options: BenchOptions = {}) {
    this.random = seeded(options.seed ?? 1);
    this.view = view;
    const state = { version: 1, samples: { default: options.stored ?? [] } };
    this.set = new GuardSet(readGuardState(state).default, {
      version: "1.2.3",
      ...(options.filter === undefined ? {} : { filter: options.filter }),
    });
    this.set.update(view, this.now, this.random);
  }

  update(view: GuardView = this.view) {
    this.view = view;
    return this.set.update(view, this.now, this.random);
  }

  choose(request: Partial<GuardRequest> = {}): GuardChoice {
    return this.set.choose({ purpose: "data", now: this.now, random: this.random, ...request });
  }

  /** What the choice fails with. */
  refuse(request: Partial<GuardRequest> = {}): NoGuardError {
    try {
      this.choose(request);
    } catch (error) {
      if (error instanceof NoGuardError) return error;
      throw error;
    }
    throw new Error("a guard was given out");
  }

  succeed({ ticket }: GuardChoice) {
    return this.set.succeeded(ticket, this.now, this.random);
  }

  fail({ ticket }: GuardChoice) {
    return this.set.failed(ticket, this.now);
  }

  tick() {
    return this.set.tick(this.now);
  }

  /** A circuit is built, and ends after its use. */
  use(request: Partial<GuardRequest> = {}): Fingerprint {
    const choice = this.choose(request);
    this.succeed(choice);
    this.set.closed(choice.ticket, this.now);
    return choice.guard.fingerprint;
  }

  /** All primary guards are used once, so that no other guard takes the place of one by being used. */
  settle(): this {
    const primary = this.primary();
    for (const guard of primary) {
      const relays = new Set(primary.filter((other) => other !== guard));
      this.use({ restrictions: [{ kind: "not-among", relays }] });
    }
    return this;
  }

  /** Primary guards fail until none is left. Answers the circuits that become complete by that. */
  loseAllPrimary(): ReadonlyArray<GuardTicket> {
    const completed: Array<GuardTicket> = [];
    for (let round = 0; round < 64; round++) {
      const choice = this.choose();
      if (choice.usability !== "usable-on-completion") {
        completed.push(...this.set.indeterminate(choice.ticket, this.now));
        return completed;
      }
      completed.push(...this.fail(choice));
    }
    throw new Error("primary guards without end");
  }

  snapshot(): ReadonlyArray<GuardSnapshot> {
    return this.set.snapshot(this.now);
  }

  guard(fingerprint: Fingerprint): GuardSnapshot {
    const guard = this.snapshot().find((one) => one.fingerprint === fingerprint);
    if (guard === undefined) throw new Error(`${fingerprint} is not sampled`);
    return guard;
  }

  primary(): ReadonlyArray<Fingerprint> {
    return this.snapshot()
      .filter(({ role }) => role === "primary")
      .map(({ fingerprint }) => fingerprint);
  }

  /** The sample in its order. */
  sampled(): ReadonlyArray<Fingerprint> {
    return this.set.state().map(({ fingerprint }) => fingerprint);
  }

  /** The confirmed guards in their order. */
  confirmed(): ReadonlyArray<Fingerprint> {
    return this.set
      .state()
      .filter(({ confirmedPlace }) => confirmedPlace !== undefined)
      .sort((one, other) => (one.confirmedPlace as number) - (other.confirmedPlace as number))
      .map(({ fingerprint }) => fingerprint);
  }
}
