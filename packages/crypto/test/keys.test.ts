import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { inspect } from "node:util";
import { assert, describe, it } from "@effect/vitest";
import { Random } from "../../../test/support/fuzz.ts";
import {
  Ed25519ExpandedKey,
  Ed25519KeyPair,
  ed25519Verify,
  equalBytes,
  generateLinkKey,
  generateRsaIdentity,
  KeyError,
  rsaIdentityDigest,
  rsaIdentityDigest256,
  rsaKeyPairFromKeyObject,
  rsaKeyPairFromPem,
  rsaKeyPairToPem,
  rsaPublicKeyFromDer,
  rsaPublicKeyFromKeyObject,
  rsaPublicKeyToPem,
  rsaSignUnprefixed,
  rsaVerifyUnprefixed,
  X25519KeyPair,
} from "../src/index.ts";
import { ed25519Key, flipped, hex, thrown, x25519Key } from "./support.ts";
import torRelay from "./vectors/tor-certs-cell.json" with { type: "json" };
import x25519Vectors from "./vectors/x25519.json" with { type: "json" };

describe("equalBytes", () => {
  it("compares content and length", () => {
    assert.isTrue(equalBytes(hex("0102"), hex("0102")));
    assert.isFalse(equalBytes(hex("0102"), hex("0103")));
    assert.isFalse(equalBytes(hex("0102"), hex("010203")));
  });
});

describe("Ed25519", () => {
  // RFC 8032, section 7.1, TEST 1 and TEST 3.
  it.each([
    {
      seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
      message: "",
      signature:
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    },
    {
      seed: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      publicKey: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
      message: "af82",
      signature:
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    },
  ])("signs as RFC 8032 does ($message)", ({ seed, publicKey, message, signature }) => {
    const pair = Ed25519KeyPair.fromSeed(hex(seed));
    assert.strictEqual(pair.publicKey.toString("hex"), publicKey);
    assert.strictEqual(pair.sign(hex(message)).toString("hex"), signature);
    assert.isTrue(ed25519Verify(hex(publicKey), hex(message), hex(signature)));
    assert.strictEqual(pair.seed().toString("hex"), seed);
    const expanded = Ed25519ExpandedKey.fromSeed(hex(seed));
    assert.strictEqual(expanded.publicKey.toString("hex"), publicKey);
    assert.strictEqual(expanded.sign(hex(message)).toString("hex"), signature);
  });

  it("signs with the expanded form of a key as the platform does with its seed", () => {
    const random = new Random(1);
    for (let draw = 0; draw < 30; draw++) {
      const [seed, message] = [random.bytes(32), random.bytes(draw)];
      const pair = Ed25519KeyPair.fromSeed(seed);
      const expanded = Ed25519ExpandedKey.fromExpanded(Ed25519ExpandedKey.fromSeed(seed).expanded());
      assert.deepStrictEqual(expanded.publicKey, pair.publicKey);
      assert.deepStrictEqual(expanded.sign(message), pair.sign(message));
    }
  });

  it("refuses an expanded key of another length, and one that no seed expands to", () => {
    const good = Ed25519ExpandedKey.fromSeed(Buffer.alloc(32, 7)).expanded();
    const short = thrown(KeyError, () => Ed25519ExpandedKey.fromExpanded(good.subarray(1)));
    assert.deepInclude(short, { key: "ed25519", problem: "bad-length" });
    for (const [byte, bit] of [
      [0, 1],
      [31, 64],
      [31, 128],
    ] as const) {
      const bad = Buffer.from(good);
      bad[byte] = bad[byte]! ^ bit;
      assert.deepInclude(
        thrown(KeyError, () => Ed25519ExpandedKey.fromExpanded(bad)),
        { key: "ed25519", problem: "bad-encoding" },
      );
    }
    assert.strictEqual(thrown(KeyError, () => Ed25519ExpandedKey.fromSeed(good)).problem, "bad-length");
  });

  it("shows nothing of an expanded key when it is printed, and hands out a copy", () => {
    const key = Ed25519ExpandedKey.fromSeed(Buffer.alloc(32, 7));
    const secret = key.expanded();
    const printed = inspect(key, { depth: 10, showHidden: true, maxArrayLength: null }) + JSON.stringify(key);
    assert.notInclude(printed, secret.subarray(0, 8).toString("hex"));
    assert.notInclude(printed, [...secret.subarray(0, 8)].join(","));
    const signature = key.sign(Buffer.from("message"));
    secret.fill(0);
    assert.deepStrictEqual(key.sign(Buffer.from("message")), signature);
  });

  it("does not verify another message, key or signature, nor bytes that are none", () => {
    const pair = ed25519Key(1);
    const message = Buffer.from("a message");
    const signature = pair.sign(message);
    assert.isFalse(ed25519Verify(pair.publicKey, flipped(message, 0), signature));
    assert.isFalse(ed25519Verify(ed25519Key(2).publicKey, message, signature));
    assert.isFalse(ed25519Verify(pair.publicKey, message, flipped(signature, 40)));
    assert.isFalse(ed25519Verify(pair.publicKey, message, signature.subarray(1)));
    assert.isFalse(ed25519Verify(pair.publicKey.subarray(1), message, signature));
    assert.isFalse(ed25519Verify(Buffer.alloc(32, 0xff), message, signature));
  });

  it("refuses a seed of another length", () => {
    const error = thrown(KeyError, () => Ed25519KeyPair.fromSeed(Buffer.alloc(31)));
    assert.deepStrictEqual([error._tag, error.key, error.problem], ["KeyError", "ed25519", "bad-length"]);
  });
});

