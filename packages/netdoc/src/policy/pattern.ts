import ipaddr from "ipaddr.js";
import { PolicyError, type PolicyProblem } from "../errors.ts";
import { highestPort } from "./port-policy.ts";
import { type AddressFamily, addressBits, everywhere, type Network, type PolicyRule, privateNetworks } from "./rule.ts";

/** Where a rule was written, which decides what `*` means. */
export type PolicySyntax =
  /** In a configuration: `*` is every address of both families, `*4` and `*6` those of one, and `private` is known. */
  | "torrc"
  /** In a router descriptor: `*` is every IPv4 address. */
  | "descriptor";

const action = /^(accept|reject)(6?)(?=\s|$)/;
const ports = /^(\d{1,5})(?:-(\d{1,5}))?$/;
const number = /^\d{1,3}$/;

/** One rule's text, and where it stands in what the user wrote. */
class Pattern {
  readonly text: string;
  readonly offset: number;

  constructor(text: string, offset: number) {
    this.text = text;
    this.offset = offset;
  }

  /** An error at an offset of the whole text. */
  error(problem: PolicyProblem, offset: number, detail: string): PolicyError {
    return new PolicyError(problem, this.text, offset, detail);
  }
}

/**
 * Reads rules as a `torrc` has them after `ExitPolicy`: separated by commas, as in `accept *:80, reject private:*` (dir-spec 2.1.3,
 * and tor's manual). A rule about both families becomes two rules, and one about `private` one for each private network.
 *
 * The keywords with a 6 are about IPv6 only. `tor` warns about `accept6` with an IPv4 address and drops the rule, and it drops
 * `reject6 private:*` too; here the first is an error, and the second means the private networks of IPv6.
 *
 * @throws PolicyError at the first rule that is malformed
 */
export const parsePolicyRules = (text: string): ReadonlyArray<PolicyRule> => {
  const rules: Array<PolicyRule> = [];
  let offset = 0;
  for (const part of text.split(",")) {
    const leading = part.length - part.trimStart().length;
    if (part.trim() !== "") rules.push(...parseRule(part.trim(), "torrc", new Pattern(text, offset + leading)));
    offset += part.length + 1;
  }
  return rules;
};

/**
 * Reads one rule of a router descriptor, as in `accept *:80`. There, `*` is every IPv4 address: the rules about IPv6 are a
 * summary.
 *
 * @throws PolicyError if it is malformed
 */
export const parseDescriptorRule = (text: string): ReadonlyArray<PolicyRule> =>
  parseRule(text, "descriptor", new Pattern(text, 0));

const parseRule = (rule: string, syntax: PolicySyntax, where: Pattern): ReadonlyArray<PolicyRule> => {
  const match = action.exec(rule);
  if (match === null)
    throw where.error("bad-action", where.offset, "expected accept, accept6, reject or reject6 at the beginning");
  const accept = match[1] === "accept";
  const only6 = match[2] === "6";
  const rest = rule.slice(match[0].length);
  const pattern = rest.trimStart();
  const start = where.offset + rule.length - pattern.length;
  const blank = pattern.search(/\s/);
  if (blank >= 0) throw where.error("trailing-text", start + blank, "something follows the address and ports");

  // A colon inside brackets belongs to an IPv6 address.
  const bracket = pattern.indexOf("]");
  if (pattern.startsWith("[") && bracket < 0) throw where.error("bad-address", start, "a bracket that does not close");
  const colon = pattern.indexOf(":", pattern.startsWith("[") ? bracket : 0);
  // `tor` takes an address without ports for all of its ports, but not so `private`.
  if (colon < 0 && pattern === "private") throw where.error("bad-ports", start + pattern.length, "expected ports");
  const host = colon < 0 ? pattern : pattern.slice(0, colon);
  const { low, high } = parsePorts(colon < 0 ? "" : pattern.slice(colon + 1), start + colon + 1, where);
  const networks = parseHost(host, only6, syntax, start, where);
  return networks.map((network) => ({ accept, network, low, high }));
};

const parsePorts = (text: string, offset: number, where: Pattern): { readonly low: number; readonly high: number } => {
  if (text === "" || text === "*") return { low: 1, high: highestPort };
  const match = ports.exec(text);
  const low = Number(match?.[1]);
  const high = match?.[2] === undefined ? low : Number(match[2]);
  if (match === null || low < 1 || high > highestPort)
    throw where.error("bad-ports", offset, "expected a port from 1 to 65535, a range of them or *");
  if (low > high) throw where.error("bad-ports", offset, "the range of ports ends before it begins");
  return { low, high };
};

const parseHost = (
  host: string,
  only6: boolean,
  syntax: PolicySyntax,
  offset: number,
  where: Pattern,
): ReadonlyArray<Network> => {
  const torrc = syntax === "torrc";
  if (host === "*") {
    if (!torrc) return [everywhere(4)];
    return only6 ? [everywhere(6)] : [everywhere(4), everywhere(6)];
  }
  if (torrc && host === "private") return privateNetworks.filter(({ family }) => family === 6 || !only6);
  const network = torrc && host === "*4" ? everywhere(4) : torrc && host === "*6" ? everywhere(6) : undefined;
  const found = network ?? parseNetwork(host, offset, where);
  if (only6 && found.family === 4)
    throw where.error("wrong-family", offset, "an IPv4 address after accept6 or reject6");
  return [found];
};

const parseNetwork = (host: string, offset: number, where: Pattern): Network => {
  const slash = host.indexOf("/");
  const bare = slash < 0 ? host : host.slice(0, slash);
  const bracketed = bare.startsWith("[") && bare.endsWith("]");
  const address = bracketed ? bare.slice(1, -1) : bare;
  const mask = slash < 0 ? undefined : host.slice(slash + 1);
  const maskOffset = offset + slash + 1;

  if (ipaddr.IPv4.isValidFourPartDecimal(address)) {
    return {
      family: 4,
      address: ipaddr.IPv4.parse(address),
      bits: mask === undefined ? 32 : parseMask(mask, 4, maskOffset, where),
    };
  }
  if (!bracketed || !/^[0-9A-Fa-f:.]+$/.test(address) || !ipaddr.IPv6.isValid(address))
    throw where.error(
      "bad-address",
      offset,
      "expected an IPv4 address, an IPv6 address in brackets, a network of one, *, *4, *6 or private",
    );
  const ipv6 = ipaddr.IPv6.parse(address);
  const bits = mask === undefined ? 128 : parseMask(mask, 6, maskOffset, where);
  if (!ipv6.isIPv4MappedAddress()) return { family: 6, address: ipv6, bits };
  // Destinations are unwrapped before they are looked up, so rules are too.
  if (bits < 96) throw where.error("bad-mask", maskOffset, "a network of IPv4 addresses has at least 96 bits");
  return { family: 4, address: ipv6.toIPv4Address(), bits: bits - 96 };
};

const parseMask = (text: string, family: AddressFamily, offset: number, where: Pattern): number => {
  if (number.test(text)) {
    const bits = Number(text);
    if (bits <= addressBits(family)) return bits;
  } else if (family === 4 && ipaddr.IPv4.isValidFourPartDecimal(text)) {
    const bits = ipaddr.IPv4.parse(text).prefixLengthFromSubnetMask();
    if (bits !== null) return bits;
  }
  throw where.error("bad-mask", offset, `expected a number of bits up to ${addressBits(family)}, or a mask`);
};
