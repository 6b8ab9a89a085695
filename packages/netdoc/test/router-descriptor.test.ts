import { CertType, Ed25519KeyPair, rsaIdentityDigest, signEd25519Certificate } from "@allium/crypto";
import {
  checkDescriptorValid,
  NetdocError,
  type NetdocProblem,
  parseRouterDescriptor,
  parseRouterDescriptors,
  ValidityError,
  VerificationError,
  type VerificationProblem,
} from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import {
  acceptedDocuments,
  familyId,
  identityKeys,
  masterKey,
  onionKeys,
  published,
  relayDescription,
} from "./support/accepted.ts";
import { caught } from "./support/caught.ts";
import { fixture, fixtureText } from "./support/fixtures.ts";
import { replaced } from "./support/network.ts";
import { resigned } from "./support/resigned.ts";

const own = acceptedDocuments().descriptor.text;
const day = 86_400_000;

describe("router descriptors of tor 0.4.9.11", () => {
  const { documents, rejected } = parseRouterDescriptors(fixture("tor/router-descriptors"));
  const byName = (name: string) => documents.find(({ nickname }) => nickname === name) ?? assert.fail(name);

  it("are found one after the other, and prove what they say", () => {
    assert.deepStrictEqual(rejected, []);
    assert.sameMembers(
      documents.map(({ nickname }) => nickname),
      ["auth0", "auth1", "auth2", "relay0", "exit0", "exit6"],
    );
    const text = fixtureText("tor/router-descriptors");
    for (const { bytes } of documents) assert.include(text, bytes.toString());
  });

  it("describe an exit", () => {
    const exit = byName("exit6");
    assert.strictEqual(exit.fingerprint, "BEDE6D20F3EBC16009824A9F4AED86D2CCEF52A4");
    assert.strictEqual(exit.digest, "E77F412F8B5E2E52BCE42974AEE4178F858838D2");
    assert.deepStrictEqual(exit.orAddresses, [{ address: "::1", port: 20030 }]);
    assert.deepStrictEqual(exit.bandwidth, { average: 1_048_576, burst: 2_097_152, observed: 93_184 });
    assert.strictEqual(exit.platform, "Tor 0.4.9.11 on Linux");
    assert.isTrue(exit.protocols.supports("Relay", 6));
    assert.isTrue(exit.policy.permits("192.0.2.1", 80));
    assert.isFalse(exit.policy.permits("192.0.2.1", 81));
    assert.isFalse(exit.policy.permits("10.1.2.3", 80));
    assert.strictEqual(exit.ipv6Policy.toString(), "accept 80,443");
    assert.deepStrictEqual(exit.familyIds, ["ed25519:QTJsXwBUkyaWDyeE7wzQHl+0Hx6pzD16RxriHdKS5E0"]);
    assert.isTrue(exit.tunnelledDirServer && exit.hiddenServiceDir);
    assert.isFalse(exit.hibernating || exit.cachesExtraInfo);
    assert.strictEqual(exit.tapOnionKey?.bits, 1024);
  });

  it("describe a middle relay and an authority", () => {
    const relay = byName("relay0");
    assert.isTrue(relay.policy.rejectsAll || !relay.policy.permits("192.0.2.1", 443));
    assert.strictEqual(relay.contact, "Random Person <nobody AT example dot com>");
    assert.strictEqual(relay.family.length, 3);
    assert.isTrue(byName("auth0").cachesExtraInfo);
    assert.strictEqual(byName("auth0").dirPort, 20001);
  });

  it("hold until the first of their certificates ends", () => {
    const exit = byName("exit6");
    assert.doesNotThrow(() => checkDescriptorValid(exit, exit.expires));
    const error = caught(ValidityError, () => checkDescriptorValid(exit, exit.expires + 1));
    assert.deepStrictEqual([error.document, error.problem], ["router descriptor", "expired"]);
    assert.isAtMost(exit.expires, exit.published + 30 * day);
  });
});

