import { inspect } from "node:util";
import { Ed25519KeyPair, X25519KeyPair } from "@allium/crypto";
import { assert, describe, it } from "@effect/vitest";
import { Redacted } from "effect";
import { Random } from "../../../../test/support/fuzz.ts";
import { targets } from "../../fuzz/key-file.fuzz.ts";
import { readEd25519Identity, readOnionKeys, writeEd25519Identity, writeOnionKeys } from "../../src/keys/key-files.ts";

const draws = 200;

describe("key files", () => {
  it("give back any Ed25519 identity", () => {
    const random = new Random(1);
    for (let draw = 0; draw < draws; draw++) {
      const identity = Ed25519KeyPair.fromSeed(random.bytes(32));
      const read = readEd25519Identity("file", writeEd25519Identity(identity));
      assert.deepStrictEqual(read.publicKey, identity.publicKey);
    }
  });

  it("give back any onion keys, with their times", () => {
    const random = new Random(2);
    const draw = () => ({ key: X25519KeyPair.fromSecret(random.bytes(32)), createdAt: random.uint32() * 1_000 });
    for (let index = 0; index < draws; index++) {
      const written = { current: draw(), previous: random.oneIn(2) ? draw() : undefined };
      const read = readOnionKeys("file", writeOnionKeys(written));
      assert.deepStrictEqual(read.current.key.secret(), written.current.key.secret());
      assert.strictEqual(read.current.createdAt, written.current.createdAt);
      assert.deepStrictEqual(read.previous?.key.secret(), written.previous?.key.secret());
      assert.strictEqual(read.previous?.createdAt, written.previous?.createdAt);
    }
  });

  it("do not show their content when they are printed on the way", () => {
    const identity = Ed25519KeyPair.fromSeed(Buffer.alloc(32, 7));
    const file = writeEd25519Identity(identity);
    const seed = identity.seed().toString("base64").slice(0, 40);
    assert.include(Redacted.value(file), seed);
    assert.notInclude(`${file} ${JSON.stringify(file)} ${inspect(file, { depth: 10 })}`, seed);
  });

  for (const { name, run } of targets)
    it(`${name}: a short fuzz run finds nothing`, () => {
      for (let seed = 0; seed < 3_000; seed++) run(new Random(seed));
    });
});
