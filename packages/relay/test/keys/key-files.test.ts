import { inspect } from "node:util";
import { Ed25519ExpandedKey, X25519KeyPair } from "@allium/crypto";
import { assert, describe, it } from "@effect/vitest";
import { Redacted } from "effect";
import { Random } from "../../../../test/support/fuzz.ts";
import { targets } from "../../fuzz/key-file.fuzz.ts";
import {
  readEd25519Secret,
  readMasterPublic,
  readOnionKey,
  writeEd25519Secret,
  writeMasterPublic,
  writeOnionKey,
} from "../../src/keys/key-files.ts";

const draws = 50;

describe("key files", () => {
  it("give back any key", () => {
    const random = new Random(1);
    for (let draw = 0; draw < draws; draw++) {
      const identity = Ed25519ExpandedKey.fromSeed(random.bytes(32));
      const read = readEd25519Secret("file", writeEd25519Secret(identity, "type0"), "type0");
      assert.deepStrictEqual(read.expanded(), identity.expanded());
      assert.deepStrictEqual(readMasterPublic("file", writeMasterPublic(identity.publicKey)), identity.publicKey);
      const onion = X25519KeyPair.fromSecret(random.bytes(32));
      assert.deepStrictEqual(readOnionKey("file", writeOnionKey(onion)).secret(), onion.secret());
    }
  });

  it("do not show their content when they are printed on the way", () => {
    const file = writeEd25519Secret(Ed25519ExpandedKey.fromSeed(Buffer.alloc(32, 7)), "type0");
    const secret = Redacted.value(file).subarray(32, 40);
    const printed = `${file} ${JSON.stringify(file)} ${inspect(file, { depth: 10 })}`;
    assert.notInclude(printed, secret.toString("hex"));
    assert.notInclude(printed, secret.toString("hex").replace(/..(?!$)/g, "$& "));
    assert.notInclude(printed, [...secret].join(","));
  });

  for (const { name, run } of targets)
    it(`${name}: a short fuzz run finds nothing`, () => {
      for (let seed = 0; seed < 3_000; seed++) run(new Random(seed));
    });
});
