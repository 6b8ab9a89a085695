import { assert, describe, it } from "@effect/vitest";
import { areFamily, type Relay, RelayTable } from "../../src/paths/index.ts";
import { directory, fingerprintOf, type PretendedRelay } from "./support.ts";

const [first, second] = [`$${fingerprintOf(0)}`, `$${fingerprintOf(1)}`];

const related = (one: PretendedRelay, other: PretendedRelay, params = {}): boolean => {
  const table = RelayTable.of(directory([one, other], { params }));
  const [left, right] = [table.relayAt(0), table.relayAt(1)] as readonly [Relay, Relay];
  const answer = areFamily(left, right, table.families);
  assert.strictEqual(areFamily(right, left, table.families), answer, "family is mutual");
  return answer;
};

describe("families by their lists (path-spec 2.2)", () => {
  it("take that each lists the other", () => {
    assert.isTrue(related({ family: [second] }, { family: [first] }));
    assert.isFalse(related({ family: [second] }, {}));
    assert.isFalse(related({ family: [second] }, { family: [second] }));
    assert.isFalse(related({}, {}));
  });

  it("may name members by fingerprint in either case, with a nickname behind it, or by nickname alone", () => {
    const other = { nickname: "Other", family: [first] };
    for (const name of [second.toLowerCase(), `${second}=Other`, `${second}~Other`, "Other", "oTHER"])
      assert.isTrue(related({ family: [name] }, other), name);
    assert.isFalse(related({ family: ["Othe"] }, other));
    // A fingerprint counts, whatever the nickname behind it.
    assert.isFalse(related({ family: [`$${fingerprintOf(5)}=Other`] }, other));
  });

  it("find a member among many", () => {
    const many = Array.from({ length: 500 }, (_, index) => `$${fingerprintOf(index)}`);
    assert.isTrue(related({ family: many }, { family: many }));
  });

  it("count unless the consensus says otherwise (use-family-lists)", () => {
    assert.isFalse(related({ family: [second] }, { family: [first] }, { "use-family-lists": 0 }));
    assert.isTrue(related({ family: [second] }, { family: [first] }, { "use-family-ids": 0 }));
  });
});

describe("families by their keys (proposal 321)", () => {
  const one = { familyIds: ["ed25519:aaaa", "ed25519:bbbb"] };
  it("take one key that both have proved", () => {
    assert.isTrue(related(one, { familyIds: ["ed25519:bbbb"] }));
    assert.isFalse(related(one, { familyIds: ["ed25519:cccc"] }));
    assert.isFalse(related(one, {}));
  });

  it("count unless the consensus says otherwise (use-family-ids)", () => {
    assert.isFalse(related(one, one, { "use-family-ids": 0 }));
    assert.isTrue(related(one, one, { "use-family-lists": 0 }));
  });
});
