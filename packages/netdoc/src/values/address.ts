import ipaddr from "ipaddr.js";
import { port } from "./numbers.ts";

/** An address and a port, as an `a` or an `or-address` line has them. IPv6 addresses stand without brackets. */
export interface AddressAndPort {
  readonly address: string;
  readonly port: number;
}

const dottedQuad = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const ipv6Characters = /^[0-9A-Fa-f:.]+$/;

/** Whether a text is an IPv4 address in dotted decimal, with no leading zeroes and no part left out. */
export const isIPv4 = (text: string): boolean => dottedQuad.test(text);

/** Whether a text is an IPv6 address without brackets and without a zone. */
export const isIPv6 = (text: string): boolean => ipv6Characters.test(text) && ipaddr.IPv6.isValid(text);

/** A decoder of IPv4 addresses. */
export const ipv4 = (text: string): string | undefined => (isIPv4(text) ? text : undefined);

/** A decoder of `address:port`, with brackets about an IPv6 address (dir-spec 2.1.1, `or-address`). */
export const addressAndPort = (text: string): AddressAndPort | undefined => {
  const colon = text.lastIndexOf(":");
  const number = port(text.slice(colon + 1));
  if (colon < 0 || number === undefined) return undefined;
  const host = text.slice(0, colon);
  if (isIPv4(host)) return { address: host, port: number };
  if (host[0] !== "[" || host.at(-1) !== "]") return undefined;
  const address = host.slice(1, -1);
  return isIPv6(address) ? { address, port: number } : undefined;
};

/** `address:port`, with brackets about an IPv6 address. */
export const formatAddressAndPort = ({ address, port }: AddressAndPort): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
