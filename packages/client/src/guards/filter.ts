import type { AddressAndPort, Fingerprint } from "@allium/netdoc";
import type { GuardCandidate } from "./view.ts";

/** What the configuration says of guards (guard-spec 4.2). All parts may be left out. */
export interface GuardFilterOptions {
  /** Whether addresses of IPv4 may be used (`ClientUseIPv4`). True if left out. */
  readonly ipv4?: boolean;
  /** Whether addresses of IPv6 may be used (`ClientUseIPv6`). True if left out. */
  readonly ipv6?: boolean;
  /** Which to try first where both may be used (`ClientPreferIPv6ORPort`). IPv4 if left out. */
  readonly prefer?: "ipv4" | "ipv6";
  /** Whether an address and port can be reached at all (`ReachableAddresses`, `FascistFirewall`). */
  readonly reachable?: (address: AddressAndPort) => boolean;
  /** Whether a relay may be a guard (`EntryNodes`, `ExcludeNodes`). */
  readonly allowed?: (relay: Fingerprint) => boolean;
}

const isIPv6 = ({ address }: AddressAndPort): boolean => address.includes(":");

/** Which guards, and which of their addresses, the configuration allows. It says nothing about which are up. */
export class GuardFilter {
  /** Allows everything. */
  static readonly none: GuardFilter = new GuardFilter({});

  readonly #options: GuardFilterOptions;

  constructor(options: GuardFilterOptions) {
    this.#options = options;
  }

  /** The addresses by which a guard, or another directory, may be reached, in the order in which they are to be tried. */
  addresses(candidate: Pick<GuardCandidate, "addresses">): ReadonlyArray<AddressAndPort> {
    const { ipv4 = true, ipv6 = true, prefer = "ipv4", reachable } = this.#options;
    const usable = candidate.addresses.filter(
      (address) => (isIPv6(address) ? ipv6 : ipv4) && (reachable === undefined || reachable(address)),
    );
    const first = (address: AddressAndPort): boolean => isIPv6(address) === (prefer === "ipv6");
    return [...usable.filter(first), ...usable.filter((address) => !first(address))];
  }

  /** Whether a guard may be used. */
  allows(candidate: GuardCandidate): boolean {
    return this.#options.allowed?.(candidate.fingerprint) !== false && this.addresses(candidate).length > 0;
  }
}
