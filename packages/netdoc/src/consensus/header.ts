import { NetParams } from "../params.ts";
import type { Item } from "../syntax/item.ts";
import type { ItemReader } from "../syntax/reader.ts";
import type { SectionOf } from "../syntax/rules.ts";
import { ipv4 } from "../values/address.ts";
import { base64Of } from "../values/encodings.ts";
import { fingerprint } from "../values/fingerprint.ts";
import { integer, portOrNone } from "../values/numbers.ts";
import { readNumbersByKey, readProtocols, readTime } from "../values/read.ts";
import type { ConsensusHeader } from "./consensus.ts";
import { Lifetime } from "./lifetime.ts";
import type { ConsensusFlavor, SharedRandomValue, VotingAuthority } from "./model.ts";
import { authoritySection, type headerSection } from "./sections.ts";

const count = integer(0, 0x7fff_ffff);
const sharedRandomValue = base64Of(32);
const legacySuffix = "-legacy";

/**
 * Reads the items before the first authority.
 *
 * @throws NetdocError at the first thing that is wrong
 */
export const readHeader = (section: SectionOf<typeof headerSection>): Omit<ConsensusHeader, "authorities"> => {
  const method = section.maybe("consensus-method");
  const delay = section.one("voting-delay");
  const params = section.maybe("params");
  return {
    flavor: readFlavor(section.one("network-status-version"), section.one("vote-status")),
    method: method?.read(0, count, "a number") ?? 1,
    lifetime: readLifetime(section),
    votingDelay: { vote: delay.read(0, count, "seconds"), signatures: delay.read(1, count, "seconds") },
    clientVersions: readVersions(section.maybe("client-versions")),
    serverVersions: readVersions(section.maybe("server-versions")),
    knownFlags: section.one("known-flags").words,
    recommendedProtocols: {
      client: readProtocols(section.maybe("recommended-client-protocols")),
      relay: readProtocols(section.maybe("recommended-relay-protocols")),
    },
    requiredProtocols: {
      client: readProtocols(section.maybe("required-client-protocols")),
      relay: readProtocols(section.maybe("required-relay-protocols")),
    },
    params: params === undefined ? NetParams.none : new NetParams(readNumbersByKey(params)),
    sharedRandom: {
      previous: readSharedRandom(section.maybe("shared-rand-previous-value")),
      current: readSharedRandom(section.maybe("shared-rand-current-value")),
    },
  };
};

/**
 * Reads one authority.
 *
 * @throws NetdocError at the first thing that is wrong
 */
export const readAuthority = (
  reader: ItemReader,
  ends: (keyword: string, index: number) => boolean,
): VotingAuthority => {
  const section = authoritySection.read(reader, ends);
  const source = section.one("dir-source");
  const contact = section.maybe("contact");
  const vote = section.maybe("vote-digest");
  const nickname = source.words[0] ?? "";
  // An authority that changes its identity is listed under the older one too, without these (dir-spec 3.4.1).
  if (!nickname.endsWith(legacySuffix)) {
    if (contact === undefined) throw source.error("missing-item", 'has no "contact"');
    if (vote === undefined) throw source.error("missing-item", 'has no "vote-digest"');
  }
  return {
    nickname,
    identity: source.read(1, fingerprint, "a fingerprint"),
    hostname: source.words[2] ?? "",
    address: source.read(3, ipv4, "an IPv4 address"),
    dirPort: source.read(4, portOrNone, "a port"),
    orPort: source.read(5, portOrNone, "a port"),
    contact: contact?.freeText,
    voteDigest: vote?.read(0, fingerprint, "a digest"),
  };
};

const readFlavor = (version: Item, status: Item): ConsensusFlavor => {
  if (version.words[0] !== "3") throw version.error("unknown-version", "expected version 3", version.argumentStart(0));
  if (status.words[0] !== "consensus") throw status.argumentError(0, "expected a consensus");
  const flavor = version.words[1] ?? "ns";
  if (flavor !== "ns" && flavor !== "microdesc")
    throw version.error("unknown-version", "expected the flavour ns or microdesc", version.argumentStart(1));
  return flavor;
};

const readLifetime = (section: SectionOf<typeof headerSection>): Lifetime => {
  const [after, fresh, until] = [section.one("valid-after"), section.one("fresh-until"), section.one("valid-until")];
  const lifetime = new Lifetime(readTime(after), readTime(fresh), readTime(until));
  if (lifetime.freshUntil <= lifetime.validAfter) throw fresh.argumentError(0, "lies before valid-after");
  if (lifetime.validUntil <= lifetime.freshUntil) throw until.argumentError(0, "lies before fresh-until");
  return lifetime;
};

const readVersions = (item: Item | undefined): ReadonlyArray<string> =>
  item === undefined || item.words.length === 0 ? [] : item.rest.trim().split(",");

const readSharedRandom = (item: Item | undefined): SharedRandomValue | undefined =>
  item === undefined
    ? undefined
    : {
        reveals: item.read(0, count, "a number"),
        value: item.read(1, sharedRandomValue, "32 bytes in base64"),
      };
