import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import {
  type Batch,
  parseAuthorityCertificate,
  parseAuthorityCertificates,
  parseConsensus,
  parseExtraInfo,
  parseExtraInfos,
  parseMicrodescriptors,
  parseRouterDescriptor,
  parseRouterDescriptors,
  parseSignedExtraInfos,
  parseSignedRouters,
} from "../src/index.ts";
import { fixture, nearlyRight, tolerate } from "./support.ts";

const certificatesText = fixture("tor/certificates");
const { documents: certificates } = parseAuthorityCertificates(certificatesText);
const trust = {
  authorities: certificates.map(({ identity }) => identity),
  certificates,
  now: Date.UTC(2026, 10, 21, 10, 45, 20),
};
const consensuses = [fixture("tor/consensus-microdesc"), fixture("tor/consensus-ns"), fixture("arti/mdconsensus1.txt")];
const descriptorText = fixture("accepted/router-descriptor");
const otherDescriptorText = fixture("arti/routerdesc3.txt");
/** One alone is most of what there is to get wrong, in half the time: signatures are what takes it. */
const descriptorTexts = [
  descriptorText,
  otherDescriptorText,
  descriptorText,
  Buffer.concat([descriptorText, otherDescriptorText]),
];
const descriptor = parseRouterDescriptor(descriptorText);
const [signedRouter] = parseSignedRouters(descriptorText).documents;

/** A target for documents that follow each other: their texts must be parts of the input, one behind the other. */
const batch = (
  name: string,
  seeds: ReadonlyArray<Buffer>,
  parse: (input: Buffer) => Batch<{ readonly bytes?: Buffer }>,
): FuzzTarget => ({
  name,
  run: (random: Random) => {
    const input = nearlyRight(random, random.pick(seeds));
    const { documents, rejected } = parse(input);
    let length = 0;
    for (const { bytes } of documents) {
      if (bytes === undefined) continue;
      length += bytes.length;
      if (!input.includes(bytes)) throw new Error("a document that is not in the input");
    }
    for (const { start, end } of rejected) {
      length += end - start;
      if (start > end || end > input.length) throw new Error("a rejection outside the input");
    }
    if (length > input.length) throw new Error("documents overlap");
  },
});

const consensus: FuzzTarget = {
  name: "netdoc consensus",
  run: (random) => {
    const seed = random.pick(consensuses);
    const text = nearlyRight(random, seed);
    const unverified = tolerate(() => parseConsensus(text));
    if (unverified === undefined) return;
    unverified.missingCertificates(trust);
    const verified = tolerate(() => unverified.verify(trust));
    // What is signed must be what was signed: all before the first signature.
    const signed = seed.indexOf("directory-signature ");
    if (
      verified !== undefined &&
      !text.subarray(0, signed).equals(seed.subarray(0, signed)) &&
      !text.includes(seed.subarray(0, signed))
    )
      throw new Error("a changed consensus was believed");
    const { routers } = unverified.assumeVerified();
    for (const router of routers) {
      if (unverified.assumeVerified().router(router.fingerprint) !== router)
        throw new Error("a relay that is not found");
    }
  },
};

export const targets: ReadonlyArray<FuzzTarget> = [
  consensus,
  batch("netdoc microdescriptors", [fixture("tor/cached-microdescriptors")], parseMicrodescriptors),
  batch("netdoc certificates", [certificatesText.subarray(0, 2261)], (input) => {
    const batch = parseAuthorityCertificates(input);
    for (const { bytes } of batch.documents) parseAuthorityCertificate(bytes);
    return batch;
  }),
  batch("netdoc router descriptors", descriptorTexts, parseRouterDescriptors),
  batch("netdoc extra-info documents", [fixture("accepted/extra-info")], (input) => {
    const { documents, rejected } = parseExtraInfos(input);
    for (const document of documents) tolerate(() => document.verify(descriptor));
    tolerate(() => parseExtraInfo(input));
    return { documents: [], rejected };
  }),
  batch("netdoc signed routers", descriptorTexts, parseSignedRouters),
  batch("netdoc signed extra-info documents", [fixture("accepted/extra-info")], (input) => {
    const batch = parseSignedExtraInfos(input);
    for (const document of batch.documents)
      if (signedRouter !== undefined) tolerate(() => document.verify(signedRouter));
    return batch;
  }),
];
