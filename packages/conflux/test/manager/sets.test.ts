import { assert, describe, it } from "@effect/vitest";
import { DEFAULT_MAX_SETS, MAX_ENDED_NONCES, MAX_LEGS } from "../../src/index.ts";
import { type Found, Sets } from "../../src/manager/sets.ts";

const nonceOf = (number: number): Buffer => {
  const nonce = Buffer.alloc(32);
  nonce.writeUInt32BE(number);
  return nonce;
};

const newSet = (facts: Partial<Found> = {}): Found => ({ size: 1, isOver: false, ...facts });

const neverBegun = (): Found => assert.fail("no set is to be begun");

describe("sets of a process", () => {
  it("are found by their nonces, and begun once each", () => {
    const sets = new Sets<Found>(() => 10);
    const [one, other] = [newSet(), newSet()];
    assert.strictEqual(
      sets.find(nonceOf(1), () => one),
      one,
    );
    assert.strictEqual(
      sets.find(nonceOf(2), () => other),
      other,
    );
    assert.strictEqual(sets.find(nonceOf(1), neverBegun), one);
    assert.deepStrictEqual([...sets.values()], [one, other]);
  });

  it("have no more legs than a set may have", () => {
    const sets = new Sets<Found>(() => 10);
    const set = { size: MAX_LEGS - 1, isOver: false };
    sets.find(nonceOf(1), () => set);
    assert.strictEqual(sets.find(nonceOf(1), neverBegun), set);
    set.size++;
    assert.strictEqual(sets.find(nonceOf(1), neverBegun), "too-many-legs");
  });

  it("are as many as there may be: another is begun when one has ended", () => {
    const sets = new Sets<Found>(() => DEFAULT_MAX_SETS);
    for (let number = 0; number < DEFAULT_MAX_SETS; number++) sets.find(nonceOf(number), newSet);
    assert.strictEqual(sets.size, DEFAULT_MAX_SETS);
    assert.strictEqual(sets.find(nonceOf(DEFAULT_MAX_SETS), neverBegun), "too-many-sets");
    assert.isObject(sets.find(nonceOf(0), neverBegun));
    sets.remove(nonceOf(0));
    assert.isObject(sets.find(nonceOf(DEFAULT_MAX_SETS), newSet));
    assert.strictEqual(DEFAULT_MAX_SETS, 8192);
  });

  it("that have ended are not joined any more, whether their release still lasts or is over", () => {
    const sets = new Sets<Found>(() => 10);
    const set = { size: 1, isOver: false };
    sets.find(nonceOf(1), () => set);
    set.isOver = true;
    assert.strictEqual(sets.find(nonceOf(1), neverBegun), "reused-nonce");
    sets.remove(nonceOf(1));
    assert.strictEqual(sets.find(nonceOf(1), neverBegun), "reused-nonce");
  });

  it("are remembered by a bounded number of nonces, the oldest of which is forgotten first", () => {
    const sets = new Sets<Found>(() => 1);
    for (let number = 0; number <= MAX_ENDED_NONCES; number++) {
      sets.find(nonceOf(number), newSet);
      sets.remove(nonceOf(number));
      // Told twice, it counts once.
      sets.remove(nonceOf(number));
    }
    for (let number = 1; number <= MAX_ENDED_NONCES; number++) {
      assert.strictEqual(sets.find(nonceOf(number), neverBegun), "reused-nonce", `${number}`);
    }
    assert.isObject(sets.find(nonceOf(0), newSet));
    assert.strictEqual(MAX_ENDED_NONCES, 4096);
  });
});
