import type { ClientCircuit, ClientCircuits, HopFailed } from "@allium/circuit";
import type { AddressAndPort, Fingerprint, UnixMillis } from "@allium/netdoc";
import { Deferred, Duration, Effect } from "effect";
import { type BuildTimes, measuredHops } from "../build-times/index.ts";
import type { NetworkState } from "../network-state.ts";
import type { PathEnd, Random } from "../paths/index.ts";
import type { ClientEvent, TunnelPurpose } from "../status.ts";
import { buildCircuit } from "./build-circuit.ts";
import { type BuildProblem, describeProblem, pathProblem } from "./build-problem.ts";
import { chooseWithGuard } from "./choose-with-guard.ts";
import type { GuardKeeper } from "./guard-keeper.ts";
import { hopTargets } from "./hop-target.ts";
import type { TunnelRequest } from "./request.ts";
import { LEAST_GUARD_PATIENCE_MILLIS } from "./times.ts";
import { Tunnel } from "./tunnel.ts";
import { TunnelIndex } from "./tunnel-index.ts";
import type { Wakes } from "./wakes.ts";

/** What a pool of tunnels stands on. */
export interface PoolParts {
  readonly circuits: Pick<ClientCircuits["Service"], "create">;
  readonly guards: GuardKeeper;
  readonly buildTimes: BuildTimes;
  readonly network: NetworkState;
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

/** Tunnels that are being built at once, at most (torrc `MaxClientCircuitsPending`). */
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
  readonly #byCircuit = new Map<ClientCircuit, Tunnel>();
  readonly #failures = { since: Number.NEGATIVE_INFINITY, count: 0 };
  #building = 0;
  #hasBuilt = false;
  #newestBegun = Number.NEGATIVE_INFINITY;
  /** What became of the newest tunnel that was begun, if that was nothing. */
  #lastProblem: BuildProblem | undefined;