describe("other router descriptors", () => {
  it("may be in a file, with annotations", () => {
    const { documents, rejected } = parseRouterDescriptors(
      `@downloaded-at 2026-01-01 00:00:00\n@source "127.0.0.1"\n${own}`,
    );
    assert.deepStrictEqual([documents.length, rejected.length], [1, 0]);
    assert.strictEqual(documents[0]?.bytes.toString(), own);
  });

  it("may have blank lines at their end", () => {
    assert.strictEqual(parseRouterDescriptor(`${own}\n\n`).bytes.toString(), own);
  });

  it("may lack a TAP key", () => {
    const text = resigned(own, (body) =>
      body
        .replace(/onion-key\n-----BEGIN[\s\S]*?-----END RSA PUBLIC KEY-----\n(?=signing-key)/, "")
        .replace(/onion-key-crosscert[\s\S]*?-----END CROSSCERT-----\n/, ""),
    );
    assert.strictEqual(parseRouterDescriptor(text).tapOnionKey, undefined);
  });

  it("of Arti's tests prove what they say, families included (routerdesc3)", () => {
    const relay = parseRouterDescriptor(fixture("arti/routerdesc3.txt"));
    assert.strictEqual(relay.nickname, "Fred");
    assert.strictEqual(relay.familyIds.length, 2);
    assert.isFalse(relay.policy.permits("18.1.2.3", 24));
    assert.isTrue(relay.policy.permits("18.1.2.3", 25));
  });

  it("of Arti's tests prove what they say (routerdesc1)", () => {
    const relay = parseRouterDescriptor(fixture("arti/routerdesc1.txt"));
    assert.strictEqual(relay.nickname, "Akka");
  });
});

describe("a descriptor that was accepted by an authority", () => {
  it("is read as what was written", () => {
    const relay = parseRouterDescriptor(fixture("accepted/router-descriptor"));
    const { policy, protocols, extraInfo, overloadedAt, ...rest } = relayDescription;
    assert.deepStrictEqual(
      Object.fromEntries(Object.keys(rest).map((key) => [key, relay[key as keyof typeof rest]])),
      rest,
    );
    assert.deepStrictEqual(relay.policy.descriptorLines(), policy.descriptorLines());
    assert.strictEqual(relay.protocols.toString(), protocols.toString());
    assert.strictEqual(relay.overloadedAt, Math.floor((overloadedAt ?? 0) / 3_600_000) * 3_600_000);
    assert.deepStrictEqual(relay.ed25519Identity, masterKey.publicKey);
    assert.deepStrictEqual(relay.ntorOnionKey, onionKeys.ntor.publicKey);
    assert.deepStrictEqual(relay.familyIds, [familyId]);
    assert.strictEqual(
      relay.fingerprint,
      rsaIdentityDigest(identityKeys.rsaIdentity.publicKey).toString("hex").toUpperCase(),
    );
  });
});

/** What is replaced by what in our descriptor, signed again afterwards, and what the reader says. */
const malformed: ReadonlyArray<readonly [string, string, NetdocProblem, keyword: string]> = [
  ["router allium", "router al-lium", "bad-argument", "router"],
  ["127.0.0.1 20090", "127.0.0 20090", "bad-argument", "router"],
  ["127.0.0.1 20090", "127.0.0.1 0", "bad-argument", "router"],
  ["router allium 127.0.0.1 20090 0 0", "router allium 127.0.0.1 20090 0", "missing-argument", "router"],
  ["master-key-ed25519 ", "master-key-ed25519 A", "bad-argument", "master-key-ed25519"],
  ["or-address [::1]", "or-address ::1", "bad-argument", "or-address"],
  ["proto Conflux=1", "proto Conflux", "bad-argument", "proto"],
  ["proto ", "protocols ", "missing-item", "proto"],
  ["published 20", "published 30x", "bad-argument", "published"],
  ["fingerprint ", "fingerprint X", "bad-argument", "fingerprint"],
  ["uptime 7", "uptime -7", "bad-argument", "uptime"],
  ["bandwidth 1", "bandwidth x", "bad-argument", "bandwidth"],
  ["extra-info-digest ", "extra-info-digest A", "bad-argument", "extra-info-digest"],
  [
    "signing-key\n-----BEGIN RSA PUBLIC KEY-----\nM",
    "signing-key\n-----BEGIN RSA PUBLIC KEY-----\nN",
    "bad-object",
    "signing-key",
  ],
  ["ntor-onion-key ", "ntor-onion-key A", "bad-argument", "ntor-onion-key"],
  ["ntor-onion-key-crosscert ", "ntor-onion-key-crosscert 2", "bad-argument", "ntor-onion-key-crosscert"],
  ["onion-key-crosscert\n", "onion-key-crossbert\n", "missing-item", "onion-key"],
  ["\nonion-key\n", "\nonion-kay\n", "missing-item", "onion-key-crosscert"],
  ["family $", "family $$", "bad-argument", "family"],
  ["hidden-service-dir\n", "hidden-service-dir\nhibernating 2\n", "bad-argument", "hibernating"],
  ["accept *:80", "accept *:0", "bad-argument", "accept"],
  ["accept *:80", "accept private:80", "bad-argument", "accept"],
  ["accept *:80", "accept6 *:80", "misplaced-item", "accept6"],
  ["ipv6-policy accept 80", "ipv6-policy allow 80", "bad-argument", "ipv6-policy"],
  ["overload-general 1 2", "overload-general 1 x", "bad-argument", "overload-general"],
  ["tunnelled-dir-server\n", "tunnelled-dir-server\ntunnelled-dir-server\n", "duplicate-item", "tunnelled-dir-server"],
  ["identity-ed25519\n", "x-first\nidentity-ed25519\n", "misplaced-item", "identity-ed25519"],
];

