import { NetdocError, parseMicrodescriptors, type Rejection } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { familyId, masterKey, onionKeys } from "./support/accepted.ts";
import { fixture, fixtureText } from "./support/fixtures.ts";
import { replaced } from "./support/network.ts";

const text = fixtureText("tor/microdescriptors");

/** The error of the only rejection. */
const errorOf = (rejected: ReadonlyArray<Rejection>): NetdocError => {
  const [rejection] = rejected;
  if (rejected.length !== 1 || !(rejection?.error instanceof NetdocError)) return assert.fail("expected one rejection");
  return rejection.error;
};

describe("microdescriptors of tor 0.4.9.11", () => {
  const { documents, rejected } = parseMicrodescriptors(text);

  it("are found one after the other, with nothing lost", () => {
    assert.strictEqual(documents.length, 6);
    assert.deepStrictEqual(rejected, []);
    assert.strictEqual(Buffer.concat(documents.map(({ bytes }) => bytes)).toString(), text);
  });

  it("say what a client needs", () => {
    const exit = documents.find(({ familyIds }) => familyIds.length > 0) ?? assert.fail("no family");
    assert.strictEqual(exit.digest, "UtvP6s+rfzeaNE6msAE1s1Gq07ssQvIdQsqC8j+j5h4");
    assert.strictEqual(exit.ntorOnionKey.toString("base64"), "0Aay2pXrrgj7XBA6+dTjBJ+PGFHMqzHtfPHaUB9+lmk=");
    assert.strictEqual(exit.ed25519Identity?.toString("base64"), "YLq4u39dRar7IXlK6tJ6hcSBnf3xy4470ob6eIIOu/E=");
    assert.deepStrictEqual(exit.familyIds, ["ed25519:QTJsXwBUkyaWDyeE7wzQHl+0Hx6pzD16RxriHdKS5E0"]);
    assert.strictEqual(exit.policy.toString(), "accept 80,443");
    assert.strictEqual(exit.ipv6Policy.toString(), "accept 80,443");
    assert.isTrue(exit.hasTapKey);
  });

  it("permit nothing if they say nothing", () => {
    const middle = documents.find(({ policy }) => policy.rejectsAll);
    assert.isFalse(middle?.policy.permits(443));
    assert.isTrue(middle?.ipv6Policy.rejectsAll);
  });

  it("list families", () => {
    const member = documents.find(({ family }) => family.length > 0);
    assert.deepStrictEqual(member?.family, [
      "$65A7B1DB92D8443516C7318BC273C1BEF239305F",
      `$${"A".repeat(40)}`,
      `$${"B".repeat(40)}`,
    ]);
  });

  it("are the same in a relay's file, annotations apart", () => {
    const cached = parseMicrodescriptors(fixture("tor/cached-microdescriptors"));
    assert.deepStrictEqual(cached.rejected, []);
    assert.sameMembers(
      cached.documents.map(({ digest }) => digest),
      documents.map(({ digest }) => digest),
    );
  });
});

describe("the microdescriptor that an authority made of our descriptor", () => {
  it("has what we said", () => {
    const [own = assert.fail("none")] = parseMicrodescriptors(fixture("accepted/microdescriptor")).documents;
    assert.strictEqual(own.digest, "lIFOJJuiD6NBQAfOXCHLo1IYJsWR/IET1uxQimHj77I");
    assert.deepStrictEqual(own.ntorOnionKey, onionKeys.ntor.publicKey);
    assert.deepStrictEqual(own.ed25519Identity, masterKey.publicKey);
    assert.deepStrictEqual(own.familyIds, [familyId]);
    assert.strictEqual(own.policy.toString(), "accept 80,443");
    assert.strictEqual(own.ipv6Policy.toString(), "accept 80,443");
  });
});

