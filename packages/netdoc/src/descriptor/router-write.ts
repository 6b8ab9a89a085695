import { rsaIdentityBits, rsaIdentityDigest, signOnionKeyCrossCertificate } from "@allium/crypto";
import { DocumentWriter } from "../syntax/writer.ts";
import { formatAddressAndPort, isIPv4, isIPv6 } from "../values/address.ts";
import { decodeBase64, encodeBase64, encodeHex, hexOf } from "../values/encodings.ts";
import { familyMember, spacedFingerprint } from "../values/fingerprint.ts";
import { rsaKeyLabel } from "../values/read.ts";
import { formatTime } from "../values/time.ts";
import { FieldChecks } from "./check.ts";
import type { RelayDescription, RelayIdentityKeys, RelayOnionKeys, SignedDocument } from "./model.ts";
import { certifiedIdentity, signDocument } from "./signatures.ts";
import { signTapCrossCertificate } from "./tap-cross-cert.ts";

const document = "router descriptor";
/** The longest descriptor that authorities accept, in bytes (dir-spec 2.1). */
export const maxDescriptorLength = 20_000;
const millisPerHour = 3_600_000;
const checks = new FieldChecks(document);

/** What a router descriptor is made of. */
export interface RouterDescriptorParts {
  readonly description: RelayDescription;
  readonly identity: RelayIdentityKeys;
  readonly onionKeys: RelayOnionKeys;
  /** Certificates by which family keys vouch for the Ed25519 identity (type 12), encoded (proposal 321). */
  readonly familyCertificates?: ReadonlyArray<Uint8Array>;
}

/**
 * Writes and signs a router descriptor (dir-spec 2.1.1), in the order in which `tor` writes its own.
 *
 * @throws WriteError if something in the description has no form in a descriptor, or the signing key is not the one that its
 *   certificate is for
 */
export const writeRouterDescriptor = (parts: RouterDescriptorParts): SignedDocument => {
  const { description, identity, onionKeys } = parts;
  checkDescription(description);
  const ed25519Identity = certifiedIdentity(document, identity);
  const { rsaIdentity } = identity;
  checks.require(rsaIdentity.publicKey.bits === rsaIdentityBits, "rsaIdentity", `must have ${rsaIdentityBits} bits`);
  const identityDigest = rsaIdentityDigest(rsaIdentity.publicKey);
  const ntor = signOnionKeyCrossCertificate(onionKeys.ntor, ed25519Identity, onionKeys.expiresAt);
  const { tap } = onionKeys;

  const writer = new DocumentWriter();
  writer.item("router", description.nickname, description.address, description.orPort, 0, description.dirPort);
  writer.item("identity-ed25519").object("ED25519 CERT", identity.signingCertificate);
  writer.item("master-key-ed25519", encodeBase64(ed25519Identity));
  for (const address of description.orAddresses) writer.item("or-address", formatAddressAndPort(address));
  if (description.platform !== undefined) writer.item("platform", description.platform);
  writer.item("proto", description.protocols.toString());
  writer.item("published", formatTime(description.published));
  writer.item("fingerprint", spacedFingerprint(encodeHex(identityDigest)));
  if (description.uptime !== undefined) writer.item("uptime", description.uptime);
  const { average, burst, observed } = description.bandwidth;
  writer.item("bandwidth", average, burst, observed);
  const { extraInfo } = description;
  if (extraInfo !== undefined)
    writer.item("extra-info-digest", extraInfo.sha1, ...(extraInfo.sha256 === undefined ? [] : [extraInfo.sha256]));
  if (description.cachesExtraInfo) writer.item("caches-extra-info");
  if (tap !== undefined) writer.item("onion-key").object(rsaKeyLabel, tap.publicKey.der);
  writer.item("signing-key").object(rsaKeyLabel, rsaIdentity.publicKey.der);
  if (tap !== undefined)
    writer
      .item("onion-key-crosscert")
      .object("CROSSCERT", signTapCrossCertificate(tap, identityDigest, ed25519Identity));
  writer.item("ntor-onion-key-crosscert", ntor.sign).object("ED25519 CERT", ntor.certificate);
  if (description.family.length > 0) writer.item("family", ...description.family);
  if (description.hibernating) writer.item("hibernating", 1);
  if (description.hiddenServiceDir) writer.item("hidden-service-dir");
  for (const certificate of parts.familyCertificates ?? [])
    writer.item("family-cert").object("FAMILY CERT", certificate);
  if (description.contact !== undefined) writer.item("contact", description.contact);
  writer.item("ntor-onion-key", encodeBase64(onionKeys.ntor.publicKey));
  for (const line of description.policy.descriptorLines()) writer.begin(`${line}\n`);
  if (!description.ipv6Policy.rejectsAll) writer.item("ipv6-policy", description.ipv6Policy.toString());
  if (description.tunnelledDirServer) writer.item("tunnelled-dir-server");
  if (description.overloadedAt !== undefined)
    writer.item("overload-general", 1, formatTime(wholeHour(description.overloadedAt)));
  const signed = signDocument(writer, identity);
  checks.size(signed.text, maxDescriptorLength);
  return signed;
};

const checkDescription = (description: RelayDescription): void => {
  checks.nickname(description.nickname);
  checks.require(isIPv4(description.address), "address", "must be an IPv4 address");
  checks.integer(description.orPort, "orPort", 1, 65535);
  checks.integer(description.dirPort, "dirPort", 0, 65535);
  for (const { address, port } of description.orAddresses) {
    checks.require(isIPv4(address) || isIPv6(address), "orAddresses", "must be IPv4 or IPv6 addresses");
    checks.integer(port, "orAddresses", 1, 65535);
  }
  const { average, burst, observed } = description.bandwidth;
  checks.integer(average, "bandwidth.average", 1, 0x7fff_ffff);
  checks.integer(burst, "bandwidth.burst", 0, 0x7fff_ffff);
  checks.integer(observed, "bandwidth.observed", 0, 0x7fff_ffff);
  checks.time(description.published, "published");
  if (description.uptime !== undefined) checks.integer(description.uptime, "uptime", 0, Number.MAX_SAFE_INTEGER);
  if (description.platform !== undefined) checks.line(description.platform, "platform");
  if (description.contact !== undefined) checks.line(description.contact, "contact");
  if (description.overloadedAt !== undefined) checks.time(description.overloadedAt, "overloadedAt");
  for (const member of description.family)
    checks.require(familyMember(member) !== undefined, "family", "must be nicknames, or $ and fingerprints");
  const { extraInfo } = description;
  if (extraInfo !== undefined) {
    checks.require(hexOf(20)(extraInfo.sha1) !== undefined, "extraInfo.sha1", "must be 20 bytes in hexadecimal");
    if (extraInfo.sha256 !== undefined)
      checks.require(decodeBase64(extraInfo.sha256)?.length === 32, "extraInfo.sha256", "must be 32 bytes in base64");
  }
};

const wholeHour = (moment: number): number => Math.floor(moment / millisPerHour) * millisPerHour;
