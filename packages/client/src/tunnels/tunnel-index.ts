import type { Tunnel } from "./tunnel.ts";

/**
 * The tunnels of a pool by who may get them, so that whoever looks for one does not look at everybody's. A tunnel is on one of three
 * lists: for anybody, for the streams of one isolation, or retired.
 */
export class TunnelIndex {
  readonly #free = new Set<Tunnel>();
  readonly #isolated = new Map<string, Set<Tunnel>>();
  readonly #retired = new Set<Tunnel>();

  /** A new tunnel: anybody may get it. */
  add(tunnel: Tunnel): void {
    this.#free.add(tunnel);
  }

  /** From now on it is for the streams of one isolation. */
  reserve(tunnel: Tunnel, isolation: string): void {
    if (tunnel.isolation === isolation) return;
    this.delete(tunnel);
    tunnel.isolation = isolation;
    const others = this.#isolated.get(isolation);
    if (others === undefined) this.#isolated.set(isolation, new Set([tunnel]));
    else others.add(tunnel);
  }

  /** It gets no more streams. */
  retire(tunnel: Tunnel): void {
    this.delete(tunnel);
    this.#retired.add(tunnel);
  }

  delete(tunnel: Tunnel): void {
    this.#free.delete(tunnel);
    this.#retired.delete(tunnel);
    const { isolation } = tunnel;
    if (isolation === undefined) return;
    const others = this.#isolated.get(isolation);
    if (others?.delete(tunnel) === true && others.size === 0) this.#isolated.delete(isolation);
  }

  /** What streams of this isolation may get: first what is theirs, then what is anybody's. */
  *candidates(isolation: string): Generator<Tunnel, void> {
    yield* this.#isolated.get(isolation) ?? [];
    yield* this.#free;
  }

  /** What gets no more streams. */
  get retired(): ReadonlySet<Tunnel> {
    return this.#retired;
  }
}
