import { assert, describe, it } from "@effect/vitest";
import {
  type ChoiceOptions,
  chooseDirectoryCache,
  chooseExit,
  chooseExitForMost,
  chooseMiddle,
  type ExitNeed,
  NoSuitableRelay,
  RelayTable,
} from "../../src/paths/index.ts";
import {
  alike,
  assertDistribution,
  both,
  directory,
  exit,
  fingerprintOf,
  guard,
  middle,
  type PretendedConsensus,
  type PretendedRelay,
  refusal,
  seeded,
  tally,
} from "./support.ts";

const web: ReadonlyArray<ExitNeed> = [{ family: 4, port: 443 }];
const open = { flags: exit, policy: "accept 1-65535" };
const tableOf = (relays: ReadonlyArray<PretendedRelay>, consensus?: PretendedConsensus, options = {}) =>
  RelayTable.of(directory(relays, consensus), options);
/** Who is ever chosen, of few. */
const chosen = (choose: (random: ReturnType<typeof seeded>) => { readonly status: { readonly nickname: string } }) => {
  const random = seeded(3);
  return [...tally(200, () => choose(random).status.nickname).keys()].sort();
};

describe("choices follow the weights (path-spec 2.2, dir-spec 3.8.3)", () => {
  const relays = [guard, middle, exit, both].flatMap((flags, kind) =>
    [100, 700, 3000].map((bandwidth) => ({
      nickname: `kind${kind}bandwidth${bandwidth}`,
      flags,
      bandwidth,
      policy: "accept 80,443",
    })),
  );
  const weights = { Wmg: 4000, Wmm: 10_000, Wme: 1000, Wmd: 500, Weg: 3000, Wem: 2000, Wee: 10_000, Wed: 6000 };
  const others = { Wbg: 2000, Wbm: 0, Wbe: 0, Wbd: 9000, Wgb: 10_000, Wmb: 10_000, Web: 10_000, Wdb: 8000 };
  const table = tableOf(relays, { weights: { ...weights, ...others } });
  /** What each relay weighs: by hand, in the order guard, neither, exit, both; these serve directory requests: guard, both. */
  const expected = (factors: ReadonlyArray<number>) =>
    new Map(
      relays
        .map(
          ({ nickname, bandwidth }, index) =>
            [nickname, bandwidth * (factors[Math.floor(index / 3)] as number)] as const,
        )
        .filter(([, weight]) => weight > 0),
    );

  it("for middles", () => {
    const random = seeded(11);
    assertDistribution(
      tally(30_000, () => chooseMiddle(table, {}, random).status.nickname),
      expected([0.4, 1, 0.1, 0.05 * 0.8]),
    );
  });

  it("for exits", () => {
    const random = seeded(12);
    assertDistribution(
      tally(30_000, () => chooseExit(table, web, {}, random).status.nickname),
      expected([0.3, 0.2, 1, 0.6 * 0.8]),
    );
  });

  it("for directory caches", () => {
    const random = seeded(13);
    assertDistribution(
      tally(30_000, () => chooseDirectoryCache(table, {}, random).status.nickname),
      expected([0.2, 0, 0, 0.9]),
    );
  });

  it("among those that are left, if some are ruled out by what is in the path", () => {
    const random = seeded(14);
    const path = [4, 5, 8].map((index) => table.relayAt(index));
    const left = new Map(expected([0.4, 1, 0.1, 0.05 * 0.8]));
    for (const { status } of path) left.delete(status.nickname);
    assertDistribution(
      tally(30_000, () => chooseMiddle(table, { path }, random).status.nickname),
      left,
    );
  });

  it("also among few that are left of many", () => {
    const random = seeded(15);
    const crowd = tableOf([
      ...alike(300, { family: alikeFamily, bandwidth: 9000 }),
      { bandwidth: 100 },
      { bandwidth: 300 },
    ]);
    assertDistribution(
      tally(2000, () => chooseMiddle(crowd, { path: [crowd.relayAt(0)] }, random).status.nickname),
      new Map([
        ["relay300", 100],
        ["relay301", 300],
      ]),
    );
  });

  it("and are even in a network where nothing was measured yet", () => {
    const random = seeded(16);
    const fresh = tableOf(alike(4, { bandwidth: 0 }));
    assertDistribution(
      tally(4000, () => chooseMiddle(fresh, {}, random).status.nickname),
      new Map([0, 1, 2, 3].map((number) => [`relay${number}`, 1])),
    );
  });
});

