import type { ClientCircuit, ClientCircuits } from "@allium/circuit";
import type { Fingerprint, UnixMillis } from "@allium/netdoc";
import type { Effect } from "effect";
import type { BuildTimes } from "../build-times/index.ts";
import type { NetworkState } from "../network-state.ts";
import type { LegsRequest, PathEnd, Random, RelayTable } from "../paths/index.ts";
import type { ClientEvent, TunnelPurpose } from "../status.ts";
import { type BuildProblem, pathProblem } from "./build-problem.ts";
import { chooseLegsWithGuards, chooseWithGuard } from "./choose-with-guard.ts";
import type { ClientConflux } from "./conflux.ts";
import type { GuardKeeper } from "./guard-keeper.ts";
import type { Leg } from "./leg.ts";
import { LegBuilder, type LegEvents } from "./leg-builder.ts";
import { LinkedLegs, type LinkedLegsParts } from "./linked-legs.ts";
import type { TunnelRequest } from "./request.ts";
import { Tunnel } from "./tunnel.ts";
import { TunnelIndex } from "./tunnel-index.ts";
import type { Wakes } from "./wakes.ts";

/** What a pool of tunnels stands on. */
export interface PoolParts {
  readonly circuits: Pick<ClientCircuits["Service"], "create">;
  readonly guards: GuardKeeper;
  readonly buildTimes: BuildTimes;
  readonly network: NetworkState;
  readonly conflux: ClientConflux;
  /** Notified when somebody who waits may have what he waits for: a tunnel takes streams now, or will not. */
  readonly wakes: Wakes;
  /** Notified of the other changes: tunnels that are begun, used, or not to be used any more. */
  readonly changes: Wakes;
  readonly random: Random;
  /** Milliseconds since 1970. */
  readonly now: () => UnixMillis;
  /** Runs something in the background, until the client ends. */
  readonly run: (effect: Effect.Effect<void>) => void;
  /** Tells an event, which is made if somebody listens. */
  readonly onEvent: (make: () => ClientEvent) => void;
  readonly maxTunnels: number;
  /** Gives each tunnel of the client its number. */
  readonly nextId: () => number;
}

/** Circuits that are being built at once, at most (torrc `MaxClientCircuitsPending`). */
export const MAX_BUILDING = 32;

/** Builds that may fail within a second before no more are begun in it (tor's MAX_CIRCUIT_FAILURES). */
export const MAX_FAILURES_A_SECOND = 5;

const second = 1000;

/**
 * The tunnels of a client: which there are, the building of more, and their ends. Who gets which, and when more are wanted, is decided
 * elsewhere.
 */
export class TunnelPool {
  readonly #parts: PoolParts;
  readonly #tunnels = new Set<Tunnel>();
  readonly #index = new TunnelIndex();
  readonly #byCircuit = new Map<ClientCircuit, { readonly tunnel: Tunnel; readonly leg: Leg }>();
  /** Those of them that are conflux sets. */
  readonly #sets = new Map<Tunnel, LinkedLegs>();
  readonly #builder: LegBuilder;
  readonly #setParts: LinkedLegsParts;
  readonly #failures = { since: Number.NEGATIVE_INFINITY, count: 0 };
  #hasBuilt = false;
  #setsFail = false;
  #newestBegun = Number.NEGATIVE_INFINITY;
  /** What became of the newest tunnel that was begun, if that was nothing. */
  #lastProblem: BuildProblem | undefined;

