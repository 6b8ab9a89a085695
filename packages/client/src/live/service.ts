import { Effect } from "effect";
import type { DirectoryTunnels } from "../directory/index.ts";
import { BootstrapError, type ClientFailed } from "../errors.ts";
import { makeSocket } from "../sockets/index.ts";
import type { BootstrapStatus, TunnelInfo } from "../status.ts";
import { openStream, resolveName, reverseAddress, type StreamsParts } from "../streams/index.ts";
import type { StreamOptions, TorClientService } from "../tor-client.ts";
import type { Tunnel, Wakes } from "../tunnels/index.ts";
import type { EventHub } from "./events.ts";

/** What the service of a client is made of. */
export interface ServiceParts {
  readonly streams: StreamsParts;
  readonly wakes: Wakes;
  readonly hub: EventHub;
  readonly status: () => BootstrapStatus;
  /** Waits until the client has failed as a whole. */
  readonly failed: Effect.Effect<never, ClientFailed>;
  readonly tunnels: () => ReadonlyArray<Tunnel>;
  readonly directoryTunnels: DirectoryTunnels;
}

/** What programs see of a client. */
export const makeService = ({
  streams,
  wakes,
  hub,
  status,
  failed,
  tunnels,
  directoryTunnels,
}: ServiceParts): TorClientService => {
  let identities = 0;
  const becomesReady: Effect.Effect<void, BootstrapError> = Effect.gen(function* () {
    for (;;) {
      const { version } = wakes;
      const { phase, trouble } = status();
      if (phase === "ready") return;
      if (trouble?.final === true)
        return yield* new BootstrapError({ problem: trouble.problem, detail: trouble.detail });
      yield* wakes.after(version);
    }
  });
  const ready = Effect.raceFirst(becomesReady, Effect.orDie(failed));
  /** @param identity whose streams these are; nobody shares circuits with another */
  const under = (identity: string): TorClientService => {
    const isolated = (options: StreamOptions = {}): StreamOptions => ({
      ...options,
      isolation: identity === "" ? (options.isolation ?? "") : `${identity}\n${options.isolation ?? ""}`,
    });
    const open: TorClientService["open"] = (target, options) => openStream(streams, target, isolated(options));
    return {
      ready,
      failed,
      open,
      connect: (target, options) => makeSocket(Effect.map(open(target, options), ({ connection }) => connection)),
      resolve: (name, options) => resolveName(streams, name, isolated(options)),
      reverse: (address, options) => reverseAddress(streams, address, isolated(options)),
      isolated: Effect.sync(() => under(`${identity}/${++identities}`)),
      status,
      tunnels: () =>
        [...directoryTunnels.infos(), ...tunnels().map((tunnel): TunnelInfo => tunnel.info())].sort(
          (one, other) => one.id - other.id,
        ),
      events: hub.events(status),
    };
  };
  return under("");
};
