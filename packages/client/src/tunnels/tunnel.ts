import { formatEndpoint } from "@allium/channel";
import type { ClientCircuit } from "@allium/circuit";
import type { Fingerprint, UnixMillis } from "@allium/netdoc";
import type { GuardTicket } from "../guards/index.ts";
import { type ExitNeed, type Path, permits, permitsSomething, type Relay } from "../paths/index.ts";
import type { HopInfo, TunnelInfo, TunnelPurpose } from "../status.ts";
import type { BuildProblem } from "./build-problem.ts";
import type { TunnelRequest } from "./request.ts";

/**
 * One tunnel of a client, from the choice of its path on.
 *
 * | state | means | next |
 * | --- | --- | --- |
 * | `building` | has not all its hops | `waiting`, `open` |
 * | `waiting` | built, and held back while a better guard may answer | `open` |
 * | `open` | takes streams | `retired` |
 * | `retired` | keeps the streams that it has | |
 *
 * From each it may end.
 */
export class Tunnel {
  readonly id: number;
  readonly purpose: TunnelPurpose;
  readonly path: Path;
  readonly createdAt: UnixMillis;
  readonly ticket: GuardTicket;
  state: TunnelInfo["state"] | "ended" = "building";
  /** When it could take streams first. */
  openedAt: UnixMillis | undefined = undefined;
  /** There from its first hop on. */
  circuit: ClientCircuit | undefined = undefined;
  /** Whose streams it takes: everybody's, until there was one, or one waits for it to be built. */
  isolation: string | undefined = undefined;
  dirtySince: UnixMillis | undefined = undefined;
  /** Whether it is built only to be measured: whoever waited for it has given it up. */
  isLate = false;
  /** Why it is of no use, if it is not. */
  problem: BuildProblem | undefined = undefined;

  constructor(id: number, purpose: TunnelPurpose, path: Path, ticket: GuardTicket, createdAt: UnixMillis) {
    this.id = id;
    this.purpose = purpose;
    this.path = path;
    this.ticket = ticket;
    this.createdAt = createdAt;
  }

  /** The relay that streams leave by. */
  get exit(): Relay {
    return this.path.at(-1) as Relay;
  }

  get exitName(): Fingerprint {
    return this.exit.status.fingerprint;
  }

  /** Streams that it has, those that are being opened among them. */
  get streams(): number {
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
    const { circuit } = this;
    const built = circuit?.path.length ?? 0;
    const view = circuit === undefined || built === 0 ? undefined : circuit.congestion(built - 1);
    return {
      id: this.id,
      purpose: this.purpose,
      state: this.state === "ended" ? "retired" : this.state,
      legs: [
        {
          circuit: circuit?.name ?? "",
          hops: this.path.slice(0, built).map(hopInfo),
          rttMillis: view?.rttUs === undefined ? undefined : view.rttUs / 1000,
          window: view?.cwnd,
        },
      ],
      createdAt: this.createdAt,
      dirtySince: this.dirtySince,
      streams: this.streams,
      isolated: this.isolation !== undefined && this.isolation !== "",
    };
  }
}

const hopInfo = ({ status: { fingerprint, nickname, address: host, orPort: port } }: Relay): HopInfo => ({
  fingerprint,
  nickname,
  address: formatEndpoint({ host, port }),
});