describe("a descriptor whose text is wrong", () => {
  it.each(malformed)("%s -> %s", (what, by, problem, keyword) => {
    const text = resigned(own, (body) => replaced(body, what, by));
    const error = caught(NetdocError, () => parseRouterDescriptor(text));
    assert.deepStrictEqual([error.problem, error.keyword], [problem, keyword], error.message);
  });

  it("has no policy", () => {
    const text = resigned(own, (body) => body.replace(/^(accept|reject) .*\n/gm, ""));
    const error = caught(NetdocError, () => parseRouterDescriptor(text));
    assert.deepStrictEqual([error.problem, error.keyword], ["missing-item", "router"]);
  });

  it("has a rule that points at the fault", () => {
    const text = resigned(own, (body) => replaced(body, "accept *:80\n", "accept  192.0.2.1/33:80\n"));
    const error = caught(NetdocError, () => parseRouterDescriptor(text));
    assert.strictEqual(error.column, "accept  192.0.2.1/".length + 1);
    assert.include(error.message, "bad-mask");
  });

  it("has keys of the wrong size", () => {
    const long =
      fixtureText("arti/authcert1.txt").match(
        /dir-signing-key\n(-----BEGIN[\s\S]*?-----END RSA PUBLIC KEY-----\n)/,
      )?.[1] ?? "";
    const pattern = /signing-key\n-----BEGIN[\s\S]*?-----END RSA PUBLIC KEY-----\n/;
    const error = caught(NetdocError, () =>
      parseRouterDescriptor(resigned(own, (body) => body.replace(pattern, `signing-key\n${long}`))),
    );
    assert.deepStrictEqual([error.problem, error.keyword], ["bad-object", "signing-key"]);
    const tap = /\nonion-key\n-----BEGIN[\s\S]*?-----END RSA PUBLIC KEY-----\n/;
    const second = caught(NetdocError, () =>
      parseRouterDescriptor(resigned(own, (body) => body.replace(tap, `\nonion-key\n${long}`))),
    );
    assert.deepStrictEqual([second.problem, second.keyword], ["bad-object", "onion-key"]);
  });

  it("has its signatures in the wrong order, or something after them", () => {
    const error = caught(NetdocError, () => parseRouterDescriptor(`${own}x-late\n`));
    assert.strictEqual(error.problem, "misplaced-item");
    const between = caught(NetdocError, () =>
      parseRouterDescriptor(replaced(own, "router-signature\n", "x-late\nrouter-signature\n")),
    );
    assert.deepStrictEqual([between.problem, between.keyword], ["misplaced-item", "router-sig-ed25519"]);
  });
});

const block = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString("base64").replace(/.{64}/g, "$&\n").replace(/\n?$/, "\n");
const withObject = (body: string, item: RegExp, bytes: Uint8Array): string =>
  body.replace(item, (_, begin: string, end: string) => `${begin}${block(bytes)}${end}`);
const identityItem = /(identity-ed25519\n-----BEGIN ED25519 CERT-----\n)[^-]*(-----END)/;
const ntorItem = /(ntor-onion-key-crosscert \d\n-----BEGIN ED25519 CERT-----\n)[^-]*(-----END)/;
const familyItem = /(family-cert\n-----BEGIN FAMILY CERT-----\n)[^-]*(-----END)/;
const other = Ed25519KeyPair.fromSeed(Buffer.alloc(32, 9));
const certificate = (certType: CertType, certifiedKey: Uint8Array, includeSigningKey = true) =>
  signEd25519Certificate({ certType, certifiedKey, expiresAt: published + day, includeSigningKey }, other);