  constructor(parts: PoolParts) {
    this.#parts = parts;
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

  /** How many are being built. */
  get building(): number {
    return this.#building;
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

  /** The open tunnel that a stream is to be in, if one will do: rather one that has been used already (as `tor`), and a newer one. */
  find(request: TunnelRequest): Tunnel | undefined {
    let best: Tunnel | undefined;
    for (const tunnel of this.#index.candidates(request.isolation)) {
      if (tunnel.state !== "open" || !tunnel.suits(request)) continue;
      if (best === undefined || isBetter(tunnel, best)) best = tunnel;
    }
    return best;
  }

  /** A tunnel that will do when it is there, and that nobody has given up. */
  findComing(request: TunnelRequest): Tunnel | undefined {
    for (const tunnel of this.#index.candidates(request.isolation)) {
      if ((tunnel.state === "building" || tunnel.state === "waiting") && !tunnel.isLate && tunnel.suits(request))
        return tunnel;
    }
    return undefined;
  }

  /** Begins a tunnel. Answers with it, or with what is in the way. */
  begin(end: PathEnd, purpose: TunnelPurpose): Tunnel | BuildProblem {
    const { network, guards, random, now, run, maxTunnels, nextId } = this.#parts;
    const { table } = network;
    if (table === undefined || this.#tunnels.size >= maxTunnels || this.#building >= MAX_BUILDING)
      return { _tag: "TooMany" };
    try {
      const { path, guard } = chooseWithGuard(table, end, guards, random);
      this.#newestBegun = now();
      const tunnel = new Tunnel(nextId(), purpose, path, guard.ticket, this.#newestBegun);
      this.#tunnels.add(tunnel);
      this.#index.add(tunnel);
      this.#building++;
      this.#tell(tunnel);
      this.#parts.changes.notify();
      run(this.#build(tunnel, guard.addresses));
      return tunnel;
    } catch (thrown) {
      const problem = pathProblem(thrown);
      if (problem === undefined) throw thrown;
      this.#lastProblem = problem;
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
    this.#parts.guards.indeterminate(tunnel.ticket);
    if (tunnel.streams === 0) this.end(tunnel, "not to be used any more");
    else {
      this.#tell(tunnel);
      this.#parts.changes.notify();
    }
  }

  /** Ends a tunnel, and with it its streams. */
  end(tunnel: Tunnel, why: string): void {
    if (!this.#forget(tunnel, why)) return;
    this.#parts.guards.indeterminate(tunnel.ticket);
    tunnel.circuit?.stop("finished");
  }

  /** A circuit has ended, by itself or by another. */
  onCircuitEnd(circuit: ClientCircuit, why: string): void {
    const tunnel = this.#byCircuit.get(circuit);
    // Who builds it is told by what he waits for.
    if (tunnel !== undefined && tunnel.state !== "building") this.end(tunnel, why);
  }

  /** Ends all of them. */
  endAll(why: string): void {
    for (const tunnel of [...this.#tunnels]) this.end(tunnel, why);
  }

  /** A guard does not answer any more: what is there through it is not to be relied on. */
  #retireThrough(guard: Fingerprint): void {
    for (const tunnel of [...this.#tunnels]) if (tunnel.ticket.guard === guard) this.retire(tunnel);
  }

  #build(tunnel: Tunnel, addresses: ReadonlyArray<AddressAndPort>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { circuits, buildTimes, now } = this.#parts;
      const { timeoutMs, closeMs } = buildTimes.timeouts({ hops: tunnel.path.length });
      // The time that a channel takes is the channel's (path-spec 2.4: from when the first CREATE is sent).
      const asked = Deferred.makeUnsafe<void>();
      let begun = now();
      const onAsked = (): void => {
        begun = now();
        Deferred.doneUnsafe(asked, Effect.void);
      };
      const onHop = (circuit: ClientCircuit): void => {
        if (tunnel.circuit === undefined) {
          tunnel.circuit = circuit;
          this.#byCircuit.set(circuit, tunnel);
        }
        if (circuit.path.length === measuredHops) buildTimes.thirdHopDone(now() - begun, tunnel.isLate);
        this.#tell(tunnel);
      };
      const patience = Effect.gen({ self: this }, function* () {
        yield* Deferred.await(asked);
        yield* Effect.sleep(Duration.millis(timeoutMs));
        this.#onLate(tunnel);
        // A guard that does not answer is found out now; what is slow behind it is measured (as `tor`).
        const guardMs = Math.max(timeoutMs, LEAST_GUARD_PATIENCE_MILLIS);
        if (tunnel.circuit === undefined) yield* Effect.sleep(Duration.millis(guardMs - timeoutMs));
        if (tunnel.circuit !== undefined) {
          yield* Effect.sleep(Duration.millis(closeMs - (now() - begun)));
          buildTimes.circuitAbandoned();
        }
        return yield* Effect.fail<BuildProblem>({ _tag: "Late" });
      });
      return buildCircuit(circuits, hopTargets(tunnel.path, addresses), onAsked, onHop).pipe(
        Effect.mapError((error): BuildProblem => ({ _tag: "HopFailed", error })),
        Effect.raceFirst(patience),
        Effect.matchEffect({
          onSuccess: () => Effect.sync(() => this.#onBuilt(tunnel)),
          onFailure: (problem) =>
            Effect.suspend(() => {
              this.#onFailed(tunnel, problem);
              return Effect.logDebug(`tunnel ${tunnel.id}: ${describeProblem(problem)}`);
            }),
        }),
        Effect.onInterrupt(() => Effect.sync(() => this.end(tunnel, "given up"))),
      );
    });
  }

  /** It is too slow to be waited for. It goes on, to be measured (path-spec 2.4). */
  #onLate(tunnel: Tunnel): void {
    tunnel.isLate = true;
    tunnel.problem = { _tag: "Late" };
    this.#parts.buildTimes.circuitTimedOut(tunnel.circuit?.path.length ?? 0);
    this.#parts.wakes.notify();
  }

  #onBuilt(tunnel: Tunnel): void {
    if (tunnel.state === "ended") return;
    this.#lastProblem = undefined;
    this.#building--;
    tunnel.state = "waiting";
    // It may have ended in the very moment in which it was built.
    const isOver = tunnel.circuit?.end !== undefined;
    this.#parts.guards.succeeded(tunnel.ticket, (usable) => {
      if (tunnel.state !== "waiting") return;
      if (isOver || tunnel.isLate) return this.end(tunnel, tunnel.isLate ? "measured" : "the circuit ended");
      if (!usable) {
        tunnel.problem = { _tag: "GuardNotUsed" };
        return this.end(tunnel, "another guard is used");
      }
      tunnel.state = "open";
      tunnel.openedAt = this.#parts.now();
      this.#hasBuilt = true;
      this.#tell(tunnel);
      this.#parts.wakes.notify();
    });
    if (tunnel.state === "waiting") this.#tell(tunnel);
  }

  #onFailed(tunnel: Tunnel, problem: BuildProblem): void {
    const { guards, now } = this.#parts;
    tunnel.problem = problem;
    this.#lastProblem = problem;
    if (!this.#forget(tunnel, describeProblem(problem))) return;
    if (isGuardsFault(tunnel, problem)) {
      guards.failed(tunnel.ticket);
      // One that refuses another circuit may well have room for the streams of those that it has.
      if (problem._tag === "Late") this.#retireThrough(tunnel.ticket.guard);
    } else guards.indeterminate(tunnel.ticket);
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
    if (tunnel.state === "building") this.#building--;
    tunnel.state = "ended";
    if (tunnel.circuit !== undefined) this.#byCircuit.delete(tunnel.circuit);
    this.#parts.onEvent(() => ({ _tag: "TunnelEnded", tunnel: tunnel.info(), why }));
    this.#parts.wakes.notify();
    return true;
  }

  #tell(tunnel: Tunnel): void {
    this.#parts.onEvent(() => ({ _tag: "Tunnel", tunnel: tunnel.info() }));
  }
}

/** Whether to use one tunnel rather than another. */
const isBetter = (one: Tunnel, other: Tunnel): boolean => {
  if ((one.dirtySince === undefined) !== (other.dirtySince === undefined)) return one.dirtySince !== undefined;
  return one.createdAt > other.createdAt;
};

/**
 * Whether what failed says that the guard is not to be used: no channel to it, or no right answer to the first CREATE. What fails behind
 * it may be another's fault (guard-spec 4.7).
 */
const isGuardsFault = ({ circuit }: Tunnel, problem: BuildProblem): boolean => {
  if (problem._tag === "Late") return circuit === undefined;
  if (problem._tag !== "HopFailed" || problem.error.hop !== 0) return false;
  const { problem: what } = problem.error;
  return !isOurs(what);
};

/** Whether the fault is on this side: no room for another circuit, or the client is ending. */
const isOurs = (problem: HopFailed["problem"]): boolean =>
  problem._tag === "Ended" ||
  (problem._tag === "Channel" && (problem.error._tag === "ChannelsClosed" || problem.error._tag === "ChannelLimit"));
