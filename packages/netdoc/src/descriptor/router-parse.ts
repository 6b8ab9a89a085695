import {
  CertType,
  equalBytes,
  type OnionKeySign,
  type RsaPublicKey,
  rsaIdentityBits,
  rsaIdentityDigest,
  verifyEd25519Certificate,
  verifyOnionKeyCrossCertificate,
} from "@allium/crypto";
import { PolicyError, ValidityError, VerificationError } from "../errors.ts";
import { ExitPolicy } from "../policy/exit-policy.ts";
import { parseDescriptorRule } from "../policy/pattern.ts";
import { PortPolicy } from "../policy/port-policy.ts";
import type { PolicyRule } from "../policy/rule.ts";
import { type Batch, parseBatch } from "../syntax/batch.ts";
import type { Item } from "../syntax/item.ts";
import { ItemReader } from "../syntax/reader.ts";
import { SectionKind, type SectionOf } from "../syntax/rules.ts";
import { Source } from "../syntax/source.ts";
import { addressAndPort, ipv4 } from "../values/address.ts";
import { base64Of, encodeBase64, encodeHex } from "../values/encodings.ts";
import { type Fingerprint, familyMember, fingerprint, nickname } from "../values/fingerprint.ts";
import { integer, port, portOrNone } from "../values/numbers.ts";
import { key32, readPortPolicy, readProtocols, readRsaKey, readTime, rsaKeyLabel } from "../values/read.ts";
import type { UnixMillis } from "../values/time.ts";
import type { ExtraInfoDigests, RelayDescription, RelayPublicKeys } from "./model.ts";
import {
  certificateOf,
  checkEd25519Signature,
  checkRsaSignature,
  checkSigningCertificate,
  noTime,
  readCertificate,
  signatureRules,
  signedDigest,
} from "./signatures.ts";
import { tapKeyVouches } from "./tap-cross-cert.ts";

const document = "router descriptor";
const startKeyword = "router";

const routerSection = new SectionKind(document, {
  ...signatureRules,
  [startKeyword]: { count: "once", place: "first", min: 5 },
  "master-key-ed25519": { count: "once", min: 1 },
  bandwidth: { count: "once", min: 3 },
  platform: { count: "maybe", text: true },
  published: { count: "once", min: 2 },
  fingerprint: { count: "maybe" },
  hibernating: { count: "maybe", min: 1 },
  uptime: { count: "maybe", min: 1 },
  "onion-key": { count: "maybe", max: 0, object: [rsaKeyLabel] },
  "onion-key-crosscert": { count: "maybe", max: 0, object: ["CROSSCERT"] },
  "ntor-onion-key": { count: "once", min: 1 },
  "ntor-onion-key-crosscert": { count: "once", min: 1, max: 1, object: ["ED25519 CERT"] },
  "signing-key": { count: "once", max: 0, object: [rsaKeyLabel] },
  accept: { count: "any", min: 1 },
  reject: { count: "any", min: 1 },
  accept6: { count: "any" },
  reject6: { count: "any" },
  "ipv6-policy": { count: "maybe", min: 2 },
  "overload-general": { count: "maybe", min: 3 },
  contact: { count: "maybe", text: true },
  family: { count: "maybe" },
  "family-cert": { count: "any", max: 0, object: ["FAMILY CERT"] },
  "caches-extra-info": { count: "maybe", max: 0 },
  "extra-info-digest": { count: "maybe", min: 1 },
  "hidden-service-dir": { count: "maybe" },
  "or-address": { count: "any", min: 1 },
  "tunnelled-dir-server": { count: "maybe", max: 0 },
  proto: { count: "once" },
} as const);

type RouterSection = SectionOf<typeof routerSection>;

const bytesPerSecond = integer(0, 0x7fff_ffff);
const seconds = integer(0, Number.MAX_SAFE_INTEGER);
const sha256 = base64Of(32);
const bit = (text: string): OnionKeySign | undefined => (text === "0" ? 0 : text === "1" ? 1 : undefined);

/** What a relay says about itself, with its keys; every signature and certificate in it fits. */
export interface RouterDescriptor extends RelayDescription, RelayPublicKeys {
  /** The family keys that vouch for it, as in a microdescriptor (proposal 321). */
  readonly familyIds: ReadonlyArray<string>;
  /** SHA-1 of the signed part, in hexadecimal: its name in the `ns` consensus and in requests. */
  readonly digest: string;
  /** When the first of its certificates ends. */
  readonly expires: UnixMillis;
  /** The document as it came: a view on the input. */
  readonly bytes: Buffer;
}

/**
 * Checks that none of a descriptor's certificates has expired.
 *
 * @throws ValidityError if one has
 */