/** The first 300 relays, as members of one family. */
const alikeFamily = Array.from({ length: 300 }, (_, number) => `$${fingerprintOf(number)}`);

describe("who may not be there is not chosen, and the failure counts them", () => {
  const fails = (
    relay: PretendedRelay,
    choose: (table: RelayTable) => unknown,
    good: PretendedRelay = open,
    options = {},
  ) => {
    const table = tableOf([good, relay, relay], undefined, options);
    const [first] = chosen((random) => chooseExit(table, [], {}, random));
    assert.strictEqual(first, "relay0");
    return refusal(() => choose(tableOf([relay, relay], undefined, options)));
  };
  const exitFor443 = (table: RelayTable) => chooseExit(table, web, {}, seeded(1));

  it.each<readonly [name: string, flags: string, ruledOut: Readonly<Record<string, number>>]>([
    ["not Running (path-spec 2.2)", "Exit Fast Stable Valid", { running: 2 }],
    ["not Valid (path-spec 2.2)", "Exit Fast Stable Running", { running: 2 }],
    ["a BadExit (path-spec 2.2.1)", `${exit} BadExit`, { badExit: 2 }],
    ["for the middle only (proposal 335)", `${exit} MiddleOnly`, { badExit: 2 }],
  ])("an exit that is %s", (_, flags, ruledOut) => {
    assert.deepStrictEqual(fails({ ...open, flags }, exitFor443), ruledOut);
  });

  it("an exit whose policy forbids the port (path-spec 2.2.1)", () => {
    assert.deepStrictEqual(fails({ ...open, policy: "reject 443" }, exitFor443, open), { exitPolicy: 2 });
  });

  it("a relay that does not speak EXTEND2 (tor-spec 9.3, Relay=2)", () => {
    assert.deepStrictEqual(fails({ ...open, protocols: "Link=4-5 Relay=1" }, exitFor443), { protocols: 2 });
    assert.deepStrictEqual(
      refusal(() => chooseMiddle(tableOf([{ protocols: "Link=4-5" }]), {}, seeded(1))),
      { protocols: 1 },
    );
  });

  it.each(["Conflux", "FlowCtrl", "Relay"])(
    "an exit for conflux that lacks its version of %s (proposal 329)",
    (name) => {
      const all = { Conflux: "1", FlowCtrl: "1-2", Relay: "1-4" };
      const line = (versions: Readonly<Record<string, string>>) =>
        Object.entries(versions)
          .map(([each, list]) => `${each}=${list}`)
          .join(" ");
      const lacking = {
        ...open,
        protocols: line({ ...all, [name]: name === "Relay" ? "1-3" : name === "FlowCtrl" ? "1" : "" }),
      };
      const table = tableOf([{ ...open, protocols: line(all) }, lacking]);
      assert.deepStrictEqual(
        chosen((random) => chooseExit(table, web, { conflux: true }, random)),
        ["relay0"],
      );
      assert.deepStrictEqual(
        chosen((random) => chooseExit(table, web, {}, random)),
        ["relay0", "relay1"],
      );
      assert.deepStrictEqual(
        refusal(() => chooseExit(tableOf([lacking]), web, { conflux: true }, seeded(1))),
        { protocols: 1 },
      );
    },
  );

  it("a relay that the operator excludes, or does as an exit", () => {
    const excludeExits = { excludeExits: new Set([fingerprintOf(0)]) };
    const exclude = { exclude: new Set([fingerprintOf(0)]) };
    assert.deepStrictEqual(
      refusal(() => exitFor443(tableOf([open], undefined, exclude))),
      { excluded: 1 },
    );
    assert.deepStrictEqual(
      refusal(() => exitFor443(tableOf([open], undefined, excludeExits))),
      { excluded: 1 },
    );
    assert.deepStrictEqual(
      refusal(() => chooseMiddle(tableOf([open], undefined, exclude), {}, seeded(1))),
      { excluded: 1 },
    );
    assert.deepStrictEqual(
      chosen((random) => chooseMiddle(tableOf([open], undefined, excludeExits), {}, random)),
      ["relay0"],
    );
  });

  it("a relay that does not serve directory requests, as a cache (dir-spec 3.4.1, V2Dir)", () => {
    const table = tableOf([{}, { flags: `${middle} V2Dir` }]);
    assert.deepStrictEqual(
      chosen((random) => chooseDirectoryCache(table, {}, random)),
      ["relay1"],
    );
    assert.deepStrictEqual(
      refusal(() => chooseDirectoryCache(table, { avoid: new Set([fingerprintOf(1)]) }, seeded(1))),
      { directory: 1, avoided: 1 },
    );
  });

  it("an exit that has refused what its policy permits (path-spec 2.5)", () => {
    const table = tableOf([open, open]);
    const avoid = new Set([fingerprintOf(0)]);
    assert.deepStrictEqual(
      chosen((random) => chooseExit(table, web, { avoid }, random)),
      ["relay1"],
    );
  });

  it("a relay of the path, its family, and its neighbours; one of another leg, but not its neighbours (path-spec 2.2)", () => {
    const family = [`$${fingerprintOf(0)}`, `$${fingerprintOf(1)}`];
    const relays = [{ family, address: "192.0.2.1" }, { family }, { address: "192.0.3.1" }, { ipv6: "2001:db8::1" }];
    const table = tableOf([...relays, { ipv6: "2001:db8:1::1" }]);
    const [first, , , fourth] = [0, 1, 2, 3].map((index) => table.relayAt(index));
    const middles = (options: ChoiceOptions) => chosen((random) => chooseMiddle(table, options, random));
    assert.deepStrictEqual(middles({ path: [first!] }), ["relay3", "relay4"]);
    assert.deepStrictEqual(middles({ path: [fourth!] }), ["relay0", "relay1", "relay2"]);
    assert.deepStrictEqual(middles({ used: [first!, fourth!] }), ["relay1", "relay2", "relay4"]);
    assert.deepStrictEqual(
      refusal(() => chooseMiddle(table, { path: [first!, fourth!] }, seeded(1))),
      { used: 2, family: 1, subnet: 2 },
    );
  });

  it("but neighbours may be in one path if subnets need not be distinct (path-spec 2.2, EnforceDistinctSubnets)", () => {
    const table = tableOf(alike(2, { address: "127.0.0.1" }), undefined, { enforceDistinctSubnets: false });
    assert.deepStrictEqual(
      chosen((random) => chooseMiddle(table, { path: [table.relayAt(0)] }, random)),
      ["relay1"],
    );
    const strict = tableOf(alike(2, { address: "127.0.0.1" }));
    assert.deepStrictEqual(
      refusal(() => chooseMiddle(strict, { path: [strict.relayAt(0)] }, seeded(1))),
      { used: 1, subnet: 1 },
    );
  });

  it("and the failure says so in words", () => {
    try {
      chooseExit(tableOf([{ ...open, flags: "Exit" }, { ...open, policy: "accept 80" }, {}]), web, {}, seeded(1));
      assert.fail("a relay was chosen");
    } catch (error) {
      assert.instanceOf(error, NoSuitableRelay);
      assert.strictEqual(error._tag, "NoSuitableRelay");
      assert.deepStrictEqual([error.role, error.considered], ["exit", 3]);
      assert.strictEqual(error.message, "no relay can be the exit: of 3, ruled out by running 1, exitPolicy 2");
      // Rules that were applied in vain are named too.
      assert.strictEqual(error.ruledOut.badExit, 0);
      assert.strictEqual(error.ruledOut.directory, undefined);
    }
    assert.strictEqual(
      new NoSuitableRelay("middle", 0, {}).message,
      "no relay can be the middle: of 0, ruled out by nothing",
    );
  });
});

