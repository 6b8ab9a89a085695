import { type IpAddress, parseIp } from "@allium/cell";
import { ExitPolicy } from "@allium/netdoc";

const publicAddresses = ExitPolicy.ofOptions({
  // Shared address space (RFC 6598) is not among the private networks of policies, but no more public than they.
  rules: ["reject 100.64.0.0/10:*", "accept *:*"],
  ipv6: true,
  rejectPrivate: true,
});

/** Whether the address is of the public internet. Which names others have is for their own name servers alone to tell. */
export const isPublic = (address: IpAddress): boolean => publicAddresses.permits(address.address, 80);

/** An address that stands for none: a socket would lead to this very host, and CONNECTED cannot name it. */
export const isNull = (address: IpAddress): boolean => address.address === "0.0.0.0" || address.address === "::";

/** Where a socket to the address leads: an IPv4 address inside IPv6 (RFC 4291, 2.5.5.2) is that IPv4 address. */
export const unmapped = (address: IpAddress): IpAddress =>
  (address.address.startsWith(MAPPED) && parseIp(address.address.slice(MAPPED.length))) || address;

/** Whether it is a name under which an address is looked up. Such names are resolved, never connected to. */
export const isReverseName = (name: string): boolean => name.endsWith(".in-addr.arpa") || name.endsWith(".ip6.arpa");

const MAPPED = "::ffff:";