describe("X25519", () => {
  it.each(x25519Vectors.runs)("multiplies as RFC 7748 does ($secret)", (run) => {
    const pair = X25519KeyPair.fromSecret(hex(run.secret));
    assert.strictEqual(pair.sharedSecret(hex(run.public))?.toString("hex"), run.shared);
    assert.strictEqual(pair.secret().toString("hex"), run.secret);
  });

  it("gives both sides the same secret", () => {
    const [left, right] = [x25519Key(1), x25519Key(2)];
    assert.deepStrictEqual(left.sharedSecret(right.publicKey), right.sharedSecret(left.publicKey));
  });

  // Points of small order: RFC 7748, section 6.1, and https://cr.yp.to/ecdh.html#validate
  it.each([
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ])("shares nothing with a key of small order (%s)", (weak) => {
    assert.isUndefined(x25519Key(1).sharedSecret(hex(weak)));
  });

  it("shares nothing with bytes of another length, and refuses such a secret", () => {
    assert.isUndefined(x25519Key(1).sharedSecret(Buffer.alloc(31, 9)));
    assert.strictEqual(thrown(KeyError, () => X25519KeyPair.fromSecret(Buffer.alloc(33))).problem, "bad-length");
  });
});

describe("RSA", () => {
  const identity = rsaKeyPairFromPem(torRelay.secretIdKey);
  const digest = hex("00112233445566778899aabbccddeeff00112233");

  it("reads tor's secret_id_key and names the relay as tor does", () => {
    assert.strictEqual(rsaIdentityDigest(identity.publicKey).toString("hex"), torRelay.rsaIdentity);
    assert.strictEqual(rsaIdentityDigest256(identity.publicKey).length, 32);
    // tor writes the NUL at the end of its string to the file.
    assert.strictEqual(`${rsaKeyPairToPem(identity)}\0`, torRelay.secretIdKey);
  });

  it("signs and verifies without prefix, and exactly that", () => {
    const signature = rsaSignUnprefixed(identity, digest);
    assert.strictEqual(signature.length, 128);
    assert.isTrue(rsaVerifyUnprefixed(identity.publicKey, digest, signature));
    assert.isFalse(rsaVerifyUnprefixed(identity.publicKey, flipped(digest, 3), signature));
    assert.isFalse(rsaVerifyUnprefixed(identity.publicKey, digest.subarray(0, 19), signature));
    assert.isFalse(rsaVerifyUnprefixed(identity.publicKey, digest, flipped(signature, 90)));
    assert.isFalse(rsaVerifyUnprefixed(identity.publicKey, digest, signature.subarray(1)));
    assert.isFalse(rsaVerifyUnprefixed(identity.publicKey, digest, Buffer.alloc(0)));
  });

  it("reads back the public key that it writes", () => {
    const { der } = identity.publicKey;
    assert.deepStrictEqual(rsaPublicKeyFromDer(der).der, der);
    const pem = rsaPublicKeyToPem(identity.publicKey);
    assert.match(pem, /^-----BEGIN RSA PUBLIC KEY-----\n/);
    assert.deepStrictEqual(rsaPublicKeyFromKeyObject(createPublicKey(pem)).der, der);
  });

  it("makes identity keys of 1024 and link keys of 2048 bits", async () => {
    assert.strictEqual((await generateRsaIdentity()).publicKey.bits, 1024);
    assert.strictEqual((await generateLinkKey()).publicKey.bits, 2048);
  });

  const small = generateKeyPairSync("rsa", { modulusLength: 512 });
  const oddExponent = generateKeyPairSync("rsa", { modulusLength: 1024, publicExponent: 3 });
  const ed25519 = generateKeyPairSync("ed25519");
  it.each([
    ["no DER", "bad-encoding", () => rsaPublicKeyFromDer(hex("30030201"))],
    [
      "bytes behind the key",
      "bad-encoding",
      () => rsaPublicKeyFromDer(Buffer.concat([identity.publicKey.der, hex("00")])),
    ],
    ["a key of 512 bits", "bad-size", () => rsaPublicKeyFromKeyObject(small.publicKey)],
    ["exponent 3", "bad-exponent", () => rsaPublicKeyFromKeyObject(oddExponent.publicKey)],
    ["an Ed25519 key", "bad-encoding", () => rsaKeyPairFromKeyObject(ed25519.privateKey)],
    ["no PEM", "bad-encoding", () => rsaKeyPairFromPem("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n")],
  ] as const)("refuses %s", (_what, problem, run) => {
    const error = thrown(KeyError, run);
    assert.deepStrictEqual([error.key, error.problem], ["rsa", problem]);
  });

  it("does not repeat key material in its errors", () => {
    const secret = torRelay.secretIdKey.replace("MII", "XII");
    const error = thrown(KeyError, () => rsaKeyPairFromPem(secret));
    assert.notInclude(`${error.message}${error.stack}`, secret.slice(60, 90));
    assert.isUndefined(error.cause);
  });
});
