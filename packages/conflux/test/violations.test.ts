import { DestroyReason } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import { type ConfluxRule, ConfluxViolation, type ConfluxViolationName, violationTable } from "../src/index.ts";

const rows = Object.entries(violationTable as Readonly<Record<ConfluxViolationName, ConfluxRule>>) as ReadonlyArray<
  readonly [ConfluxViolationName, ConfluxRule]
>;

describe("the table of violations", () => {
  it.each(rows)("%s says what, from where, and what ends", (_name, { what, from, ends, reason }) => {
    assert.isNotEmpty(what);
    assert.match(from, /^(proposal 329, \d|as |ours)/);
    assert.strictEqual(ends === "nothing", reason === DestroyReason.NONE);
  });

  it("has no two of one meaning", () => {
    assert.strictEqual(new Set(rows.map(([, { what }]) => what)).size, rows.length);
    assert.isAtLeast(rows.length, 25);
  });

  it("ends the set wherever the order of cells is at stake, and only there", () => {
    for (const [name, { by, ends }] of rows) {
      assert.strictEqual(ends === "set", by === "sequence" || by === "finalize", name);
    }
  });
});

describe("ConfluxViolation", () => {
  it("tells the rule and what exactly", () => {
    const plain = new ConfluxViolation({ violation: "switch-zero" });
    assert.strictEqual(plain.message, violationTable["switch-zero"].what);
    assert.strictEqual(plain.rule, violationTable["switch-zero"]);
    const exact = new ConfluxViolation({ violation: "switch-too-far", detail: "leg 1, by 4294967295" });
    assert.strictEqual(exact.message, `${violationTable["switch-too-far"].what}: leg 1, by 4294967295`);
    assert.strictEqual(exact._tag, "ConfluxViolation");
  });

  it.each([
    ["switch-flood", "protocol"],
    ["reorder-full", "resource"],
    ["too-many-sets", "resource"],
    ["ack-late", "timeout"],
    ["switch-alone", "peerClosed"],
  ] as const)("%s is a fault of kind %s", (violation, fault) => {
    assert.strictEqual(new ConfluxViolation({ violation }).fault, fault);
  });
});
