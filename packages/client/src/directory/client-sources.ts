import { formatEndpoint } from "@allium/channel";
import type { HopTarget } from "@allium/circuit";
import {
  type Authority,
  type DirectoryOutcome,
  type DirectorySource,
  type DirectoryWish,
  type FallbackDirectory,
  NoDirectorySource,
} from "@allium/directory";
import { type Fingerprint, fingerprintBytes, type UnixMillis } from "@allium/netdoc";
import { Effect } from "effect";
import { type GuardChoice, type GuardFilter, NoGuardError } from "../guards/index.ts";
import type { NetworkState } from "../network-state.ts";
import { type Random, reasonablyLiveMs } from "../paths/index.ts";
import type { HopInfo } from "../status.ts";
import { endpointsOf, type GuardKeeper, hopTarget } from "../tunnels/index.ts";
import type { DirectoryTunnels } from "./directory-tunnels.ts";
import { isGuardsFault } from "./faults.ts";

/** A directory that is known before any consensus is: an authority, or a fallback. */
export interface KnownDirectory {
  readonly name: string;
  readonly relayIdentity: Fingerprint;
  /** Where it listens for channels, IPv4 first. */
  readonly endpoints: ReadonlyArray<{ readonly host: string; readonly port: number }>;
}

/** An authority as a directory; undefined if its line does not give its ORPort. */
export const authorityDirectory = ({
  name,
  relayIdentity,
  download,
  orPort,
  ipv6,
}: Authority): KnownDirectory | undefined =>
  orPort === undefined
    ? undefined
    : {
        name,
        relayIdentity,
        endpoints: [
          { host: download.host, port: orPort },
          ...(ipv6 === undefined ? [] : [{ host: ipv6.address, port: ipv6.port }]),
        ],
      };

/** A fallback directory as a directory. They have no names. */
export const fallbackDirectory = ({ relayIdentity, orPort, ipv6 }: FallbackDirectory): KnownDirectory => ({
  name: relayIdentity,
  relayIdentity,
  endpoints: [orPort, ...(ipv6 === undefined ? [] : [{ host: ipv6.address, port: ipv6.port }])],
});

/** For how long a directory that did not have what was asked for is passed over (as `tor`'s stale directories). */
export const STALE_DIRECTORY_MILLIS = 10 * 60 * 1000;

/** What the choice of directories stands on. */
export interface ClientSourcesParts {
  readonly tunnels: DirectoryTunnels;
  readonly guards: GuardKeeper;
  readonly network: NetworkState;
  /** Whom to ask before there is a consensus; nobody, if the authorities are to do. */
  readonly fallbacks: ReadonlyArray<KnownDirectory>;
  readonly authorities: ReadonlyArray<KnownDirectory>;
  /** What the configuration allows to connect to. */
  readonly filter: Pick<GuardFilter, "addresses">;
  readonly random: Random;
  readonly now: () => UnixMillis;
}

/**
 * Whom a client asks for documents (dir-spec 5):
 *
 * | what it knows | asks |
 * | --- | --- |
 * | a consensus that is reasonably live | a directory guard |
 * | none | a fallback directory; an authority if there are none, or if it is urgent |
 *
 * All over a circuit of one hop, made with CREATE_FAST where no onion key is known.
 */
export class ClientSources {
  readonly #parts: ClientSourcesParts;
  /** Until when directories are passed over. At most as many as there are guards. */
  readonly #stale = new Map<Fingerprint, UnixMillis>();

  constructor(parts: ClientSourcesParts) {
    this.#parts = parts;
  }

