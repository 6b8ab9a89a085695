import type { ClientCircuit } from "@allium/circuit";
import { afterFailedLeg, type OutgoingSet } from "@allium/conflux";
import type { Fingerprint } from "@allium/netdoc";
import { Effect, Exit } from "effect";
import type { BuildTimes } from "../build-times/index.ts";
import type { NetworkState } from "../network-state.ts";
import type { Path, Random } from "../paths/index.ts";
import type { LegInfo } from "../status.ts";
import { pathProblem } from "./build-problem.ts";
import { chooseLegWithGuard } from "./choose-with-guard.ts";
import type { ClientConflux } from "./conflux.ts";
import type { GuardKeeper } from "./guard-keeper.ts";
import type { Leg } from "./leg.ts";
import type { LegBuilder, LegEvents } from "./leg-builder.ts";
import { LEAST_LINK_PATIENCE_MILLIS } from "./times.ts";
import type { Tunnel, TunnelSet } from "./tunnel.ts";

/** What the legs of a set stand on. */
export interface LinkedLegsParts {
  readonly conflux: ClientConflux;
  readonly builder: LegBuilder;
  readonly guards: GuardKeeper;
  readonly buildTimes: BuildTimes;
  readonly network: NetworkState;
  readonly random: Random;
  /** Runs something in the background, until the client ends. */
  readonly run: (effect: Effect.Effect<void>) => void;
  /** A leg of the tunnel has a circuit. */
  readonly onCircuit: (tunnel: Tunnel, leg: Leg, circuit: ClientCircuit) => void;
  /** Something of the tunnel has changed. */
  readonly onChange: (tunnel: Tunnel) => void;
  /** It takes streams from here on. */
  readonly onOpen: (tunnel: Tunnel) => void;
  /** It has no leg left. */
  readonly onOver: (tunnel: Tunnel, why: string) => void;
}

/**
 * The legs of a tunnel that is a conflux set (proposal 329): ordinary circuits, each linked as soon as it is built. The tunnel opens when
 * all of them are linked, or those that are left when no others may be launched any more.
 *
 * | a leg ends | the tunnel |
 * | --- | --- |
 * | before its exit is asked to link it | has another built; if none may be launched, it goes on with those that are left |
 * | after that, in a tunnel without a stream so far | ends |
 * | in a tunnel that was used | goes on with those that are left, if the set does |
 * | and was the last one | ends |
 */
export class LinkedLegs implements LegEvents, TunnelSet {
  readonly #tunnel: Tunnel;
  readonly #parts: LinkedLegsParts;
  #set: OutgoingSet | undefined;
  /** Legs that were launched so far: not many, or an exit that ends them would see one middle after another (proposal 329, 4.2.2). */
  #launched = 0;

  constructor(tunnel: Tunnel, parts: LinkedLegsParts) {
    this.#tunnel = tunnel;
    this.#parts = parts;
  }

  get name(): string {
    return `tunnel ${this.#tunnel.id}`;
  }

  get isOver(): boolean {
    return this.#set?.isOver ?? false;
  }

