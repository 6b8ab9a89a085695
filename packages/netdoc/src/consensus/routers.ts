import type { PortPolicy } from "../policy/port-policy.ts";
import { Protocols } from "../protocols.ts";
import type { Item } from "../syntax/item.ts";
import type { ItemReader } from "../syntax/reader.ts";
import { type AddressAndPort, addressAndPort, ipv4 } from "../values/address.ts";
import { base64Of, encodeHex } from "../values/encodings.ts";
import { nickname } from "../values/fingerprint.ts";
import { integer, keyValue, port, portOrNone } from "../values/numbers.ts";
import { own } from "../values/own.ts";
import { readPortPolicy, readSortedWords, readTime } from "../values/read.ts";
import { shared } from "../values/shared.ts";
import type { UnixMillis } from "../values/time.ts";
import type { ConsensusFlavor, RelayFlags, RouterStatus } from "./model.ts";
import { microdescRouterSection, nsRouterSection } from "./sections.ts";

const sha1 = base64Of(20);
const sha256 = base64Of(32);
const bandwidth = integer(0, 0xffff_ffff);
const noAddresses: ReadonlyArray<AddressAndPort> = [];

/** A base64 digest as hexadecimal. */
const hexDigest = (text: string): string | undefined => {
  const bytes = sha1(text);
  return bytes === undefined ? undefined : encodeHex(bytes);
};

/** A digest of a microdescriptor, checked and left in base64. */
const microdescDigest = (text: string): string | undefined =>
  text.length === 43 && sha256(text) !== undefined ? text : undefined;

/**
 * Reads the relays of one consensus. What many relays have in common (flags, versions, protocols, policies) exists once.
 */
export class RouterReader {
  readonly #flavor: ConsensusFlavor;
  readonly #ends: (keyword: string, index: number) => boolean;
  readonly #flags = new Map<string, RelayFlags>();
  readonly #protocols = new Map<string, Protocols>();
  readonly #times = new Map<string, UnixMillis>();
  readonly #versions = new Map<string, string>();
  readonly #policies = new Map<string, PortPolicy>();

  /**
   * @param ends whether an item with this keyword, at this place in its section, begins the next one
   */
  constructor(flavor: ConsensusFlavor, ends: (keyword: string, index: number) => boolean) {
    this.#flavor = flavor;
    this.#ends = ends;
  }

  /**
   * Reads the relay that begins with the next item.
   *
   * @throws NetdocError at the first thing that is wrong
   */
  read(reader: ItemReader): RouterStatus {
    return this.#flavor === "microdesc" ? this.#readMicrodesc(reader) : this.#readNs(reader);
  }

  #readMicrodesc(reader: ItemReader): RouterStatus {
    const section = microdescRouterSection.read(reader, this.#ends);
    const router = section.one("r");
    const digest = section.one("m");
    digest.read(0, microdescDigest, "a SHA-256 digest in base64");
    const start = digest.argumentsStart;
    return this.#status(
      router,
      2,
      digest.source.copy(start, start + 43),
      section.all("a"),
      section.one("s"),
      section.maybe("v"),
      section.maybe("pr"),
      section.maybe("w"),
      undefined,
    );
  }

  #readNs(reader: ItemReader): RouterStatus {
    const section = nsRouterSection.read(reader, this.#ends);
    const router = section.one("r");
    return this.#status(
      router,
      3,
      router.read(2, hexDigest, "a SHA-1 digest in base64"),
      section.all("a"),
      section.one("s"),
      section.maybe("v"),
      section.maybe("pr"),
      section.maybe("w"),
      section.maybe("p"),
    );
  }

  /** `timeIndex` is where the date stands in the `r` line: all that follows is the same in both flavours. */
  #status(
    router: Item,
    timeIndex: number,
    descriptorDigest: string,
    addresses: ReadonlyArray<Item>,
    flags: Item,
    version: Item | undefined,
    protocols: Item | undefined,
    weight: Item | undefined,
    policy: Item | undefined,
  ): RouterStatus {
    const addressIndex = timeIndex + 2;
    const address = router.read(addressIndex, ipv4, "an IPv4 address");
    const name = router.read(0, nickname, "a nickname");
    return {
      nickname: own(name),
      fingerprint: router.read(1, hexDigest, "an identity in base64"),
      descriptorDigest,
      published: shared(this.#times, `${router.words[timeIndex]} ${router.words[timeIndex + 1]}`, () =>
        readTime(router, timeIndex),
      ),
      address: own(address),
      orPort: router.read(addressIndex + 1, port, "a port"),
      dirPort: router.read(addressIndex + 2, portOrNone, "a port"),
      orAddresses: addresses.length === 0 ? noAddresses : addresses.map(readAddress),
      flags: shared(this.#flags, flags.rest, () => new Set(readSortedWords(flags)) as RelayFlags),
      version: version === undefined ? undefined : shared(this.#versions, version.freeText, (text) => text),
      protocols:
        protocols === undefined
          ? Protocols.none
          : shared(this.#protocols, protocols.rest, (text) => Protocols.parse(text) ?? Protocols.none),
      bandwidth: weight === undefined ? 0 : readBandwidth(weight),
      measured: weight !== undefined && !weight.words.includes("Unmeasured=1"),
      policy: policy === undefined ? undefined : shared(this.#policies, policy.rest, () => readPortPolicy(policy)),
    };
  }
}

const readAddress = (item: Item): AddressAndPort => {
  const { address, port: number } = item.read(0, addressAndPort, "an address and a port");
  return { address: own(address), port: number };
};

const readBandwidth = (item: Item): number => {
  for (let index = 0; index < item.words.length; index++) {
    const pair = keyValue(item.words[index] ?? "");
    if (pair?.[0] !== "Bandwidth") continue;
    const value = bandwidth(pair[1]);
    if (value === undefined) throw item.argumentError(index, "expected a bandwidth", pair[0].length + 1);
    return value;
  }
  throw item.error("missing-argument", "has no Bandwidth", item.lineEnd);
};
