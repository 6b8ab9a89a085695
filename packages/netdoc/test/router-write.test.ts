import { CertType, Ed25519KeyPair, generateLinkKey, signEd25519Certificate } from "@allium/crypto";
import {
  ExitPolicy,
  maxDescriptorLength,
  maxExtraInfoLength,
  PortPolicy,
  Protocols,
  parseExtraInfo,
  parseRouterDescriptor,
  type RelayDescription,
  WriteError,
  writeExtraInfo,
  writeRouterDescriptor,
} from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { Random } from "../../../test/support/fuzz.ts";
import {
  acceptedDocuments,
  extraInfoDescription,
  identityKeys,
  onionKeys,
  published,
  relayDescription,
} from "./support/accepted.ts";
import { caught } from "./support/caught.ts";
import { fixtureText } from "./support/fixtures.ts";

const write = (over: Partial<RelayDescription>) =>
  writeRouterDescriptor({ description: { ...relayDescription, ...over }, identity: identityKeys, onionKeys });

describe("what tor 0.4.9.11 accepted and served back", () => {
  it("is what is written again, byte by byte", () => {
    const { descriptor, extraInfo } = acceptedDocuments();
    assert.strictEqual(descriptor.text, fixtureText("accepted/router-descriptor"));
    assert.strictEqual(extraInfo.text, fixtureText("accepted/extra-info"));
  });

  it("has the digests that readers compute", () => {
    const { descriptor, extraInfo } = acceptedDocuments();
    const read = parseRouterDescriptor(descriptor.text);
    assert.strictEqual(read.digest, descriptor.sha1);
    assert.deepStrictEqual(read.extraInfo, { sha1: extraInfo.sha1, sha256: extraInfo.sha256 });
    const verified = parseExtraInfo(extraInfo.text).verify(read);
    assert.deepStrictEqual([verified.sha1, verified.sha256], [extraInfo.sha1, extraInfo.sha256]);
  });
});

describe("a descriptor", () => {
  it("may say as little as authorities accept", () => {
    const { text } = write({
      platform: undefined,
      uptime: undefined,
      contact: undefined,
      family: [],
      orAddresses: [],
      policy: ExitPolicy.rejectAll,
      ipv6Policy: PortPolicy.rejectAll,
      hiddenServiceDir: false,
      tunnelledDirServer: false,
      overloadedAt: undefined,
    });
    assert.notMatch(text, /^(platform|uptime|contact|family|or-address|ipv6-policy|hidden|tunnelled|overload)/m);
    assert.match(text, /^reject \*:\*$/m);
    assert.isTrue(
      parseRouterDescriptor(text).policy.rejectsAll || !parseRouterDescriptor(text).policy.permits("192.0.2.1", 80),
    );
  });

  it("may say that the relay sleeps, and keeps documents of others", () => {
    const read = parseRouterDescriptor(write({ hibernating: true, cachesExtraInfo: true }).text);
    assert.isTrue(read.hibernating && read.cachesExtraInfo);
  });

  it("that accepts everything says so", () => {
    assert.match(write({ policy: new ExitPolicy([]) }).text, /^accept \*:\*$/m);
  });

  it("may name its extra-info document by one digest", () => {
    const read = parseRouterDescriptor(write({ extraInfo: { sha1: "A".repeat(40), sha256: undefined } }).text);
    assert.deepStrictEqual(read.extraInfo, { sha1: "A".repeat(40), sha256: undefined });
  });

  it("may lack the TAP key, for authorities that do not ask for it", () => {
    const { text } = writeRouterDescriptor({
      description: relayDescription,
      identity: identityKeys,
      onionKeys: { ...onionKeys, tap: undefined },
    });
    assert.notMatch(text, /^onion-key/m);
    assert.strictEqual(parseRouterDescriptor(text).tapOnionKey, undefined);
  });

  it.prop("is read as it was written", { seed: Schema.Int }, ({ seed }) => {
    const random = new Random(seed);
    const description: RelayDescription = {
      ...relayDescription,
      nickname: random.pick(["a", "Z9", "x".repeat(19)]),
      address: `${random.below(256)}.${random.below(256)}.0.1`,
      orPort: 1 + random.below(65_535),
      dirPort: random.below(65_536),
      orAddresses: random.oneIn(2) ? [] : [{ address: "2001:db8::1", port: 1 + random.below(65_535) }],
      bandwidth: { average: 1 + random.below(1e9), burst: random.below(1e9), observed: random.below(1e9) },
      platform: random.pick([undefined, "x", "Tor 0.4.9.11 on Linux"]),
      published: random.uint32() * 1000,
      uptime: random.pick([undefined, 0, random.uint32()]),
      hibernating: random.oneIn(2),
      contact: random.pick([undefined, "ä ö\t日本 \u{1f9c5}"]),
      family: random.oneIn(2) ? [] : ["nick", `$${"0".repeat(40)}`],
      ipv6Policy: random.pick([
        PortPolicy.rejectAll,
        PortPolicy.parse("reject 25"),
        PortPolicy.parse("accept 1-65535"),
      ]),
      cachesExtraInfo: random.oneIn(2),
      hiddenServiceDir: random.oneIn(2),
      tunnelledDirServer: random.oneIn(2),
      overloadedAt: random.oneIn(2) ? undefined : random.below(400_000) * 3_600_000,
    };
    const read = parseRouterDescriptor(write(description).text);
    const { policy, protocols, ...rest } = description;
    assert.deepStrictEqual(
      Object.fromEntries(Object.keys(rest).map((key) => [key, read[key as keyof typeof rest]])),
      rest as unknown as Record<string, unknown>,
    );
    assert.deepStrictEqual(read.policy.descriptorLines(), policy.descriptorLines());
    assert.strictEqual(read.protocols.toString(), protocols.toString());
  });
});

