import { formatEndpoint } from "@allium/channel";
import type { ClientCircuit } from "@allium/circuit";
import type { Fingerprint, UnixMillis } from "@allium/netdoc";
import { type ExitNeed, permits, permitsSomething, type Relay } from "../paths/index.ts";
import type { HopInfo, LegInfo, TunnelInfo, TunnelPurpose } from "../status.ts";
import type { BuildProblem } from "./build-problem.ts";
import type { Leg } from "./leg.ts";
import type { TunnelRequest } from "./request.ts";

/** What a tunnel that is a conflux set tells of it. */
export interface TunnelSet {
  /** Whether it has ended, even if its circuits were not told yet. */
  readonly isOver: boolean;
  /** What is measured of a leg, once it is linked. */
  readonly measured: (leg: Leg) => Pick<LegInfo, "rttMillis" | "window"> | undefined;
}

/**
 * One tunnel of a client, from the choice of its paths on.
 *
 * | state | means | next |
 * | --- | --- | --- |
 * | `building` | has not all its hops, or not all its legs | `waiting`, `open` |
 * | `waiting` | built, and held back while a better guard may answer | `open` |
 * | `open` | takes streams | `retired`; `building` if a leg is to be replaced |
 * | `retired` | keeps the streams that it has | |
 *
 * From each it may end.
 */
export class Tunnel {
  readonly id: number;
  readonly purpose: TunnelPurpose;
  readonly createdAt: UnixMillis;
  /** The relay that streams leave by. */
  readonly exit: Relay;
  state: TunnelInfo["state"] | "ended" = "building";
  /** Its circuits: one, or those of a conflux set, of which each that has ended is taken out while others are left. */
  legs: ReadonlyArray<Leg>;
  /** There if it is a conflux set. */
  set: TunnelSet | undefined = undefined;
  /** When it could take streams first. */
  openedAt: UnixMillis | undefined = undefined;
  /** Whose streams it takes: everybody's, until there was one, or one waits for it to be built. */
  isolation: string | undefined = undefined;
  dirtySince: UnixMillis | undefined = undefined;
  /** Whether it is built only to be measured: whoever waited for it has given it up. */
  isLate = false;
  /** Why it is of no use, if it is not. */
  problem: BuildProblem | undefined = undefined;

  /** @param legs one or more, which end at the same relay */
  constructor(id: number, purpose: TunnelPurpose, legs: ReadonlyArray<Leg>, createdAt: UnixMillis) {
    this.id = id;
    this.purpose = purpose;
    this.legs = legs;
    this.exit = legs[0]?.path.at(-1) as Relay;
    this.createdAt = createdAt;
  }

  get exitName(): Fingerprint {
    return this.exit.status.fingerprint;
  }

  /** The circuit on which streams are asked for: of a set, any that is a leg. */
  get circuit(): ClientCircuit | undefined {
    const leg = this.legs.find(({ isAlive }) => isAlive) ?? this.legs[0];
    return leg?.circuit;
  }

  /** Whether nothing can be asked for in it any more, even if it was not taken off the list yet. */
  get isOver(): boolean {
    return this.set?.isOver === true || !this.legs.some(({ isAlive }) => isAlive);
  }

  /** Streams that it has, those that are being opened among them. */
  get streams(): number {
    // A set has the same ones on all its legs.
    return this.circuit?.streams ?? 0;
  }

  /** Whether its exit permits what is needed (path-spec 2.2.1). */
  permits(needs: ReadonlyArray<ExitNeed>): boolean {
    const { microdescriptor } = this.exit;
    return needs.length === 0
      ? permitsSomething(microdescriptor)
      : needs.every((need) => permits(microdescriptor, need));
  }

  /** Whether a stream may be in it, once it is open. */
  suits({ needs, isolation, avoid, openedSince }: TunnelRequest): boolean {
    if (this.isolation !== undefined && this.isolation !== isolation) return false;
    if (this.openedAt !== undefined && this.openedAt < openedSince) return false;
    return !avoid.has(this.exitName) && this.permits(needs);
  }

  /** What others are shown. */
  info(): TunnelInfo {
    return {
      id: this.id,
      purpose: this.purpose,
      state: this.state === "ended" ? "retired" : this.state,
      legs: this.legs.map((leg) => legInfo(leg, this.set)),
      createdAt: this.createdAt,
      dirtySince: this.dirtySince,
      streams: this.streams,
      isolated: this.isolation !== undefined && this.isolation !== "",
    };
  }
}

const legInfo = (leg: Leg, set: TunnelSet | undefined): LegInfo => {
  const { circuit, path } = leg;
  const built = circuit?.path.length ?? 0;
  return {
    circuit: circuit?.name ?? "",
    hops: path.slice(0, built).map(hopInfo),
    ...(set?.measured(leg) ?? measuredAlone(circuit, built)),
  };
};

const measuredAlone = (circuit: ClientCircuit | undefined, built: number): Pick<LegInfo, "rttMillis" | "window"> => {
  const view = built === 0 ? undefined : circuit?.congestion(built - 1);
  return { rttMillis: view?.rttUs === undefined ? undefined : view.rttUs / 1000, window: view?.cwnd };
};

const hopInfo = ({ status: { fingerprint, nickname, address: host, orPort: port } }: Relay): HopInfo => ({
  fingerprint,
  nickname,
  address: formatEndpoint({ host, port }),
});
