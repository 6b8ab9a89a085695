import { assert, describe, it } from "@effect/vitest";
import { directoryReadiness, pathFractions, RelayTable } from "../../src/paths/index.ts";
import { alike, directory, exit, fingerprintOf, guard, middle, type PretendedRelay, validAfter } from "./support.ts";

const flat = Object.fromEntries(
  "Wgg Wgm Wgd Wmg Wmm Wme Wmd Weg Wem Wee Wed Wgb Wmb Web Wdb".split(" ").map((name) => [name, 10_000]),
);
const tableOf = (relays: ReadonlyArray<PretendedRelay>, params = {}, options = {}) =>
  RelayTable.of(directory(relays, { params, weights: flat }), options);
const now = validAfter + 1000;
const hour = 3_600_000;

const open = "accept 1-65535";
/** Two guards, two middles, two exits; of each the one of the two that is named has its microdescriptor. */
const half = [
  { flags: guard, bandwidth: 300 },
  { flags: guard, bandwidth: 100, described: false },
  { flags: middle, bandwidth: 500 },
  { flags: middle, bandwidth: 100, described: false },
  { flags: exit, bandwidth: 900, policy: open },
  { flags: exit, bandwidth: 100, described: false },
];

describe("which part of paths can be built (path-spec 2.1.0)", () => {
  it("is the product of three parts, each by the weight of its position", () => {
    const { guard, middle, exit, paths, hasExits } = pathFractions(tableOf(half));
    assert.strictEqual(guard, 300 / 400);
    assert.strictEqual(middle, 1700 / 2000);
    assert.strictEqual(exit, 900 / 1000);
    assert.approximately(paths, (300 / 400) * (1700 / 2000) * (900 / 1000), 1e-12);
    assert.isTrue(hasExits);
  });

  it("goes by number where nothing has any weight", () => {
    const { guard, middle, exit } = pathFractions(tableOf(half.map((relay) => ({ ...relay, bandwidth: 0 }))));
    assert.deepStrictEqual([guard, middle, exit], [0.5, 0.5, 0.5]);
  });

  it("takes the part of middles for that of exits, if there are none", () => {
    const { exit, hasExits } = pathFractions(tableOf(half.slice(0, 4)));
    assert.strictEqual(exit, 800 / 1000);
    assert.isFalse(hasExits);
  });

  it("counts no exit that is bad, or permits nothing, as far as is known", () => {
    const bad = { flags: `${exit} BadExit`, bandwidth: 5000, described: false };
    const closed = { flags: exit, bandwidth: 5000 };
    assert.strictEqual(pathFractions(tableOf([...half, bad, closed])).exit, 900 / 1000);
  });

  it("counts nobody who is not Running and Valid", () => {
    const gone = [
      { flags: "Fast Valid Guard", described: false },
      { flags: "Fast Running Guard", described: false },
    ];
    assert.deepStrictEqual(pathFractions(tableOf([...half, ...gone])), pathFractions(tableOf(half)));
  });

  it("is nothing without guards, and without relays", () => {
    assert.strictEqual(pathFractions(tableOf(alike(3))).paths, 0);
    assert.strictEqual(pathFractions(tableOf([])).paths, 0);
  });
});

describe("whether a directory is enough for paths (path-spec 2.1.0)", () => {
  const table = tableOf(half);

  it("is no without a consensus", () => {
    const { state, reason, fraction } = directoryReadiness(undefined, { now });
    assert.deepStrictEqual([state, reason, fraction], ["no-consensus", "waiting for a consensus", 0]);
  });

  it("is no with too few microdescriptors, and says what is there", () => {
    const { state, reason, fraction, needed } = directoryReadiness(table, { now });
    assert.strictEqual(state, "microdescriptors");
    assert.strictEqual(
      reason,
      "waiting for microdescriptors: 3 of 6 are here, for 57 % of paths (guards 75 %, middles 85 %, exits 90 %); 60 % are needed",
    );
    assert.approximately(fraction, 0.57375, 1e-9);
    assert.strictEqual(needed, 0.6);
    assert.include(
      directoryReadiness(tableOf(half.slice(0, 4).reverse()), { now, percent: 95 }).reason,
      "there are no exits",
    );
  });

  it("takes what the consensus says is needed, or the operator, within the bounds of param-spec", () => {
    const needs = (params: Readonly<Record<string, number>>, percent?: number) =>
      directoryReadiness(tableOf(half, params), percent === undefined ? { now } : { now, percent }).needed;
    assert.strictEqual(needs({}), 0.6);
    assert.strictEqual(needs({ min_paths_for_circs_pct: 50 }), 0.5);
    assert.strictEqual(needs({ min_paths_for_circs_pct: 1 }), 0.25);
    assert.strictEqual(needs({ min_paths_for_circs_pct: 100 }), 0.95);
    assert.strictEqual(needs({ min_paths_for_circs_pct: 50 }, 80), 0.8);
    assert.strictEqual(needs({}, 1), 0.25);
  });

  it("is yes with enough", () => {
    const { state, reason } = directoryReadiness(table, { now, percent: 57 });
    assert.deepStrictEqual([state, reason], ["ready", "57 % of paths can be built"]);
    const inside = directoryReadiness(tableOf(half.slice(0, 4)), { now, percent: 25 });
    assert.deepStrictEqual(
      [inside.state, inside.reason],
      ["ready", "48 % of paths inside the network, which has no exits can be built"],
    );
  });

  it("counts with what the operator excludes left out, if that is less, and with it, if that is", () => {
    const strict = tableOf(
      half,
      {},
      { exclude: new Set([fingerprintOf(0)]), excludeExits: new Set([fingerprintOf(4)]) },
    );
    assert.strictEqual(directoryReadiness(strict, { now }).fraction, 0);
    const kind = tableOf(half, {}, { exclude: new Set([fingerprintOf(1), fingerprintOf(3), fingerprintOf(5)]) });
    assert.approximately(directoryReadiness(kind, { now }).fraction, 0.57375, 1e-9);
  });

  it("is no with a consensus that ended a day ago, or does not hold yet", () => {
    const end = validAfter + 3 * hour;
    const at = (time: number) => directoryReadiness(table, { now: time, percent: 50 });
    assert.strictEqual(at(end + 24 * hour - 1).state, "ready");
    assert.strictEqual(at(end + 24 * hour).state, "old-consensus");
    assert.strictEqual(at(validAfter - hour).state, "old-consensus");
    assert.include(at(end + 24 * hour).reason, "clock");
  });

  it("is no while a primary guard lacks its microdescriptor, unless the consensus does not list it any more", () => {
    const [there, missing, gone] = [fingerprintOf(0), fingerprintOf(1), fingerprintOf(99)];
    const with_ = (...guards: ReadonlyArray<string>) => directoryReadiness(table, { now, percent: 50, guards });
    assert.strictEqual(with_(there, gone).state, "ready");
    assert.strictEqual(with_(there, missing).state, "guard-microdescriptors");
    assert.strictEqual(with_(there, missing).reason, "waiting for microdescriptors of 1 of 2 guards");
  });
});