  constructor(parts: PoolParts) {
    this.#parts = parts;
    const { guards } = parts;
    this.#builder = new LegBuilder({ ...parts, onGuardLost: ({ ticket }) => this.#retireThrough(ticket.guard) });
    this.#setParts = {
      ...parts,
      guards,
      builder: this.#builder,
      onCircuit: (tunnel, leg, circuit) => this.#byCircuit.set(circuit, { tunnel, leg }),
      onChange: (tunnel) => {
        this.#tell(tunnel);
        this.#parts.changes.notify();
      },
      onOpen: (tunnel) => {
        this.#setsFail = false;
        this.#open(tunnel);
      },
      onOver: (tunnel, why) => {
        this.#setsFail ||= tunnel.openedAt === undefined;
        this.end(tunnel, why);
      },
    };
  }

  /** All that there are, the oldest first. */
  get tunnels(): ReadonlySet<Tunnel> {
    return this.#tunnels;
  }

  /** When the newest one was begun. */
  get newestBegun(): UnixMillis {
    return this.#newestBegun;
  }

  /** Why the newest tunnel has come to nothing; undefined if it has not, or since another was built. */
  get lastProblem(): BuildProblem | undefined {
    return this.#lastProblem;
  }

  /** Whether any was ever built. */
  get hasBuilt(): boolean {
    return this.#hasBuilt;
  }

  /** How many circuits are being built. */
  get building(): number {
    return this.#builder.building;
  }

  /** Those that are conflux sets. */
  get sets(): Iterable<Tunnel> {
    return this.#sets.keys();
  }

  /** Whether the newest set that was begun came to nothing, and none was linked since. */
  get setsFail(): boolean {
    return this.#setsFail;
  }

  /** How many circuits there are, those that are being built among them. */
  get circuits(): number {
    let sum = 0;
    for (const { legs } of this.#tunnels) sum += legs.length;
    return sum;
  }

  /** Those that get no more streams, and have some. */
  get retired(): ReadonlySet<Tunnel> {
    return this.#index.retired;
  }

  /** Those that streams of this isolation may get, now or when they are open. */
  candidates(isolation: string): Iterable<Tunnel> {
    return this.#index.candidates(isolation);
  }

  /** When another may be begun: not before this. */
  get mayBeginAt(): UnixMillis {
    const { since, count } = this.#failures;
    return count >= MAX_FAILURES_A_SECOND ? since + second : Number.NEGATIVE_INFINITY;
  }

  /**
   * The open tunnel that a stream is to be in, if one will do: rather a conflux set, then one that has been used already, and a newer one
   * (as `tor`). But whoever asked for an isolation of his own keeps the tunnel that he has, and with it the exit.
   */
  find(request: TunnelRequest): Tunnel | undefined {
    let best: Tunnel | undefined;
    for (const tunnel of this.#index.candidates(request.isolation)) {
      if (tunnel.state !== "open" || !tunnel.suits(request)) continue;
      if (best === undefined || isBetter(tunnel, best)) best = tunnel;
    }
    return best;
  }

  /**
   * A tunnel that will do when it is there, and that nobody has given up. Conflux sets are not waited for, nor are tunnels that are held back
   * while another would be given the better guard.
   */
  findComing(request: TunnelRequest): Tunnel | undefined {
    for (const tunnel of this.#index.candidates(request.isolation)) {
      const isComing = tunnel.state === "building" || tunnel.state === "waiting";
      if (!isComing || tunnel.set !== undefined || tunnel.isLate || !tunnel.suits(request)) continue;
      if (!this.#isOutdone(tunnel)) return tunnel;
    }
    return undefined;
  }

  #isOutdone({ state, legs }: Tunnel): boolean {
    return state === "waiting" && legs.some(({ ticket }) => this.#parts.guards.isOutdone(ticket));
  }

  /** Begins a tunnel of one circuit. Answers with it, or with what is in the way. */
  begin(end: PathEnd, purpose: TunnelPurpose): Tunnel | BuildProblem {
    const { guards, random, run } = this.#parts;
    const begun = this.#add(purpose, (table) => [chooseWithGuard(table, end, guards, random)]);
    if (!(begun instanceof Tunnel)) {
      if (begun._tag !== "TooMany") this.#lastProblem = begun;
      return begun;
    }
    for (const leg of begun.legs) run(this.#builder.build(leg, this.#eventsOf(begun)));
    return begun;
  }

  /** Begins a tunnel of several circuits, to be linked. Answers with it, or with what is in the way. */
  beginSet(end: LegsRequest["end"]): Tunnel | BuildProblem {
    const { conflux, guards, random } = this.#parts;
    const { legsPerSet } = conflux.params;
    const begun = this.#add("exit", (table) => chooseLegsWithGuards(table, end, legsPerSet, guards, random));
    if (!(begun instanceof Tunnel)) return begun;
    const legs = new LinkedLegs(begun, this.#setParts);
    begun.set = legs;
    this.#sets.set(begun, legs);
    legs.launch();
    return begun;
  }

  #add(purpose: TunnelPurpose, choose: (table: RelayTable) => ReadonlyArray<Leg>): Tunnel | BuildProblem {
    const { network, now, maxTunnels, nextId } = this.#parts;
    const { table } = network;
    if (table === undefined || this.#tunnels.size >= maxTunnels || this.building >= MAX_BUILDING)
      return { _tag: "TooMany" };
    try {
      const legs = choose(table);
      this.#newestBegun = now();
      const tunnel = new Tunnel(nextId(), purpose, legs, this.#newestBegun);
      this.#tunnels.add(tunnel);
      this.#index.add(tunnel);
      this.#tell(tunnel);
      this.#parts.changes.notify();
      return tunnel;
    } catch (thrown) {
      const problem = pathProblem(thrown);
      if (problem === undefined) throw thrown;
      return problem;
    }
  }

  /** Nobody's streams may come into a tunnel but those of one isolation. */
  reserve(tunnel: Tunnel, isolation: string): void {
    this.#index.reserve(tunnel, isolation);
  }

  /** A stream is about to be opened in a tunnel. */
  use(tunnel: Tunnel, isolation: string): void {
    this.reserve(tunnel, isolation);
    tunnel.dirtySince ??= this.#parts.now();
    this.#tell(tunnel);
    this.#parts.changes.notify();
  }

  /** A tunnel gets no more streams. It ends when it has none. */
  retire(tunnel: Tunnel): void {
    if (tunnel.state !== "open") return;
    tunnel.state = "retired";
    this.#index.retire(tunnel);
    // Since nothing new comes into it, no other has to wait because of it (guard-spec 4.9).
    for (const { ticket } of tunnel.legs) this.#parts.guards.indeterminate(ticket);
    if (tunnel.streams === 0) this.end(tunnel, "not to be used any more");
    else {
      this.#tell(tunnel);
      this.#parts.changes.notify();
    }
  }

  /** Ends a tunnel, and with it its streams. */
  end(tunnel: Tunnel, why: string): void {
    if (!this.#forget(tunnel, why)) return;
    for (const leg of tunnel.legs) this.#builder.end(leg);
  }

  /** A circuit has ended, by itself or by another. */
  onCircuitEnd(circuit: ClientCircuit, why: string): void {
    const known = this.#byCircuit.get(circuit);
    this.#byCircuit.delete(circuit);
    // Who builds it is told by what he waits for.
    if (known === undefined || known.leg.state === "building") return;
    const { tunnel, leg } = known;
    const set = this.#sets.get(tunnel);
    if (set === undefined) this.end(tunnel, why);
    else set.lose(leg, why);
  }

  /** Ends all of them. */
  endAll(why: string): void {
    for (const tunnel of [...this.#tunnels]) this.end(tunnel, why);
  }

  /** A guard does not answer any more: what is there through it is not to be relied on. */
  #retireThrough(guard: Fingerprint): void {
    for (const tunnel of [...this.#tunnels]) {
      if (!tunnel.legs.some(({ ticket }) => ticket.guard === guard)) continue;
      // A set that is building may do without it.
      if (tunnel.state === "building") this.#sets.get(tunnel)?.loseGuard(guard);
      else this.retire(tunnel);
    }
  }

  /** What becomes of the circuit of a tunnel that has one. */
  #eventsOf(tunnel: Tunnel): LegEvents {
    return {
      name: `tunnel ${tunnel.id}`,
      onHop: (leg, circuit) => {
        this.#byCircuit.set(circuit, { tunnel, leg });
        this.#tell(tunnel);
      },
      onLate: () => {
        tunnel.isLate = true;
        tunnel.problem = { _tag: "Late" };
        this.#parts.wakes.notify();
      },
      onBuilt: () => {
        this.#lastProblem = undefined;
        tunnel.state = "waiting";
      },
      onHeld: () => {
        this.#tell(tunnel);
        this.#parts.wakes.notify();
      },
      onUsable: (leg) => {
        leg.state = "open";
        this.#open(tunnel);
      },
      onFailed: (_leg, why, problem) => this.#onFailed(tunnel, why, problem),
    };
  }

  #open(tunnel: Tunnel): void {
    tunnel.state = "open";
    tunnel.openedAt ??= this.#parts.now();
    this.#hasBuilt = true;
    this.#tell(tunnel);
    this.#parts.wakes.notify();
  }

  #onFailed(tunnel: Tunnel, why: string, problem: BuildProblem | undefined): void {
    const { now } = this.#parts;
    const wasBuilding = tunnel.state === "building";
    if (problem !== undefined) tunnel.problem = problem;
    if (!this.#forget(tunnel, why) || !wasBuilding || problem === undefined) return;
    this.#lastProblem = problem;
    const failures = this.#failures;
    if (now() - failures.since >= second) {
      failures.since = now();
      failures.count = 0;
    }
    failures.count++;
  }

  /** Takes a tunnel off the list; false if it was not on it. */
  #forget(tunnel: Tunnel, why: string): boolean {
    if (!this.#tunnels.delete(tunnel)) return false;
    this.#index.delete(tunnel);
    this.#sets.delete(tunnel);
    tunnel.state = "ended";
    for (const { circuit } of tunnel.legs) if (circuit !== undefined) this.#byCircuit.delete(circuit);
    this.#parts.onEvent(() => ({ _tag: "TunnelEnded", tunnel: tunnel.info(), why }));
    this.#parts.wakes.notify();
    return true;
  }

  #tell(tunnel: Tunnel): void {
    this.#parts.onEvent(() => ({ _tag: "Tunnel", tunnel: tunnel.info() }));
  }
}

/** Whether it is for the streams of an isolation that somebody asked for. */
const isReserved = ({ isolation }: Tunnel): boolean => isolation !== undefined && isolation !== "";

/** Whether to use one tunnel rather than another. */
const isBetter = (one: Tunnel, other: Tunnel): boolean => {
  if (isReserved(one) !== isReserved(other)) return isReserved(one);
  if ((one.set === undefined) !== (other.set === undefined)) return one.set !== undefined;
  if ((one.dirtySince === undefined) !== (other.dirtySince === undefined)) return one.dirtySince !== undefined;
  return one.createdAt > other.createdAt;
};