describe("what an exit permits (path-spec 2.2.1)", () => {
  const table = tableOf([
    { flags: exit, policy: "accept 80,443" },
    { flags: exit, policy: "accept 80", ipv6Policy: "accept 443" },
    { flags: exit, policy: "reject 25" },
    // Without the flag, as few as it permits: it may serve for what it does.
    { policy: "accept 22" },
    {},
  ]);
  const exits = (...needs: ReadonlyArray<ExitNeed>) => chosen((random) => chooseExit(table, needs, {}, random));

  it("is asked by address family and port", () => {
    assert.deepStrictEqual(exits({ family: 4, port: 443 }), ["relay0", "relay2"]);
    assert.deepStrictEqual(exits({ family: 6, port: 443 }), ["relay1"]);
    assert.deepStrictEqual(exits({ family: "either", port: 443 }), ["relay0", "relay1", "relay2"]);
  });

  it("must be all of what is needed", () => {
    assert.deepStrictEqual(exits({ family: 4, port: 80 }, { family: 6, port: 443 }), ["relay1"]);
    assert.deepStrictEqual(exits({ family: 4, port: 80 }, { family: 4, port: 8080 }), ["relay2"]);
  });

  it("must be something at least, for resolves and where nothing is known yet", () => {
    assert.deepStrictEqual(exits(), ["relay0", "relay1", "relay2", "relay3"]);
  });

  it("is as much as can be had of what is wanted, if not all can (path-spec 2.1.2)", () => {
    const most = (...wanted: ReadonlyArray<ExitNeed>) =>
      chosen((random) => chooseExitForMost(table, wanted, {}, random));
    assert.deepStrictEqual(most({ family: 4, port: 80 }, { family: 4, port: 443 }, { family: 4, port: 25 }), [
      "relay0",
      "relay2",
    ]);
    assert.deepStrictEqual(most({ family: 6, port: 443 }, { family: 6, port: 80 }), ["relay1"]);
    assert.deepStrictEqual(most(), ["relay0", "relay1", "relay2", "relay3"]);
    assert.deepStrictEqual(
      refusal(() => chooseExitForMost(table, [{ family: 6, port: 25 }], {}, seeded(1))),
      { exitPolicy: 5 },
    );
    assert.deepStrictEqual(
      refusal(() => chooseExitForMost(table, [{ family: 6, port: 443 }], { path: [table.relayAt(1)] }, seeded(1))),
      { exitPolicy: 4, used: 1 },
    );
    // The best one is in the path already; it sets no mark for the others.
    const path = [table.relayAt(2)];
    const wanted: ReadonlyArray<ExitNeed> = [
      { family: 4, port: 80 },
      { family: 4, port: 8080 },
    ];
    assert.deepStrictEqual(
      chosen((random) => chooseExitForMost(table, wanted, { path }, random)),
      ["relay0", "relay1"],
    );
  });
});