export const checkDescriptorValid = (descriptor: RouterDescriptor, now: UnixMillis): void => {
  if (now > descriptor.expires) throw new ValidityError(document, "expired", descriptor.expires, now);
};

/**
 * Reads a router descriptor and checks all that it proves: the chain from the Ed25519 identity to the signature, the RSA
 * signature, and that the onion keys vouch for the identities (dir-spec 2.1.1). Times are not looked at; see
 * {@link checkDescriptorValid}.
 *
 * @throws NetdocError if the text is wrong
 * @throws VerificationError if a signature or certificate does not fit
 */
export const parseRouterDescriptor = (input: string | Uint8Array): RouterDescriptor =>
  parseOne(Source.of(document, input));

/**
 * Reads descriptors that follow each other, as in the answer to `/tor/server/all`, or in a cache's file with annotations; as
 * {@link parseRouterDescriptor}.
 */
export const parseRouterDescriptors = (input: string | Uint8Array): Batch<RouterDescriptor> =>
  parseBatch(document, input, startKeyword, parseOne);

const parseOne = (source: Source): RouterDescriptor => {
  const reader = ItemReader.behindAnnotations(source);
  const section = routerSection.read(reader);
  const router = section.one(startKeyword);
  const last = section.one("router-signature");
  // The text is read as a whole before anything is verified, so that its errors are about text.
  const description = readDescription(section);
  const identity = section.one("signing-key");
  const rsaIdentity = readRsaKey(identity);
  if (rsaIdentity.bits !== rsaIdentityBits) throw identity.objectError(`has ${rsaIdentity.bits} bits`);
  const ntor = section.one("ntor-onion-key");
  const ntorOnionKey = ntor.read(0, key32, "a Curve25519 key in base64");
  const ntorCrossCertificate = section.one("ntor-onion-key-crosscert");
  const ntorSign = ntorCrossCertificate.read(0, bit, "0 or 1");
  const tapOnionKey = readTapKey(section);
  const named = readFingerprint(section.maybe("fingerprint"));
  const masterKey = section.one("master-key-ed25519").read(0, key32, "an Ed25519 key in base64");
  const signature = last.objectBytes();

  const signing = checkSigningCertificate(section.one("identity-ed25519"));
  if (!equalBytes(signing.identity, masterKey))
    throw new VerificationError(document, "inconsistent", "master-key-ed25519", "did not sign the signing key");
  checkEd25519Signature(router, section.one("router-sig-ed25519"), signing.signingKey);
  const digest = signedDigest(router, last);
  checkRsaSignature(document, digest, signature, rsaIdentity);
  const identityDigest = rsaIdentityDigest(rsaIdentity);
  if (named !== undefined && named !== encodeHex(identityDigest))
    throw new VerificationError(document, "inconsistent", "fingerprint", "is not that of the RSA identity");
  checkTapCrossCertificate(section.maybe("onion-key-crosscert"), tapOnionKey, identityDigest, masterKey);
  const ntorExpires = checkNtorCrossCertificate(ntorCrossCertificate, ntorSign, ntorOnionKey, masterKey);
  const families = section.all("family-cert").map((item) => checkFamilyCertificate(item, masterKey));
  return {
    ...description,
    rsaIdentity,
    fingerprint: encodeHex(identityDigest),
    ed25519Identity: masterKey,
    signingKey: signing.signingKey,
    ntorOnionKey,
    tapOnionKey,
    familyIds: families.map(({ id }) => id),
    digest: encodeHex(digest),
    expires: Math.min(signing.expiresAt, ntorExpires, ...families.map(({ expiresAt }) => expiresAt)),
    bytes: source.bytes.subarray(router.start, last.end),
  };
};

const readDescription = (section: RouterSection): RelayDescription => {
  const router = section.one(startKeyword);
  const bandwidth = section.one("bandwidth");
  const ipv6Policy = section.maybe("ipv6-policy");
  const overload = section.maybe("overload-general");
  return {
    nickname: router.read(0, nickname, "a nickname"),
    address: router.read(1, ipv4, "an IPv4 address"),
    orPort: router.read(2, port, "a port"),
    dirPort: router.read(4, portOrNone, "a port"),
    orAddresses: section.all("or-address").map((item) => item.read(0, addressAndPort, "an address and a port")),
    bandwidth: {
      average: bandwidth.read(0, bytesPerSecond, "bytes per second"),
      burst: bandwidth.read(1, bytesPerSecond, "bytes per second"),
      observed: bandwidth.read(2, bytesPerSecond, "bytes per second"),
    },
    platform: section.maybe("platform")?.freeText,
    published: readTime(section.one("published")),
    uptime: section.maybe("uptime")?.read(0, seconds, "seconds"),
    hibernating: section.maybe("hibernating")?.read(0, bit, "0 or 1") === 1,
    protocols: readProtocols(section.one("proto")),
    contact: section.maybe("contact")?.freeText,
    family: readFamily(section.maybe("family")),
    policy: readPolicy(section),
    ipv6Policy: ipv6Policy === undefined ? PortPolicy.rejectAll : readPortPolicy(ipv6Policy),
    extraInfo: readExtraInfoDigests(section.maybe("extra-info-digest")),
    cachesExtraInfo: section.maybe("caches-extra-info") !== undefined,
    hiddenServiceDir: section.maybe("hidden-service-dir") !== undefined,
    tunnelledDirServer: section.maybe("tunnelled-dir-server") !== undefined,
    overloadedAt: overload === undefined || overload.words[0] !== "1" ? undefined : readTime(overload, 1),
  };
};