/** What is done to our descriptor before it is signed again, and which proof fails. */
const unproven: ReadonlyArray<readonly [string, (body: string) => string, VerificationProblem, keyword: string]> = [
  [
    "another master key",
    (body) => body.replace(/^master-key-ed25519 .*/m, `master-key-ed25519 ${other.publicKey.toString("base64")}`),
    "inconsistent",
    "master-key-ed25519",
  ],
  [
    "another fingerprint",
    (body) => body.replace(/^fingerprint ..../m, "fingerprint 0000"),
    "inconsistent",
    "fingerprint",
  ],
  [
    "no certificate at all",
    (body) => withObject(body, identityItem, Buffer.alloc(100)),
    "bad-certificate",
    "identity-ed25519",
  ],
  [
    "a certificate of another type",
    (body) => withObject(body, identityItem, certificate(CertType.SigningVerifiesLink, other.publicKey)),
    "bad-certificate",
    "identity-ed25519",
  ],
  [
    "a certificate without the identity",
    (body) => withObject(body, identityItem, certificate(CertType.IdentityVerifiesSigning, other.publicKey, false)),
    "bad-certificate",
    "identity-ed25519",
  ],
  [
    "a chain that ends at another identity",
    (body) =>
      withObject(body, identityItem, certificate(CertType.IdentityVerifiesSigning, identityKeys.signingKey.publicKey)),
    "inconsistent",
    "master-key-ed25519",
  ],
  [
    "another TAP key's vouching",
    (body) =>
      body.replace(
        /(onion-key-crosscert\n-----BEGIN CROSSCERT-----\n)[^-]*/,
        (_, begin: string) => begin + block(Buffer.alloc(128, 1)),
      ),
    "bad-signature",
    "onion-key-crosscert",
  ],
  [
    "another sign of the onion key",
    (body) =>
      body.replace(/ntor-onion-key-crosscert (\d)/, (_, bit: string) => `ntor-onion-key-crosscert ${1 - Number(bit)}`),
    "bad-certificate",
    "ntor-onion-key-crosscert",
  ],
  [
    "another onion key's vouching",
    (body) => withObject(body, ntorItem, certificate(CertType.OnionKeyVerifiesIdentity, masterKey.publicKey)),
    "bad-certificate",
    "ntor-onion-key-crosscert",
  ],
  [
    "a family of another relay",
    (body) => withObject(body, familyItem, certificate(CertType.FamilyVerifiesIdentity, other.publicKey)),
    "inconsistent",
    "family-cert",
  ],
  [
    "a family certificate of another type",
    (body) => withObject(body, familyItem, certificate(CertType.IdentityVerifiesSigning, masterKey.publicKey)),
    "bad-certificate",
    "family-cert",
  ],
];

describe("a descriptor that does not prove what it says", () => {
  it.each(unproven)("has %s", (_, change, problem, keyword) => {
    const text = resigned(own, change);
    assert.notStrictEqual(text, own);
    const error = caught(VerificationError, () => parseRouterDescriptor(text));
    assert.deepStrictEqual(
      [error.document, error.problem, error.keyword],
      ["router descriptor", problem, keyword],
      error.message,
    );
  });

  it("was changed after it was signed", () => {
    const error = caught(VerificationError, () => parseRouterDescriptor(replaced(own, "uptime 7", "uptime 8")));
    assert.deepStrictEqual([error.problem, error.keyword], ["bad-signature", "router-sig-ed25519"]);
  });

  it("is not signed by the RSA identity", () => {
    const text = own.replace(
      /(router-signature\n-----BEGIN SIGNATURE-----\n)[^-]*/,
      (_, begin: string) => begin + block(Buffer.alloc(128, 1)),
    );
    const error = caught(VerificationError, () => parseRouterDescriptor(text));
    assert.deepStrictEqual([error.problem, error.keyword], ["bad-signature", "router-signature"]);
  });

  it("does not spoil its neighbours", () => {
    const bad = replaced(own, "uptime 7", "uptime 8");
    const { documents, rejected } = parseRouterDescriptors(own + bad + own);
    assert.strictEqual(documents.length, 2);
    assert.deepStrictEqual(
      rejected.map(({ start, error }) => [start, error._tag]),
      [[Buffer.byteLength(own), "VerificationError"]],
    );
  });
});

describe("Arti's bad descriptors", () => {
  // Names as in Arti's tests, crates/tor-netdoc/src/doc/routerdesc.rs.
  it.each([
    ["bad-cc-sign", "bad-argument", 34, 26],
    ["bad-ipv6policy", "bad-argument", 43, 13],
    ["bad-sig-order", "misplaced-item", 0, 0],
    ["bad-start1", "misplaced-item", 0, 0],
    ["bad-start2", "misplaced-item", 0, 0],
    ["no-ed-sk", "missing-item", 0, 0],
  ] as const)("%s is malformed", (name, problem, line, column) => {
    const error = caught(NetdocError, () => parseRouterDescriptor(fixture(`arti/bad-routerdesc/${name}`)));
    assert.strictEqual(error.problem, problem, error.message);
    if (line > 0) assert.deepStrictEqual([error.line, error.column], [line, column], error.message);
  });

  it.each([
    ["bad-ed-sk-in-cert", "bad-certificate"],
    ["mismatched-ed-sk-in-cert", "bad-certificate"],
    ["mismatched-fp", "bad-signature"],
    ["no-ed-id-key-in-cert", "bad-certificate"],
    ["non-ed-sk-in-cert", "bad-certificate"],
  ] as const)("%s proves nothing", (name, problem) => {
    const error = caught(VerificationError, () => parseRouterDescriptor(fixture(`arti/bad-routerdesc/${name}`)));
    assert.strictEqual(error.problem, problem, error.message);
  });
});
