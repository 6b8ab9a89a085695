import { hash } from "node:crypto";
import { NetParams } from "../params.ts";
import { runSteps, type Steps } from "../steps.ts";
import type { Item } from "../syntax/item.ts";
import { ItemReader } from "../syntax/reader.ts";
import { Source } from "../syntax/source.ts";
import { fingerprint } from "../values/fingerprint.ts";
import { readNumbersByKey } from "../values/read.ts";
import { Consensus } from "./consensus.ts";
import { readAuthority, readHeader } from "./header.ts";
import type { DirectorySignature, RouterStatus, VotingAuthority } from "./model.ts";
import { RouterReader } from "./routers.ts";
import { footerSection, headerSection, signatureSection } from "./sections.ts";
import { UnverifiedConsensus } from "./verify.ts";

const sectionStarts = new Set(["dir-source", "r", "directory-footer", "directory-signature"]);
/** Every section but the first begins with one of these, and ends before the next. */
const ends = (keyword: string, index: number): boolean => index > 0 && sectionStarts.has(keyword);
const signatureKeyword = "directory-signature ";
/** Relays that are read in one step: about half a millisecond. */
const relaysPerStep = 64;

/**
 * Reads a consensus of either flavour (dir-spec 3.4.1, 3.9). Its signatures are not looked at yet: that is what the result is
 * for.
 *
 * @throws NetdocError at the first thing that is wrong
 */
export const parseConsensus = (input: string | Uint8Array): UnverifiedConsensus => runSteps(parseConsensusSteps(input));

/** As {@link parseConsensus}, in steps: the consensus of the public network takes some 50 ms. */
export function* parseConsensusSteps(input: string | Uint8Array): Steps<UnverifiedConsensus> {
  const source = Source.of("consensus", input);
  const reader = new ItemReader(source);
  yield;
  const start = reader.peek()?.start ?? source.start;
  const header = readHeader(headerSection.read(reader, ends));

  const authorities: Array<VotingAuthority> = [];
  while (reader.peek()?.keyword === "dir-source") {
    const item = reader.peek() as Item;
    const authority = readAuthority(reader, ends);
    const previous = authorities.at(-1);
    if (previous !== undefined && authority.identity <= previous.identity)
      throw item.error("misplaced-item", "authorities are not in ascending order of their identities");
    authorities.push(authority);
  }

  const routerReader = new RouterReader(header.flavor, ends);
  const routers: Array<RouterStatus> = [];
  let previous = "";
  for (let item = reader.peek(); item?.keyword === "r"; item = reader.peek()) {
    const router = routerReader.read(reader);
    if (router.fingerprint <= previous)
      throw item.error("misplaced-item", "relays are not in ascending order of their identities");
    previous = router.fingerprint;
    routers.push(router);
    if (routers.length % relaysPerStep === 0) yield;
  }

  const footer = footerSection.read(reader, ends);
  const weights = footer.maybe("bandwidth-weights");

  const signatures = signatureSection.read(
    reader,
    (keyword) => sectionStarts.has(keyword) && keyword !== "directory-signature",
  );
  const stray = reader.peek();
  if (stray !== undefined) throw stray.error("misplaced-item", "comes after the signatures");

  const items = signatures.all("directory-signature");
  // All authorities sign the same bytes: up to the space after the first of these keywords (dir-spec 3.4.1).
  const end = (items[0]?.start ?? source.end) + signatureKeyword.length;
  const digest = hash(header.flavor === "ns" ? "sha1" : "sha256", source.bytes.subarray(start, end), "buffer");
  return new UnverifiedConsensus(
    new Consensus(
      { ...header, authorities },
      routers,
      weights === undefined ? NetParams.none : new NetParams(readNumbersByKey(weights)),
      digest,
    ),
    items.map(readSignature).filter((signature) => signature !== undefined),
  );
}

const readSignature = (item: Item): DirectorySignature | undefined => {
  const named = item.words.length > 2;
  const algorithm = named ? item.words[0] : "sha1";
  // Others are for those who know them (dir-spec 3.4.1).
  if (algorithm !== "sha1" && algorithm !== "sha256") return undefined;
  const first = named ? 1 : 0;
  return {
    algorithm,
    authority: item.read(first, fingerprint, "a fingerprint"),
    signingKey: item.read(first + 1, fingerprint, "a digest of a key"),
    signature: item.objectBytes(),
  };
};
