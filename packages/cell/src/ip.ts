/**
 * An IP address in canonical text: dotted quad, or RFC 5952 (lower case, longest run of zeros shortened, mapped IPv4
 * addresses written as such). Two addresses are the same if their texts are. The shape is that of a platform look-up.
 */
export interface IpAddress {
  readonly family: 4 | 6;
  readonly address: string;
}

const IPV4_LENGTH = 4;
const IPV6_LENGTH = 16;
const GROUPS = 8;
/** Groups of zeros before the 0xffff of an IPv4-mapped address. RFC 4291, 2.5.5.2. */
const MAPPED_ZERO_GROUPS = 5;

/** Bytes of an address of a family. */
export const ipLength = (family: 4 | 6): 4 | 16 => (family === 4 ? IPV4_LENGTH : IPV6_LENGTH);

const formatIpv4 = (bytes: Uint8Array, at: number): string =>
  `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;

const formatIpv6 = (bytes: Uint8Array): string => {
  const groups: Array<number> = [];
  for (let at = 0; at < IPV6_LENGTH; at += 2) groups.push(((bytes[at] as number) << 8) | (bytes[at + 1] as number));
  if (groups[MAPPED_ZERO_GROUPS] === 0xffff && groups.slice(0, MAPPED_ZERO_GROUPS).every((group) => group === 0)) {
    return `::ffff:${formatIpv4(bytes, IPV6_LENGTH - IPV4_LENGTH)}`;
  }
  let runStart = 0;
  let runLength = 0;
  for (let from = 0; from < GROUPS; from++) {
    let to = from;
    while (to < GROUPS && groups[to] === 0) to++;
    if (to - from > runLength) {
      runStart = from;
      runLength = to - from;
    }
  }
  const hex = groups.map((group) => group.toString(16));
  // RFC 5952, 4.2.2: a single group of zeros is not shortened.
  if (runLength < 2) return hex.join(":");
  return `${hex.slice(0, runStart).join(":")}::${hex.slice(runStart + runLength).join(":")}`;
};

/** The address that 4 or 16 bytes in network order stand for; undefined for any other number of bytes. */
export const ipFromBytes = (bytes: Uint8Array): IpAddress | undefined => {
  if (bytes.length === IPV4_LENGTH) return { family: 4, address: formatIpv4(bytes, 0) };
  if (bytes.length === IPV6_LENGTH) return { family: 6, address: formatIpv6(bytes) };
  return undefined;
};

const parseIpv4 = (text: string): Array<number> | undefined => {
  const parts = text.split(".");
  if (parts.length !== IPV4_LENGTH) return undefined;
  const bytes: Array<number> = [];
  for (const part of parts) {
    // A leading zero is refused: some resolvers read it as octal, so the text would name two addresses.
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bytes.push(Number(part));
  }
  return bytes;
};

/** Reads the groups of one side of the `::` into bytes; the last one may be a dotted quad if `quadAllowed`. */
const parseGroups = (text: string, quadAllowed: boolean): Array<number> | undefined => {
  if (text === "") return [];
  const bytes: Array<number> = [];
  const groups = text.split(":");
  for (const [index, group] of groups.entries()) {
    if (quadAllowed && index === groups.length - 1 && group.includes(".")) {
      const quad = parseIpv4(group);
      if (quad === undefined) return undefined;
      bytes.push(...quad);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes;
};

const parseIpv6 = (text: string): Array<number> | undefined => {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] as string, halves.length === 1);
  if (head === undefined) return undefined;
  if (halves.length === 1) return head.length === IPV6_LENGTH ? head : undefined;
  const tail = parseGroups(halves[1] as string, true);
  // "::" stands for one group or more.
  if (tail === undefined || head.length + tail.length > IPV6_LENGTH - 2) return undefined;
  return [...head, ...new Array<number>(IPV6_LENGTH - head.length - tail.length).fill(0), ...tail];
};

/** The bytes of an address in network order, from any text of it; undefined for text that is no address (zones are none). */
export const ipToBytes = (text: string): Buffer | undefined => {
  const bytes = text.includes(":") ? parseIpv6(text) : parseIpv4(text);
  return bytes && Buffer.from(bytes);
};

/** The address that a text names, in canonical form; undefined for text that is no address. */
export const parseIp = (text: string): IpAddress | undefined => {
  const bytes = ipToBytes(text);
  return bytes && ipFromBytes(bytes);
};
