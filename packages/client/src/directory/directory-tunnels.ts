import type { Connection } from "@allium/channel";
import type { ClientCircuit, ClientCircuits, HopFailed, HopTarget, StreamFailure } from "@allium/circuit";
import type { UnixMillis } from "@allium/netdoc";
import { Deferred, Duration, Effect, Exit } from "effect";
import type { ClientEvent, HopInfo, TunnelInfo } from "../status.ts";

/** How long a circuit to a directory is kept without a stream (as `tor`'s circuits of one hop). */
export const IDLE_DIRECTORY_TUNNEL = Duration.minutes(1);

/** What circuits to directories stand on. */
export interface DirectoryTunnelsParts {
  readonly circuits: Pick<ClientCircuits["Service"], "create">;
  readonly now: () => UnixMillis;
  /** Tells an event, which is made if somebody listens. */
  readonly onEvent: (make: () => ClientEvent) => void;
  /** Gives each tunnel of the client its number. */
  readonly nextId: () => number;
  /** Runs something in the background, until the client ends. */
  readonly run: (effect: Effect.Effect<void>) => void;
}

/** A circuit of one hop, for all that is asked of one directory. */
interface DirectoryTunnel {
  readonly id: number;
  readonly hop: HopInfo;
  readonly createdAt: UnixMillis;
  readonly made: Deferred.Deferred<ClientCircuit, HopFailed>;
  circuit: ClientCircuit | undefined;
}

/**
 * The circuits over which a client asks directories: one hop, with a stream for each request (tor-spec 6.2.1, BEGIN_DIR). One circuit
 * serves all requests to a directory, also those that come while it is made; it ends a while after the last of them.
 */
export class DirectoryTunnels {
  readonly #parts: DirectoryTunnelsParts;
  readonly #tunnels = new Map<string, DirectoryTunnel>();

  constructor(parts: DirectoryTunnelsParts) {
    this.#parts = parts;
  }

  /** What others are shown. */
  infos(): ReadonlyArray<TunnelInfo> {
    return [...this.#tunnels.values()].map(infoOf);
  }

  /** Opens a stream for one request. */
  connect(target: HopTarget, hop: HopInfo): Effect.Effect<Connection, HopFailed | StreamFailure> {
    return Effect.suspend(() => {
      const tunnel = this.#tunnels.get(hop.fingerprint) ?? this.#make(target, hop);
      return Effect.flatMap(Deferred.await(tunnel.made), (circuit) => circuit.open({ _tag: "BEGIN_DIR" })).pipe(
        Effect.map(({ connection }) => connection),
      );
    });
  }

  /** A circuit has ended. Answers whether it was one of these. */
  onCircuitEnd(circuit: ClientCircuit, why: string): boolean {
    for (const tunnel of this.#tunnels.values()) {
      if (tunnel.circuit !== circuit) continue;
      this.#forget(tunnel, why);
      return true;
    }
    return false;
  }

  #make(target: HopTarget, hop: HopInfo): DirectoryTunnel {
    const { circuits, now, nextId, run, onEvent } = this.#parts;
    const tunnel: DirectoryTunnel = {
      id: nextId(),
      hop,
      createdAt: now(),
      made: Deferred.makeUnsafe(),
      circuit: undefined,
    };
    this.#tunnels.set(hop.fingerprint, tunnel);
    onEvent(() => ({ _tag: "Tunnel", tunnel: infoOf(tunnel) }));
    run(
      Effect.gen({ self: this }, function* () {
        const made = yield* Effect.exit(circuits.create(target));
        if (Exit.isFailure(made)) this.#forget(tunnel, "no circuit to the directory");
        Deferred.doneUnsafe(tunnel.made, made);
        if (Exit.isFailure(made)) return;
        tunnel.circuit = made.value;
        // It may have ended before anybody knew that it was one of these.
        if (made.value.end !== undefined) return this.#forget(tunnel, "ended");
        onEvent(() => ({ _tag: "Tunnel", tunnel: infoOf(tunnel) }));
        yield* this.#endWhenIdle(made.value);
      }),
    );
    return tunnel;
  }

  #endWhenIdle(circuit: ClientCircuit): Effect.Effect<void> {
    return Effect.gen(function* () {
      for (let idle = false; circuit.end === undefined; idle = circuit.streams === 0) {
        if (idle && circuit.streams === 0) return circuit.stop("finished");
        yield* Effect.sleep(IDLE_DIRECTORY_TUNNEL);
      }
    });
  }

  #forget(tunnel: DirectoryTunnel, why: string): void {
    const { fingerprint } = tunnel.hop;
    if (this.#tunnels.get(fingerprint) !== tunnel) return;
    this.#tunnels.delete(fingerprint);
    this.#parts.onEvent(() => ({ _tag: "TunnelEnded", tunnel: infoOf(tunnel), why }));
  }
}

const infoOf = ({ id, hop, createdAt, circuit }: DirectoryTunnel): TunnelInfo => ({
  id,
  purpose: "directory",
  state: circuit === undefined ? "building" : "open",
  legs: [{ circuit: circuit?.name ?? "", hops: [hop], rttMillis: undefined, window: undefined }],
  createdAt,
  dirtySince: createdAt,
  streams: circuit?.streams ?? 0,
  isolated: false,
});
