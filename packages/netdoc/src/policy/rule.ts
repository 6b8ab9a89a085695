import ipaddr from "ipaddr.js";
import { allPorts, formatRange, type PortRange } from "./port-policy.ts";

/** A version of the internet protocol. */
export type AddressFamily = 4 | 6;

/** A network: the addresses that begin with the first `bits` bits of `address`. */
export interface Network {
  readonly family: AddressFamily;
  readonly address: ipaddr.IPv4 | ipaddr.IPv6;
  /** 0 to 32, or 0 to 128. */
  readonly bits: number;
}

/** One rule of an exit policy: what to do with some ports of some addresses of one family. */
export interface PolicyRule extends PortRange {
  readonly accept: boolean;
  readonly network: Network;
}

/** Bits of an address. */
export const addressBits = (family: AddressFamily): number => (family === 4 ? 32 : 128);

/** Every address of a family. */
export const everywhere = (family: AddressFamily): Network => ({
  family,
  address: ipaddr.parse(family === 4 ? "0.0.0.0" : "::"),
  bits: 0,
});

/** A network by its text, without brackets. For constants: a text that is none throws. */
const network = (text: string): Network => {
  const [address, bits] = ipaddr.parseCIDR(text);
  return { family: address.kind() === "ipv4" ? 4 : 6, address, bits };
};

/**
 * The networks that `private` stands for. The authorities leave rules about exactly these out of summaries, so the list is the
 * same as theirs, repetition included (dir-spec 3.8.2; `tor`'s `private_nets`).
 */
export const privateNetworks: ReadonlyArray<Network> = [
  "0.0.0.0/8",
  "169.254.0.0/16",
  "127.0.0.0/8",
  "192.168.0.0/16",
  "10.0.0.0/8",
  "172.16.0.0/12",
  "::/8",
  "fc00::/7",
  "fe80::/10",
  "fec0::/10",
  "ff00::/8",
  "::/127",
].map(network);

/** The network of a single address; undefined if the text is none. An IPv4 address inside IPv6 is an IPv4 address. */
export const singleAddress = (text: string): Network | undefined => {
  const address = parseAddress(text);
  if (address === undefined) return undefined;
  const family = address.kind() === "ipv4" ? 4 : 6;
  return { family, address, bits: addressBits(family) };
};

/**
 * An address without brackets; undefined if it is none. `::ffff:1.2.3.4` is 1.2.3.4: a socket would connect there, so a policy
 * that took it for IPv6 could be walked around.
 */
export const parseAddress = (text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined => {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  if (!/^[0-9A-Fa-f:.]+$/.test(text) || !ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
};

/** Whether an address is in a network. */
export const contains = ({ family, address, bits }: Network, candidate: ipaddr.IPv4 | ipaddr.IPv6): boolean => {
  if (family === 4) return candidate instanceof ipaddr.IPv4 && candidate.match(address as ipaddr.IPv4, bits);
  return candidate instanceof ipaddr.IPv6 && candidate.match(address as ipaddr.IPv6, bits);
};

/** Whether every address of `inner` is in `outer`. */
export const covers = (outer: Network, inner: Network): boolean =>
  outer.bits <= inner.bits && contains(outer, inner.address);

/** Whether some address is in both. */
export const intersects = (left: Network, right: Network): boolean =>
  left.bits < right.bits ? contains(left, right.address) : contains(right, left.address);

/** Whether two networks are written the same. */
export const sameNetwork = (left: Network, right: Network): boolean =>
  left.family === right.family && left.bits === right.bits && left.address.toString() === right.address.toString();

/** The pattern of a rule, as in `192.0.2.0/24:80-90` (dir-spec 2.1.3). */
export const formatPattern = (rule: PolicyRule): string => {
  const { family, address, bits } = rule.network;
  const ports = allPorts(rule) ? "*" : formatRange(rule);
  if (bits === 0) return `*:${ports}`;
  const host = address instanceof ipaddr.IPv6 ? `[${address.toRFC5952String()}]` : address.toString();
  return `${host}${bits === addressBits(family) ? "" : `/${bits}`}:${ports}`;
};

/** A rule as a line, as in `accept *:80` or `reject6 [2001:db8::]/32:*`. */
export const formatRule = (rule: PolicyRule): string =>
  `${rule.accept ? "accept" : "reject"}${rule.network.family === 6 ? "6" : ""} ${formatPattern(rule)}`;
