import { createHash } from "node:crypto";
import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { Random } from "../../../test/support/fuzz.ts";
import { MAX_INPUT_BYTES } from "../src/sha1/module.ts";
import { Sha1 } from "../src/sha1/sha1.ts";

const digestOf = (sha1: Sha1): string => {
  const digest = Buffer.alloc(20);
  sha1.digestInto(digest, 0);
  return digest.toString("hex");
};

const add = (sha1: Sha1, bytes: Buffer): number => sha1.add(bytes, 0, bytes.length);

const platform = (...parts: ReadonlyArray<Buffer>): string => {
  const hash = createHash("sha1");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

describe("SHA-1", () => {
  // The messages of NIST's example values for FIPS 180-4 (csrc.nist.gov, "SHA1.pdf"), the empty one, and a million times the letter a.
  it.each([
    ["", "da39a3ee5e6b4b0d3255bfef95601890afd80709"],
    ["abc", "a9993e364706816aba3e25717850c26c9cd0d89d"],
    ["abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"],
    ["a".repeat(1_000_000), "34aa973cd4c4daa4f61eeb2bdbad27316534016f"],
  ])("of %s is as published", (message, digest) => {
    const sha1 = new Sha1();
    const bytes = Buffer.from(message);
    let first = sha1.add(bytes, 0, 0);
    for (let at = 0; at < bytes.length; at += 60_000) {
      first = sha1.add(bytes, at, Math.min(at + 60_000, bytes.length));
    }
    assert.strictEqual(digestOf(sha1), digest);
    assert.strictEqual(first, Buffer.from(digest, "hex").readInt32BE(0));
  });

  it("of each length up to three blocks is the platform's", () => {
    const bytes = new Random(1).bytes(192);
    for (let length = 0; length <= bytes.length; length++) {
      const sha1 = new Sha1();
      sha1.add(bytes, 0, length);
      assert.strictEqual(digestOf(sha1), platform(bytes.subarray(0, length)), `${length} bytes`);
    }
  });

  it.prop(
    "is the platform's after each of many additions, to several at once, with some taken back",
    { seed: Schema.Int },
    ({ seed }) => {
      const random = new Random(seed);
      const digests = Array.from({ length: 3 }, () => ({ sha1: new Sha1(), parts: [] as Array<Buffer> }));
      for (let step = 0; step < 40; step++) {
        const { sha1, parts } = random.pick(digests);
        const part = random.bytes(random.below(random.pick([3, 64, 130, 600])));
        const first = add(sha1, part);
        assert.strictEqual(first, Buffer.from(platform(...parts, part), "hex").readInt32BE(0));
        if (random.oneIn(4)) sha1.undo();
        else parts.push(part);
        if (parts.length > 0) assert.strictEqual(digestOf(sha1), platform(...parts));
      }
    },
  );

  it("counts bits beyond 32 of their count", () => {
    // 2^29 bytes are 2^32 bits.
    const chunk = Buffer.alloc(1 << 15, 0x61);
    const sha1 = new Sha1();
    const hash = createHash("sha1");
    for (let bytes = 0; bytes <= 1 << 29; bytes += chunk.length) {
      add(sha1, chunk);
      hash.update(chunk);
    }
    assert.strictEqual(digestOf(sha1), hash.digest("hex"));
  }, 60_000);

  it("takes back an addition only while nobody has added anything since", () => {
    const [sha1, other] = [new Sha1(), new Sha1()];
    add(sha1, Buffer.from("a"));
    add(other, Buffer.from("b"));
    assert.throws(() => sha1.undo(), /since/);
    assert.strictEqual(digestOf(sha1), platform(Buffer.from("a")));
  });

  it("takes no more at once than there is room for, and is what it was", () => {
    const sha1 = new Sha1();
    const most = Buffer.alloc(MAX_INPUT_BYTES, 1);
    add(sha1, most);
    assert.throws(() => add(sha1, Buffer.alloc(MAX_INPUT_BYTES + 1)), /at once/);
    assert.strictEqual(digestOf(sha1), platform(most));
  });
});
