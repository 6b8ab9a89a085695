import { createHash } from "node:crypto";
import { CertType, Ed25519KeyPair, rsaKeyPairFromPem, signEd25519Certificate, X25519KeyPair } from "@allium/crypto";
import {
  ExitPolicy,
  type ExtraInfoDescription,
  PortPolicy,
  Protocols,
  type RelayDescription,
  type RelayIdentityKeys,
  type RelayOnionKeys,
  writeExtraInfo,
  writeRouterDescriptor,
} from "@allium/netdoc";
import { fixture } from "./fixtures.ts";

const day = 86_400_000;
const seed = (name: string): Buffer => createHash("sha256").update(`allium test ${name}`).digest();

const stored = JSON.parse(fixture("accepted/keys.json").toString("utf8")) as {
  readonly published: number;
  readonly rsaIdentity: string;
  readonly tap: string;
};

/** When the documents were made and uploaded. */
export const published: number = stored.published;

/** The keys of the relay that uploaded them: of no worth to anybody. */
export const masterKey = Ed25519KeyPair.fromSeed(seed("master"));
const signingKey = Ed25519KeyPair.fromSeed(seed("signing"));
const familyKey = Ed25519KeyPair.fromSeed(seed("family"));

/** Its identity keys. */
export const identityKeys: RelayIdentityKeys = {
  rsaIdentity: rsaKeyPairFromPem(stored.rsaIdentity),
  signingKey,
  signingCertificate: signEd25519Certificate(
    {
      certType: CertType.IdentityVerifiesSigning,
      certifiedKey: signingKey.publicKey,
      expiresAt: published + 30 * day,
      includeSigningKey: true,
    },
    masterKey,
  ),
};

/** Its onion keys. */
export const onionKeys: RelayOnionKeys = {
  ntor: X25519KeyPair.fromSecret(seed("ntor")),
  tap: rsaKeyPairFromPem(stored.tap),
  expiresAt: published + 28 * day,
};

/** The certificate that makes it a member of a family. */
export const familyCertificate: Buffer = signEd25519Certificate(
  {
    certType: CertType.FamilyVerifiesIdentity,
    certifiedKey: masterKey.publicKey,
    expiresAt: published + 30 * day,
    includeSigningKey: true,
  },
  familyKey,
);

/** The family that it is a member of. */
export const familyId = `ed25519:${familyKey.publicKey.toString("base64").replace(/=+$/, "")}`;

/** What its extra-info document says. */
export const extraInfoDescription: ExtraInfoDescription = {
  nickname: "allium",
  published,
  histories: {
    "write-history": { end: published - 1000, interval: 86_400, bytes: [1024, 0, 5_000_000_000_000] },
    "read-history": { end: published - 1000, interval: 86_400, bytes: [] },
  },
  rateLimitOverload: { at: published, rate: 1_000_000, burst: 2_000_000, reads: 3, writes: 4 },
  outOfFilesAt: published,
  statistics: [["x-allium-test", "a line that tor does not know"]],
};

/** What its descriptor says. */
export const relayDescription: RelayDescription = {
  nickname: "allium",
  address: "127.0.0.1",
  orPort: 20_090,
  dirPort: 0,
  orAddresses: [{ address: "::1", port: 20_091 }],
  bandwidth: { average: 1_073_741_824, burst: 1_073_741_824, observed: 102_400 },
  platform: "Allium 0.1.0 on Linux",
  published,
  uptime: 7,
  hibernating: false,
  protocols:
    Protocols.parse(
      "Conflux=1 Cons=1-2 Desc=1-4 DirCache=2 FlowCtrl=1-2 HSDir=2 HSIntro=4-5 HSRend=1-2 Link=3-5 LinkAuth=3 Microdesc=1-3 Padding=2 Relay=2-4",
    ) ?? Protocols.none,
  contact: "Jörg <joerg@example.net>",
  family: [`$${"A".repeat(40)}`],
  policy: ExitPolicy.ofOptions({
    rules: ["accept *:80", "accept *:443", "accept6 [2001:db8::]/32:22", "reject *:*"],
    ipv6: true,
    rejectPrivate: true,
  }),
  ipv6Policy: PortPolicy.parse("accept 80,443"),
  extraInfo: undefined,
  cachesExtraInfo: false,
  hiddenServiceDir: true,
  tunnelledDirServer: true,
  overloadedAt: published,
};

/** Both documents, written again. */
export const acceptedDocuments = () => {
  const extraInfo = writeExtraInfo(extraInfoDescription, identityKeys);
  const descriptor = writeRouterDescriptor({
    description: { ...relayDescription, extraInfo: { sha1: extraInfo.sha1, sha256: extraInfo.sha256 } },
    identity: identityKeys,
    onionKeys,
    familyCertificates: [familyCertificate],
  });
  return { extraInfo, descriptor };
};
