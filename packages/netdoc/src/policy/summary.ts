import { formatRange, highestPort, maxSummaryLength, PortPolicy, type PortRange } from "./port-policy.ts";
import { type AddressFamily, type PolicyRule, privateNetworks, sameNetwork } from "./rule.ts";

/** Ports that all rules so far treat alike. */
interface Segment {
  readonly low: number;
  high: number;
  /** How many addresses were refused before the first rule that accepts all: of IPv6, how many networks of 64 bits. */
  refused: number;
  accepted: boolean;
}

/** Refusals that leave a port open to "most" addresses: two networks of 8 bits of IPv4, one of 16 bits of IPv6. */
const tolerated: Readonly<Record<AddressFamily, number>> = { 4: 2 ** 25, 6: 2 ** 48 };
/** The longest network that counts at all. */
const countedBits: Readonly<Record<AddressFamily, number>> = { 4: 32, 6: 64 };

/**
 * Sums up the rules of one family as a list of ports (dir-spec 3.8.2). The authorities compute the same from a descriptor, and
 * all must come to one result, so this follows `tor`'s `policy_summarize` in what "most addresses" means.
 */
export const summarize = (rules: ReadonlyArray<PolicyRule>, family: AddressFamily): PortPolicy => {
  const segments: Array<Segment> = [{ low: 1, high: highestPort, refused: 0, accepted: false }];
  for (const rule of rules) {
    const { network } = rule;
    if (network.family !== family) continue;
    if (rule.accept) {
      // A rule that accepts less than everything does not open a port to most addresses.
      if (network.bits !== 0) continue;
      for (const segment of cut(segments, rule)) {
        if (segment.refused <= tolerated[family]) segment.accepted = true;
      }
    } else {
      if (network.bits > countedBits[family] || privateNetworks.some((known) => sameNetwork(known, network))) continue;
      const refused = 2 ** (countedBits[family] - network.bits);
      for (const segment of cut(segments, rule)) segment.refused += refused;
    }
  }
  return toPolicy(segments);
};

/** Cuts segments so that some of them are exactly the rule's ports, and returns these. */
const cut = (segments: Array<Segment>, { low, high }: PolicyRule): ReadonlyArray<Segment> => {
  split(segments, low);
  split(segments, high + 1);
  return segments.filter((segment) => segment.low >= low && segment.high <= high);
};

/** Makes a segment begin at a port. */
const split = (segments: Array<Segment>, port: number): void => {
  const index = segments.findIndex((segment) => segment.low < port && port <= segment.high);
  const segment = segments[index];
  if (segment === undefined) return;
  segments.splice(index + 1, 0, { ...segment, low: port });
  segment.high = port - 1;
};

const toPolicy = (segments: ReadonlyArray<Segment>): PortPolicy => {
  const accepted = joined(segments.filter((segment) => segment.accepted));
  const rejected = joined(segments.filter((segment) => !segment.accepted));
  if (accepted.length === 0) return PortPolicy.rejectAll;
  if (rejected.length === 0) return new PortPolicy(true, accepted);
  const acceptLength = textLength(accepted);
  const rejectLength = textLength(rejected);
  const limit = maxSummaryLength - "accept ".length;
  if (acceptLength > limit && rejectLength > limit) return new PortPolicy(true, shortened(accepted, limit));
  return rejectLength < acceptLength ? new PortPolicy(false, rejected) : new PortPolicy(true, accepted);
};

/** Neighbours made one. */
const joined = (segments: ReadonlyArray<Segment>): ReadonlyArray<PortRange> => {
  const ranges: Array<{ low: number; high: number }> = [];
  for (const { low, high } of segments) {
    const last = ranges.at(-1);
    if (last !== undefined && last.high + 1 === low) last.high = high;
    else ranges.push({ low, high });
  }
  return ranges;
};

const textLength = (ranges: ReadonlyArray<PortRange>): number => ranges.map(formatRange).join(",").length;

/** As many ranges from the beginning as fit. */
const shortened = (ranges: ReadonlyArray<PortRange>, limit: number): ReadonlyArray<PortRange> => {
  let length = -1;
  return ranges.filter((range) => {
    length += 1 + formatRange(range).length;
    return length <= limit;
  });
};