  /** See `DirectorySources`. */
  draw(wish: DirectoryWish): Effect.Effect<DirectorySource, NoDirectorySource> {
    return Effect.suspend(() => {
      const { network, now } = this.#parts;
      const isLive = network.table?.consensus.isUsable(now(), reasonablyLiveMs) ?? false;
      if (!isLive) return this.#known(wish);
      try {
        return Effect.succeed(this.#guard(wish));
      } catch (error) {
        if (!(error instanceof NoGuardError)) throw error;
        if (wish.urgent) return this.#known(wish);
        return Effect.fail(new NoDirectorySource({ detail: error.message, retryAt: error.retryAt, cause: error }));
      }
    });
  }

  #guard({ except }: DirectoryWish): DirectorySource {
    const { guards, network, now } = this.#parts;
    const asked = new Set(except.map(({ address }) => address));
    for (const [relay, until] of this.#stale) if (until <= now()) this.#stale.delete(relay);
    const choice = guards.chooseDirectory(new Set(this.#stale.keys()), addressed(network, asked));
    const { fingerprint, nickname, addresses } = choice.guard;
    const relay = network.table?.find(fingerprint);
    const target: HopTarget =
      relay === undefined
        ? knownTarget({ name: nickname, relayIdentity: fingerprint, endpoints: endpointsOf(addresses) })
        : hopTarget(relay, false, addresses);
    return this.#source(target, { fingerprint, nickname }, (outcome) => this.#judge(choice, outcome));
  }

  #known({ except, urgent }: DirectoryWish): Effect.Effect<DirectorySource, NoDirectorySource> {
    const { fallbacks, authorities, random } = this.#parts;
    const configured = fallbacks.length === 0 || urgent ? [...fallbacks, ...authorities] : fallbacks;
    const all = configured
      .map((directory) => this.#reachable(directory))
      .filter(({ endpoints }) => endpoints.length > 0);
    const asked = new Set(except.map(({ address }) => address));
    const left = all.filter(({ endpoints: [first] }) => first !== undefined && !asked.has(formatEndpoint(first)));
    const drawn = left[Math.floor(random.uniform() * left.length)];
    if (drawn === undefined) {
      const detail =
        configured.length === 0
          ? "no directory with an ORPort is configured"
          : all.length === 0
            ? "the configuration allows to connect to none of them"
            : "all of them were asked";
      return Effect.fail(new NoDirectorySource({ detail, final: all.length === 0 }));
    }
    const { name, relayIdentity } = drawn;
    return Effect.succeed(this.#source(knownTarget(drawn), { fingerprint: relayIdentity, nickname: name }, () => {}));
  }

  /** A directory at those of its endpoints that may be connected to, in the order in which to try. */
  #reachable(directory: KnownDirectory): KnownDirectory {
    const addresses = directory.endpoints.map(({ host, port }) => ({ address: host, port }));
    return { ...directory, endpoints: endpointsOf(this.#parts.filter.addresses({ addresses })) };
  }

  #source(
    target: HopTarget,
    who: Omit<HopInfo, "address">,
    report: (outcome: DirectoryOutcome) => void,
  ): DirectorySource {
    const [first = { host: "", port: 0 }] = target.endpoints;
    const address = formatEndpoint(first);
    const connect = this.#parts.tunnels.connect(target, { ...who, address });
    return { name: who.nickname, address, connect, report };
  }

  #judge({ ticket }: GuardChoice, outcome: DirectoryOutcome): void {
    const { guards, now } = this.#parts;
    if (outcome._tag === "Failed" && isGuardsFault(outcome.error)) return guards.failed(ticket);
    // Whether it has what was asked for is no matter of whether it can be reached.
    if (outcome._tag === "Failed" || outcome._tag === "Abandoned") guards.indeterminate(ticket);
    else guards.succeeded(ticket, () => guards.indeterminate(ticket));
    if (outcome._tag === "Failed" || outcome._tag === "NotThere" || outcome._tag === "Partial")
      this.#stale.set(ticket.guard, now() + STALE_DIRECTORY_MILLIS);
  }
}

const knownTarget = ({ relayIdentity, endpoints }: KnownDirectory): HopTarget => ({
  rsaId: fingerprintBytes(relayIdentity),
  ed25519Id: undefined,
  endpoints,
  onionKey: undefined,
});

/** The relays that listen at these addresses. */
const addressed = ({ table }: NetworkState, addresses: ReadonlySet<string>): ReadonlySet<Fingerprint> => {
  const found = new Set<Fingerprint>();
  if (addresses.size === 0 || table === undefined) return found;
  for (const { fingerprint, address: host, orPort: port, orAddresses } of table.consensus.routers) {
    const all = [{ host, port }, ...endpointsOf(orAddresses)];
    if (all.some((endpoint) => addresses.has(formatEndpoint(endpoint)))) found.add(fingerprint);
  }
  return found;
};