describe("what has no form in a descriptor", () => {
  it.each<readonly [string, Partial<RelayDescription>]>([
    ["nickname", { nickname: "has space" }],
    ["nickname", { nickname: "" }],
    ["address", { address: "::1" }],
    ["orPort", { orPort: 0 }],
    ["dirPort", { dirPort: 1.5 }],
    ["orAddresses", { orAddresses: [{ address: "[::1]", port: 1 }] }],
    ["orAddresses", { orAddresses: [{ address: "::1", port: 0 }] }],
    ["bandwidth.average", { bandwidth: { average: 0, burst: 0, observed: 0 } }],
    ["bandwidth.burst", { bandwidth: { average: 1, burst: -1, observed: 0 } }],
    ["bandwidth.observed", { bandwidth: { average: 1, burst: 0, observed: 2 ** 31 } }],
    ["published", { published: Number.NaN }],
    ["published", { published: -1 }],
    ["uptime", { uptime: Number.POSITIVE_INFINITY }],
    ["platform", { platform: "" }],
    ["contact", { contact: "a\nreject *:*" }],
    ["contact", { contact: "a\0b" }],
    ["contact", { contact: " a" }],
    ["contact", { contact: "\ud800" }],
    ["family", { family: ["not/a/nick"] }],
    ["extraInfo.sha1", { extraInfo: { sha1: "00", sha256: undefined } }],
    ["extraInfo.sha256", { extraInfo: { sha1: "0".repeat(40), sha256: "AAAA" } }],
    ["overloadedAt", { overloadedAt: Number.MAX_VALUE }],
    ["size", { contact: "x".repeat(maxDescriptorLength) }],
  ])("%s", (field, over) => {
    const error = caught(WriteError, () => write(over));
    assert.deepStrictEqual(
      [error._tag, error.document, error.field],
      ["WriteError", "router descriptor", field],
      error.message,
    );
  });

  it("signing keys and certificates that do not belong together", () => {
    const other = Ed25519KeyPair.fromSeed(Buffer.alloc(32, 5));
    const certificate = (certType: CertType, includeSigningKey: boolean) =>
      signEd25519Certificate(
        { certType, certifiedKey: other.publicKey, expiresAt: published, includeSigningKey },
        other,
      );
    for (const identity of [
      { ...identityKeys, signingKey: other },
      { ...identityKeys, signingCertificate: Buffer.alloc(3) },
      { ...identityKeys, signingKey: other, signingCertificate: certificate(CertType.IdentityVerifiesSigning, false) },
      { ...identityKeys, signingKey: other, signingCertificate: certificate(CertType.SigningVerifiesLink, true) },
    ]) {
      const error = caught(WriteError, () =>
        writeRouterDescriptor({ description: relayDescription, identity, onionKeys }),
      );
      assert.strictEqual(error.field, "signingCertificate");
      assert.strictEqual(
        caught(WriteError, () => writeExtraInfo(extraInfoDescription, identity)).document,
        "extra-info document",
      );
    }
  });

  it("an RSA identity of another size", async () => {
    const rsaIdentity = await generateLinkKey();
    const error = caught(WriteError, () =>
      writeRouterDescriptor({ description: relayDescription, identity: { ...identityKeys, rsaIdentity }, onionKeys }),
    );
    assert.strictEqual(error.field, "rsaIdentity");
  });

  it("protocols that are none at all still have a line", () => {
    assert.match(write({ protocols: Protocols.none }).text, /^proto ?$/m);
  });
});

describe("what has no form in an extra-info document", () => {
  it.each([
    ["nickname", { nickname: "é" }],
    ["published", { published: Number.NaN }],
    ["write-history", { histories: { "write-history": { end: published, interval: 0, bytes: [] } } }],
    ["read-history", { histories: { "read-history": { end: published, interval: 1, bytes: [-1] } } }],
    ["rateLimitOverload", { rateLimitOverload: { at: published, rate: -1, burst: 0, reads: 0, writes: 0 } }],
    ["outOfFilesAt", { outOfFilesAt: -1 }],
    ["statistics", { statistics: [["router-signature", ""] as const] }],
    ["statistics", { statistics: [["a b", ""] as const] }],
    ["statistics", { statistics: [["opt", ""] as const] }],
    ["statistics", { statistics: [["x-a", "b\nc"] as const] }],
    ["size", { statistics: [["x-a", "b".repeat(maxExtraInfoLength)] as const] }],
  ] as const)("%s", (field, over) => {
    const error = caught(WriteError, () => writeExtraInfo({ ...extraInfoDescription, ...over }, identityKeys));
    assert.deepStrictEqual([error.document, error.field], ["extra-info document", field], error.message);
  });
});