describe("Arti's microdescriptors", () => {
  it("have annotations (microdesc1)", () => {
    const { documents, rejected } = parseMicrodescriptors(fixture("arti/microdesc1.txt"));
    assert.deepStrictEqual(rejected, []);
    assert.isAbove(documents.length, 0);
  });

  it("may lack a TAP key (microdesc3)", () => {
    const { documents } = parseMicrodescriptors(fixture("arti/microdesc3.txt"));
    assert.deepStrictEqual(
      documents.map(({ hasTapKey }) => hasTapKey),
      [false],
    );
  });

  it("may name families by any kind of key (microdesc4)", () => {
    const { documents } = parseMicrodescriptors(fixture("arti/microdesc4.txt"));
    assert.deepStrictEqual(
      documents.map(({ familyIds }) => familyIds),
      [[], ["ed25519:dXMgdGhlIHRyaXVtcGguICAgIC1UaG9tYXMgUGFpbmU", "other:Example"]],
    );
  });

  // Names and lines as in Arti's tests, crates/tor-netdoc/src/doc/microdesc.rs.
  it.each([
    ["bogus-policy", "bad-argument", 9, 11, "p6"],
    ["non-ascii-policy", "not-ascii", 9, 9, "p6"],
  ] as const)("%s is refused", (name, problem, line, column, keyword) => {
    const { documents, rejected } = parseMicrodescriptors(fixture(`arti/bad-mds/${name}`));
    assert.strictEqual(documents.length, 0);
    const error = errorOf(rejected);
    assert.deepStrictEqual(
      [error.problem, error.line, error.column, error.keyword],
      [problem, line, column, keyword],
      error.message,
    );
  });
});

describe("what stands before the first microdescriptor", () => {
  it("is refused, and the microdescriptor is not (Arti's wrong-start)", () => {
    const { documents, rejected } = parseMicrodescriptors(fixture("arti/bad-mds/wrong-start"));
    assert.strictEqual(documents.length, 1);
    assert.deepStrictEqual([errorOf(rejected).problem, errorOf(rejected).keyword], ["missing-item", "onion-key"]);
  });
});

describe("a microdescriptor that is wrong", () => {
  const one = text.slice(0, text.indexOf("onion-key", 10) < 0 ? undefined : text.indexOf("\nonion-key", 10) + 1);

  it.each([
    ["ntor-onion-key ", "ntor-onion-kay ", "missing-item", "ntor-onion-key"],
    ["ntor-onion-key ", "ntor-onion-key A", "bad-argument", "ntor-onion-key"],
    ["id ed25519 ", "id ed25519 A", "bad-argument", "id"],
    ["id ed25519 ", "id falcon a\nid falcon b\nid ed25519 ", "duplicate-item", "id"],
    ["id ed25519 ", "id\nid ed25519 ", "missing-argument", "id"],
    [
      "onion-key\n-----BEGIN RSA PUBLIC KEY-----\nM",
      "onion-key\n-----BEGIN RSA PUBLIC KEY-----\n_",
      "bad-object",
      "onion-key",
    ],
    ["onion-key\n", "onion-key x\n", "extra-argument", "onion-key"],
  ] as const)("%s -> %s", (what, by, problem, keyword) => {
    const { documents, rejected } = parseMicrodescriptors(replaced(one, what, by));
    assert.strictEqual(documents.length, 0);
    const error = errorOf(rejected);
    assert.deepStrictEqual([error.problem, error.keyword], [problem, keyword], error.message);
  });

  it("does not spoil its neighbours, even if it is not UTF-8", () => {
    const bad = Buffer.from("onion-key\nntor-onion-key \xff\n", "latin1");
    const { documents, rejected } = parseMicrodescriptors(
      Buffer.concat([fixture("tor/microdescriptors"), bad, Buffer.from(one)]),
    );
    assert.strictEqual(documents.length, 7);
    assert.deepStrictEqual(
      rejected.map(({ start, end }) => end - start),
      [bad.length],
    );
    assert.strictEqual(errorOf(rejected).problem, "not-utf8");
  });

  it("may have any annotations before it, and blank lines before these", () => {
    for (const before of ["\n@a\n", "\n\n@a\n@b c\n", "@a\n", "\n"]) {
      const { documents, rejected } = parseMicrodescriptors(before + one);
      assert.deepStrictEqual([documents.length, rejected.length], [1, 0], before);
      assert.strictEqual(documents[0]?.bytes.toString(), one);
    }
  });

  it("may have keys and entries of a later time", () => {
    const { documents } = parseMicrodescriptors(
      replaced(one, "id ed25519 ", "family a $zz nick2\nid falcon a b\nx-new\nid ed25519 "),
    );
    assert.deepStrictEqual(documents[0]?.family, ["a", "nick2"]);
  });
});
