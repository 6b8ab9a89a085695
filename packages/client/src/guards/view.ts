import {
  type AddressAndPort,
  type Consensus,
  type Fingerprint,
  NetParams,
  type RouterStatus,
  type UnixMillis,
} from "@allium/netdoc";

/** A relay that can be a guard. */
export interface GuardCandidate {
  readonly fingerprint: Fingerprint;
  readonly nickname: string;
  /** How likely it is to be sampled, beside the others: its bandwidth by the consensus's weights for guards (path-spec 2.2). */
  readonly weight: number;
  /** Where it listens, IPv4 first. */
  readonly addresses: ReadonlyArray<AddressAndPort>;
}

/** What the state machine must know of the network. */
export interface GuardView {
  /** {GUARDS} of guard-spec 4.0. */
  readonly guards: ReadonlyMap<Fingerprint, GuardCandidate>;
  /** The consensus's parameters. */
  readonly params: NetParams;
  /** Whether the consensus is recent enough to judge by it which relays are gone. */
  isLive(now: UnixMillis): boolean;
  /** Whether there is a microdescriptor to build circuits with. */
  hasDescriptor(guard: Fingerprint): boolean;
}

/** What is known before there is a consensus. */
export const emptyGuardView: GuardView = {
  guards: new Map(),
  params: NetParams.none,
  isLive: () => false,
  hasDescriptor: () => false,
};

/**
 * Whether a relay is one of {GUARDS}: it has all flags that anything asks of a guard (guard-spec 4.0), and is not kept for the middle
 * (proposal 335).
 */
export const canBeGuard = ({ flags }: RouterStatus): boolean =>
  flags.has("Guard") &&
  flags.has("Stable") &&
  flags.has("Fast") &&
  flags.has("V2Dir") &&
  flags.has("Running") &&
  flags.has("Valid") &&
  !flags.has("MiddleOnly");

/** For how long after its end a consensus still tells which guards are gone, as `tor`'s "reasonably live". */
const reasonablyLate = 86_400_000;

/** What there is to know beyond the consensus. */
export interface GuardViewOptions {
  /** A relay's weight as a guard. */
  readonly weight: (router: RouterStatus) => number;
  /** Whether the microdescriptor of a relay is there. Asked anew each time, so it may change. */
  readonly hasDescriptor: (router: RouterStatus) => boolean;
}

/** The view that a consensus gives. */
export const guardView = (consensus: Consensus, options: GuardViewOptions): GuardView => {
  const guards = new Map<Fingerprint, GuardCandidate>();
  for (const router of consensus.routers) {
    if (!canBeGuard(router)) continue;
    guards.set(router.fingerprint, {
      fingerprint: router.fingerprint,
      nickname: router.nickname,
      weight: options.weight(router),
      addresses: [{ address: router.address, port: router.orPort }, ...router.orAddresses],
    });
  }
  return {
    guards,
    params: consensus.params,
    isLive: (now) => consensus.isUsable(now, reasonablyLate),
    hasDescriptor: (guard) => {
      const router = consensus.router(guard);
      return router !== undefined && options.hasDescriptor(router);
    },
  };
};
