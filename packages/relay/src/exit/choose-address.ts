import { BeginFlag, type IpAddress } from "@allium/cell";

/** A question that found nothing, and for how many seconds that holds (clipped). `transient`: asking again may help. */
export interface FailedAnswer {
  readonly _tag: "Failed";
  readonly transient: boolean;
  readonly ttl: number;
}

/** What became of one question about a name, and for how many seconds that holds (clipped). */
export type FamilyAnswer = { readonly _tag: "Found"; readonly address: IpAddress; readonly ttl: number } | FailedAnswer;

/** What a name resolves to. */
export interface NameAnswer {
  readonly ipv4: FamilyAnswer;
  /** `undefined` if the exit does not use IPv6, so that nobody asked. */
  readonly ipv6: FamilyAnswer | undefined;
}

/**
 * The answer that a stream goes by: the address to connect to, or the failure that ends it. tor-spec 6.2.
 *
 * Families that the client does not take are out. If both are left, the one that the exit policy permits is taken, or the
 * one that the client prefers if it permits both or neither. If none is left, the failure is that of the preferred family.
 *
 * @param flags `BeginFlag`s
 */
export const chooseAddress = (
  { ipv4, ipv6 }: NameAnswer,
  flags: number,
  permits: (address: IpAddress) => boolean,
): FamilyAnswer => {
  const usable4 = ipv4._tag === "Found" && (flags & BeginFlag.IPV4_NOT_OKAY) === 0;
  const usable6 = ipv6?._tag === "Found" && (flags & BeginFlag.IPV6_OKAY) !== 0;
  const prefers6 = (flags & BeginFlag.IPV6_PREFERRED) !== 0 && ipv6 !== undefined;
  if (usable4 && usable6) {
    const permits4 = permits(ipv4.address);
    const permits6 = permits(ipv6.address);
    if (permits4 === permits6) return prefers6 ? ipv6 : ipv4;
    return permits4 ? ipv4 : ipv6;
  }
  if (usable4) return ipv4;
  if (usable6) return ipv6;
  const preferred = prefers6 ? ipv6 : ipv4;
  // Of a family that the client does not take: to the client that is a name without addresses.
  return preferred._tag === "Found" ? { _tag: "Failed", transient: false, ttl: preferred.ttl } : preferred;
};
