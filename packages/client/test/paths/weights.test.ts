import { readFileSync } from "node:fs";
import { parseAuthorityCertificates, parseConsensus, parseMicrodescriptors } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import {
  choosePath,
  directoryReadiness,
  type GuardLimits,
  guardWeight,
  type Position,
  type Relay,
  RelayTable,
} from "../../src/paths/index.ts";
import { directory, exit, fingerprintOf, middle, seeded, usualWeights } from "./support.ts";

/** A relay of each kind: with Guard alone, with neither flag, with Exit alone, with both. None serves directory requests. */
const kinds = [`${middle} Guard`, middle, exit, `${middle} Guard Exit`];

/** The weights of relays with these flags, of 100 kB/s each, in a position. */
const weigh = (
  position: Position,
  weights: Readonly<Record<string, number>>,
  flags: ReadonlyArray<string> = kinds,
  params = {},
) => {
  const relays = flags.map((each) => ({ flags: each, bandwidth: 100 }));
  return [...RelayTable.of(directory(relays, { weights, params })).weights(position)];
};

describe("a relay's weight is its bandwidth times the weight of its kind (path-spec 2.2)", () => {
  const weights = {
    ...usualWeights,
    ...{ Wgg: 100, Wgm: 200, Wgd: 400 },
    ...{ Wmg: 500, Wmm: 600, Wme: 700, Wmd: 800 },
    ...{ Weg: 900, Wem: 1000, Wee: 1100, Wed: 1200 },
    ...{ Wbg: 1300, Wbm: 1400, Wbe: 1500, Wbd: 1600 },
  };
  it.each<readonly [Position, ReadonlyArray<number>]>([
    // There is no weight for exits as guards.
    ["guard", [1, 2, 0, 4]],
    ["middle", [5, 6, 7, 8]],
    ["exit", [9, 10, 11, 12]],
    ["directory", [13, 14, 15, 16]],
  ])("in the position %s", (position, expected) => {
    for (const [index, weight] of weigh(position, weights).entries())
      assert.approximately(weight, expected[index] as number, 1e-9);
  });

  it("times the weight of those who serve directory requests, unless they are chosen for that", () => {
    const serving = { ...weights, Wgb: 5000, Wmb: 2000, Web: 1000, Wdb: 0 };
    const flags = kinds.map((each) => `${each} V2Dir`);
    const rounded = (position: Position) =>
      weigh(position, serving, flags).map((weight) => Math.round(weight * 1e6) / 1e6);
    assert.deepStrictEqual(rounded("middle"), [2.5, 1.2, 0.7, 0]);
    assert.deepStrictEqual(rounded("directory"), [13, 14, 15, 16]);
  });

  it("by the scale of the consensus (param-spec, bwweightscale)", () => {
    assert.deepStrictEqual(
      weigh("middle", { ...weights, Wgb: 1000, Wmb: 1000, Web: 1000, Wdb: 1000 }, kinds, { bwweightscale: 1000 }),
      [50, 60, 70, 80],
    );
  });
});

describe("where a weight cannot be had, bandwidth alone counts (path-spec 2.2)", () => {
  const all = [100, 100, 100, 100];
  it("for lack of all", () => {
    for (const position of ["guard", "middle", "exit", "directory"] as const)
      assert.deepStrictEqual(weigh(position, {}), all);
  });

  it("for lack of one that the position takes, and in that position only", () => {
    const { Wme: _, ...rest } = usualWeights;
    assert.deepStrictEqual(weigh("middle", rest), all);
    assert.deepStrictEqual(weigh("exit", rest), weigh("exit", usualWeights));
  });

  it("if one is below zero", () => {
    assert.deepStrictEqual(weigh("exit", { ...usualWeights, Weg: -1 }), all);
  });

  it("and one above the scale counts as the scale", () => {
    assert.deepStrictEqual(weigh("exit", { ...usualWeights, Wee: 50_000 }), [100, 100, 100, 100]);
  });
});

describe("flags that forbid a position change the kind", () => {
  it("a BadExit is weighed as none (path-spec 2.2.1)", () => {
    assert.deepStrictEqual(weigh("middle", usualWeights, [`${exit} BadExit`, middle]), [100, 100]);
  });

  it("a relay for the middle only is weighed as one without flags (proposal 335)", () => {
    assert.deepStrictEqual(weigh("middle", usualWeights, [`${middle} Guard Exit V2Dir MiddleOnly`]), [100]);
  });
});

describe("the weight of guards (path-spec 5.1)", () => {
  const table = RelayTable.of(directory([{ flags: kinds[0] as string, bandwidth: 50 }, { flags: kinds[3] as string }]));
  it("is that of the position", () => {
    assert.strictEqual(guardWeight(table, fingerprintOf(0)), 30);
    assert.strictEqual(guardWeight(table, fingerprintOf(1)), 0);
  });
  it("is zero for relays that are not listed", () => {
    assert.strictEqual(guardWeight(table, fingerprintOf(7)), 0);
    assert.strictEqual(guardWeight(table, "F".repeat(40)), 0);
  });
});

describe("the documents of a tor network", () => {
  const document = (name: string) =>
    readFileSync(new URL(`../../../netdoc/test/fixtures/tor/${name}`, import.meta.url));
  const certificates = parseAuthorityCertificates(document("certificates")).documents;
  const consensus = parseConsensus(document("consensus-microdesc")).verify({
    authorities: certificates.map(({ identity }) => identity),
    certificates,
    now: Date.UTC(2026, 10, 21, 10, 45, 20),
  });
  const microdescriptors = new Map(
    parseMicrodescriptors(document("microdescriptors")).documents.map((each) => [each.digest, each]),
  );
  const table = RelayTable.of({ consensus, microdescriptors });

  it("give each relay its weights: all have Guard, Exit and V2Dir, so Wgd, Wmd, Wed, Wbd, and Wdb, which is 1", () => {
    for (const position of ["guard", "middle", "exit", "directory"] as const)
      for (const [index, { bandwidth }] of consensus.routers.entries())
        assert.approximately(table.weights(position)[index] as number, bandwidth * 0.3333, 1e-9);
  });

  it("give paths: all relays are on one host, and two of them permit something", () => {
    const loose = RelayTable.of({ consensus, microdescriptors }, { enforceDistinctSubnets: false });
    const ready = directoryReadiness(loose, { now: consensus.lifetime.validAfter });
    assert.deepStrictEqual([ready.state, ready.fraction], ["ready", 1]);
    const exits = new Set<string>();
    for (let seed = 0; seed < 50; seed++) {
      const guard = (limits: GuardLimits) =>
        consensus.routers
          .map(({ fingerprint }) => loose.find(fingerprint))
          .find((relay) => relay !== undefined && limits.check(relay) === undefined) as Relay;
      const end = { _tag: "exit", needs: [{ family: 4, port: 443 }] } as const;
      const path = choosePath(loose, { end, guard }, seeded(seed));
      assert.strictEqual(new Set(path.map(({ status }) => status.fingerprint)).size, 3);
      assert.isTrue(path[2]?.microdescriptor.policy.permits(443));
      exits.add(path[2]?.status.nickname ?? "");
    }
    assert.strictEqual(exits.size, 2);
  });

  it("give each relay what it takes to be extended to", () => {
    for (const { fingerprint } of consensus.routers)
      assert.strictEqual(table.find(fingerprint)?.status.fingerprint, fingerprint);
  });
});