const readFamily = (item: Item | undefined): ReadonlyArray<string> =>
  item?.words.map((_, index) => item.read(index, familyMember, "a nickname or a fingerprint")) ?? [];

const readPolicy = (section: RouterSection): ExitPolicy => {
  const forbidden = [...section.all("accept6"), ...section.all("reject6")][0];
  // They made older relays crash, so authorities refuse them; the rules about IPv6 are a summary.
  if (forbidden !== undefined) throw forbidden.error("misplaced-item", "does not belong into a descriptor");
  const items = [...section.all("accept"), ...section.all("reject")].sort((left, right) => left.start - right.start);
  if (items.length === 0)
    throw section.one(startKeyword).error("missing-item", "has no exit policy: neither accept nor reject");
  const rules = items.flatMap((item): ReadonlyArray<PolicyRule> => {
    try {
      return parseDescriptorRule(`${item.keyword} ${item.words[0]}`);
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      throw item.error("bad-argument", error.message, item.argumentsStart + error.offset - item.keyword.length - 1);
    }
  });
  return new ExitPolicy(rules);
};

const readExtraInfoDigests = (item: Item | undefined): ExtraInfoDigests | undefined => {
  if (item === undefined) return undefined;
  const long = item.readOptional(1, sha256, "a SHA-256 digest in base64");
  return {
    sha1: item.read(0, fingerprint, "a SHA-1 digest"),
    sha256: long === undefined ? undefined : encodeBase64(long),
  };
};

const readTapKey = (section: RouterSection): RsaPublicKey | undefined => {
  const item = section.maybe("onion-key");
  const crossCertificate = section.maybe("onion-key-crosscert");
  const lone = item === undefined ? crossCertificate : crossCertificate === undefined ? item : undefined;
  if (lone !== undefined) throw lone.error("missing-item", "is here without onion-key or onion-key-crosscert");
  if (item === undefined) return undefined;
  const key = readRsaKey(item);
  if (key.bits !== rsaIdentityBits) throw item.objectError(`has ${key.bits} bits`);
  return key;
};

/** It has a space after every four digits. */
const readFingerprint = (item: Item | undefined): Fingerprint | undefined => {
  if (item === undefined) return undefined;
  const named = fingerprint(item.words.join(""));
  if (named === undefined) throw item.argumentError(0, "expected a fingerprint");
  return named;
};

const checkTapCrossCertificate = (
  item: Item | undefined,
  key: RsaPublicKey | undefined,
  identityDigest: Buffer,
  masterKey: Buffer,
): void => {
  if (item === undefined || key === undefined) return;
  if (!tapKeyVouches(key, identityDigest, masterKey, item.objectBytes()))
    throw new VerificationError(document, "bad-signature", item.keyword, "is not by the onion key");
};

const checkNtorCrossCertificate = (item: Item, sign: OnionKeySign, onionKey: Buffer, identity: Buffer): UnixMillis => {
  const certificate = readCertificate(item);
  certificateOf(document, item.keyword, () =>
    verifyOnionKeyCrossCertificate(certificate, { onionKey, sign, identity, now: noTime }),
  );
  return certificate.expiresAt;
};

const checkFamilyCertificate = (
  item: Item,
  identity: Buffer,
): { readonly id: string; readonly expiresAt: UnixMillis } => {
  const certificate = readCertificate(item);
  const family = certificateOf(document, item.keyword, () =>
    verifyEd25519Certificate(certificate, { certType: CertType.FamilyVerifiesIdentity, now: noTime }),
  );
  if (!equalBytes(certificate.certifiedKey, identity))
    throw new VerificationError(document, "inconsistent", item.keyword, "certifies another relay");
  return { id: `ed25519:${encodeBase64(family)}`, expiresAt: certificate.expiresAt };
};