  /** Builds the legs that the tunnel was made with. */
  launch(): void {
    for (const leg of this.#tunnel.legs) this.#build(leg);
  }

  measured({ circuit }: Leg): Pick<LegInfo, "rttMillis" | "window"> | undefined {
    const linked = this.#set?.legs.find((leg) => leg.circuit === circuit);
    if (linked === undefined) return undefined;
    const view = linked.seen;
    return { rttMillis: view.rttUs === 0 ? undefined : view.rttUs / 1000, window: view.cwnd };
  }

  onHop(leg: Leg, circuit: ClientCircuit): void {
    this.#parts.onCircuit(this.#tunnel, leg, circuit);
    this.#parts.onChange(this.#tunnel);
  }

  onLate(): void {
    // Nobody waits for it. When it has been measured, another is built.
  }

  onBuilt(): void {
    // It is told of when it is linked.
  }

  onHeld(): void {
    this.#parts.onChange(this.#tunnel);
  }

  onUsable(leg: Leg): void {
    const { conflux, run, buildTimes, onChange } = this.#parts;
    const { circuit } = leg;
    if (circuit === undefined) return;
    leg.state = "linking";
    if (this.#set === undefined || this.isOver) {
      const { timeoutMs } = buildTimes.timeouts({ hops: leg.path.length });
      const timeoutUs = Math.max(timeoutMs, LEAST_LINK_PATIENCE_MILLIS) * 1000;
      const exit = leg.path.at(-1);
      const resumption = exit !== undefined && conflux.resumesWith(exit);
      this.#set = conflux.manager.begin({ desiredUx: conflux.desiredUx, timeoutUs, resumption });
    }
    onChange(this.#tunnel);
    run(
      this.#set.link(circuit, leg.path.length - 1).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => (Exit.isSuccess(exit) ? this.#onLinked(leg) : this.lose(leg, "not linked"))),
        ),
        Effect.catch((error) => Effect.logDebug(`${this.name}: ${error.message}`)),
      ),
    );
  }

  onFailed(leg: Leg, why: string): void {
    this.lose(leg, why);
  }

  /** A guard does not answer any more: legs through it are of no use. */
  loseGuard(guard: Fingerprint): void {
    for (const leg of this.#tunnel.legs)
      if (leg.ticket.guard === guard && leg.state !== "building") this.lose(leg, "its guard does not answer");
  }

  /** A leg has ended, or is of no use. */
  lose(leg: Leg, why: string): void {
    const tunnel = this.#tunnel;
    const { builder, onChange, onOver } = this.#parts;
    const isKnownToExit = leg.state === "linking" || leg.state === "open";
    builder.end(leg);
    if (tunnel.state === "ended" || !tunnel.legs.includes(leg)) return;
    const left = tunnel.legs.filter((other) => other !== leg);
    // What is told of its end is told of the leg that it ended with.
    if (left.length === 0) return onOver(tunnel, why);
    // As long as the exit has not heard of it, it would send on it. Nobody misses the others, and another set is begun.
    if (isKnownToExit && tunnel.dirtySince === undefined) return onOver(tunnel, why);
    tunnel.legs = left;
    if (this.#mayReplace()) this.#replace(left.length);
    if (!this.#settle()) onChange(tunnel);
  }

  /** Once all its legs are linked, the exit has them and expects no other. */
  #mayReplace(): boolean {
    const { network } = this.#parts;
    return this.#tunnel.state === "building" && network.ready && !network.isEnding;
  }

  #replace(left: number): void {
    const { conflux, network, guards, random } = this.#parts;
    const tunnel = this.#tunnel;
    const { table } = network;
    if (table === undefined || afterFailedLeg(left, this.#launched, conflux.params) !== "relaunch") return;
    try {
      const others = tunnel.legs.map(({ path }) => path) as [Path, ...Array<Path>];
      const leg = chooseLegWithGuard(table, others, guards, random);
      tunnel.legs = [...tunnel.legs, leg];
      this.#build(leg);
    } catch (thrown) {
      // Then it goes on with those that are left.
      if (pathProblem(thrown) === undefined) throw thrown;
    }
  }

  #build(leg: Leg): void {
    this.#launched++;
    this.#parts.run(this.#parts.builder.build(leg, this));
  }

  #onLinked(leg: Leg): void {
    if (leg.state !== "linking") return;
    leg.state = "open";
    if (!this.#settle()) this.#parts.onChange(this.#tunnel);
  }

  /** Opens the tunnel if there is nothing more to wait for. @returns whether it did */
  #settle(): boolean {
    const tunnel = this.#tunnel;
    if (tunnel.state !== "building" || tunnel.legs.some(({ state }) => state !== "open")) return false;
    this.#parts.onOpen(tunnel);
    return true;
  }
}
