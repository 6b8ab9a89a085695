import { assert, describe, it } from "@effect/vitest";
import { chooseExit, chooseMiddle, maxKeptCandidates, RelayTable } from "../../src/paths/index.ts";
import { alike, directory, exit, fingerprintOf, middle, refusal, seeded } from "./support.ts";

describe("the table of a snapshot", () => {
  it("finds each relay by its fingerprint, and no other", () => {
    const table = RelayTable.of(directory(alike(100)));
    for (let number = 0; number < 100; number++) {
      assert.strictEqual(table.indexOf(fingerprintOf(number)), number);
      assert.strictEqual(table.find(fingerprintOf(number))?.status.nickname, `relay${number}`);
    }
    for (const name of ["", "0".repeat(40), fingerprintOf(100), "F".repeat(40)]) {
      assert.strictEqual(table.indexOf(name), -1);
      assert.strictEqual(table.find(name), undefined);
    }
    assert.strictEqual(RelayTable.of(directory([])).indexOf(fingerprintOf(0)), -1);
  });

  it("has no relay that cannot be extended to: without microdescriptor, or without Ed25519 identity", () => {
    const table = RelayTable.of(
      directory([{ described: false }, { ed25519: false }, { flags: `${middle} NoEdConsensus` }, {}]),
    );
    assert.deepStrictEqual(
      [0, 1, 2, 3].map((number) => table.find(fingerprintOf(number)) !== undefined),
      [false, false, false, true],
    );
    assert.deepStrictEqual(
      refusal(() => chooseMiddle(table, { path: [table.relayAt(3)] }, seeded(1))),
      { descriptor: 3, used: 1 },
    );
  });

  it("takes in microdescriptors as they come, and reads the consensus once", () => {
    const { consensus, microdescriptors } = directory(alike(50));
    const options = { exclude: new Set([fingerprintOf(0)]) };
    const early = new Map([...microdescriptors].slice(0, 10));
    const first = RelayTable.of({ consensus, microdescriptors: early }, options);
    const weights = first.weights("middle");
    const second = RelayTable.of({ consensus, microdescriptors }, options, first);
    assert.notStrictEqual(second, first);
    assert.strictEqual(second.weights("middle"), weights);
    assert.strictEqual(first.find(fingerprintOf(20)), undefined);
    assert.isDefined(second.find(fingerprintOf(20)));
    assert.deepStrictEqual(
      refusal(() =>
        chooseMiddle(first, { avoid: new Set(consensus.routers.map((router) => router.fingerprint)) }, seeded(1)),
      ),
      { excluded: 1, descriptor: 40, avoided: 9 },
    );
  });

  it("is the same if nothing has changed, and another if the consensus or the options have", () => {
    const before = directory(alike(5));
    const options = {};
    const table = RelayTable.of(before, options);
    assert.strictEqual(RelayTable.of({ ...before }, options, table), table);
    assert.notStrictEqual(RelayTable.of(directory(alike(5)), options, table), table);
    const strict = RelayTable.of(before, { exclude: new Set([fingerprintOf(1)]) }, table);
    assert.deepStrictEqual(
      refusal(() => chooseMiddle(strict, { path: [0, 2, 3, 4].map((index) => table.relayAt(index)) }, seeded(1))),
      { excluded: 1, used: 4 },
    );
  });

  it("keeps the candidates of so many requirements, and no more", () => {
    const table = RelayTable.of(directory(alike(5, { flags: exit, policy: "accept 1-65535" })));
    for (let port = 1; port < 5 * maxKeptCandidates; port++) {
      chooseExit(table, [{ family: 4, port }], {}, seeded(port));
      assert.strictEqual(table.candidates.size, Math.min(port, maxKeptCandidates));
    }
  });
});
