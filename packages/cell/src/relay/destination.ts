import { CellEncodeError, CellError } from "../error.ts";
import type { IpAddress } from "../ip.ts";
import { ipFromBytes, ipToBytes, parseIp } from "../ip.ts";

/** A host name to be resolved, in lower case. */
export interface HostName {
  readonly family: "name";
  readonly address: string;
}

/** Where a stream goes: an address, or a name for the exit to resolve. */
export type Destination = IpAddress | HostName;

/** Longest host name, in bytes. RFC 1035, 2.3.4. */
const MAX_NAME_LENGTH = 255;

/**
 * True for names that an exit looks up: letters, digits, hyphens, dots, and the underscores that real zones have. `tor`
 * refuses to resolve others too (with RESOLVEFAILED), so a name cannot smuggle anything into a resolver or a log.
 */
export const isLegalHostName = (name: string): boolean =>
  name.length > 0 && name.length <= MAX_NAME_LENGTH && /^[A-Za-z0-9._-]+$/.test(name);

/**
 * The destination that a text without brackets names: canonical address or lower-case host name.
 * Undefined if it is neither.
 */
export const parseDestination = (text: string): Destination | undefined => {
  const ip = parseIp(text);
  if (ip !== undefined) return ip;
  return isLegalHostName(text) ? { family: "name", address: text.toLowerCase() } : undefined;
};

const fail = (problem: "value" | "destination", detail: string, offset = 0): never => {
  throw new CellError(problem, "BEGIN", offset, detail);
};

const parsePort = (text: string, offset: number): number => {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : fail("value", "the port is not a number from 1 to 65535", offset);
};

/**
 * Reads the ADDRPORT of BEGIN: a name, a dotted quad or a bracketed IPv6 address, a colon and a port. tor-spec 6.2.
 *
 * @throws CellError `value` if the form is broken, `destination` if the form is right but the host is none
 */
export const parseAddrPort = (text: string): { readonly destination: Destination; readonly port: number } => {
  const colon = text.lastIndexOf(":");
  if (colon < 0) fail("value", "no port");
  const host = text.slice(0, colon);
  const port = parsePort(text.slice(colon + 1), colon + 1);
  if (host.startsWith("[")) {
    const ip = host.endsWith("]") ? parseIp(host.slice(1, -1)) : undefined;
    return ip?.family === 6 ? { destination: ip, port } : fail("destination", "no IPv6 address in the brackets", 1);
  }
  if (host.includes(":")) fail("value", "an IPv6 address without brackets");
  return { destination: parseDestination(host) ?? fail("destination", "neither an address nor a name"), port };
};

/**
 * Writes the ADDRPORT of BEGIN, without its NUL. tor-spec 6.2.
 *
 * @throws CellEncodeError if the destination is none, or the port is not 1 to 65535
 */
export const formatAddrPort = (destination: Destination, port: number): string => {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new CellEncodeError("BEGIN", `port ${port}`);
  const host = parseDestination(destination.address);
  if (host === undefined || host.family !== destination.family) {
    throw new CellEncodeError("BEGIN", `"${destination.address}" is no destination of family ${destination.family}`);
  }
  return host.family === 6 ? `[${host.address}]:${port}` : `${host.address}:${port}`;
};

const IPV4_SUFFIX = ".in-addr.arpa";
const IPV6_SUFFIX = ".ip6.arpa";

/**
 * The name that is resolved to look up the name of an address. tor-spec 6.4, RFC 1035 3.5, RFC 3596 2.5.
 *
 * @throws CellEncodeError if the address is none
 */
export const reverseName = (ip: IpAddress): string => {
  const bytes = ipToBytes(ip.address);
  if (bytes === undefined) throw new CellEncodeError("RESOLVE", `"${ip.address}" is no address`);
  if (bytes.length === 4) return [...bytes].reverse().join(".") + IPV4_SUFFIX;
  return [...bytes.toString("hex")].reverse().join(".") + IPV6_SUFFIX;
};

/** The address whose name is looked up, if the name is of that kind; undefined for other names. Inverse of {@link reverseName}. */
export const addressOfReverseName = (name: string): IpAddress | undefined => {
  const lower = name.toLowerCase();
  if (lower.endsWith(IPV4_SUFFIX)) {
    const ip = parseIp(lower.slice(0, -IPV4_SUFFIX.length).split(".").reverse().join("."));
    return ip?.family === 4 ? ip : undefined;
  }
  if (!lower.endsWith(IPV6_SUFFIX)) return undefined;
  const nibbles = lower.slice(0, -IPV6_SUFFIX.length);
  if (!/^([0-9a-f]\.){31}[0-9a-f]$/.test(nibbles)) return undefined;
  return ipFromBytes(Buffer.from(nibbles.split(".").reverse().join(""), "hex"));
};