describe("Fast and Stable (path-spec 2.2)", () => {
  const slow = { ...open, flags: "Exit Running Stable Valid" };
  const unstable = { ...open, flags: "Exit Fast Running Valid" };
  const neither = { ...open, flags: "Exit Running Valid" };
  const exits = (relays: ReadonlyArray<PretendedRelay>, port: number, options = {}) =>
    chosen((random) => chooseExit(tableOf(relays), [{ family: 4, port }], options, random));

  it("are asked for: Fast always, Stable for the ports of LongLivedPorts", () => {
    const all = [open, slow, unstable, neither];
    assert.deepStrictEqual(exits(all, 443), ["relay0", "relay2"]);
    for (const port of [21, 22, 706, 1863, 5050, 5190, 5222, 5223, 6667, 6697, 8300])
      assert.deepStrictEqual(exits(all, port), ["relay0"], `${port}`);
    assert.deepStrictEqual(exits(all, 22, { stable: false }), ["relay0", "relay2"]);
    assert.deepStrictEqual(exits(all, 443, { stable: true }), ["relay0"]);
    assert.deepStrictEqual(exits(all, 443, { fast: false }), ["relay0", "relay1", "relay2", "relay3"]);
  });

  it("are given up if nobody has them, Stable first", () => {
    assert.deepStrictEqual(exits([slow, unstable, neither], 22), ["relay1"]);
    assert.deepStrictEqual(exits([slow, neither], 22), ["relay0", "relay1"]);
    assert.deepStrictEqual(exits([slow, neither], 443), ["relay0", "relay1"]);
  });
});
