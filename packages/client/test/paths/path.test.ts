import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { Random as Generator } from "../../../../test/support/fuzz.ts";
import { targets } from "../../fuzz/paths.fuzz.ts";
import {
  BadPathLength,
  chooseLeg,
  chooseLegs,
  choosePath,
  confluxExitShare,
  type GuardLimits,
  maxHops,
  NoSuitableRelay,
  type Path,
  type PathRequest,
  type Relay,
  RelayTable,
} from "../../src/paths/index.ts";
import {
  alike,
  directory,
  exit,
  fingerprintOf,
  guard,
  middle,
  type PretendedRelay,
  refusal,
  seeded,
} from "./support.ts";

const names = (path: Path) => path.map(({ status }) => status.nickname);
const web = { _tag: "exit", needs: [{ family: 4, port: 443 }] } as const;
const opened = { flags: exit, policy: "accept 443" };

describe("a path (path-spec 2.2)", () => {
  const table = RelayTable.of(directory([...alike(2, { flags: guard }), ...alike(9), opened, opened]));
  const firstGuard = (): Relay => table.relayAt(0);
  const choose = (request: Partial<PathRequest>, seed = 1) =>
    choosePath(table, { end: web, guard: firstGuard, ...request }, seeded(seed));

  it("has three relays: the guard that is given, a middle, an exit that permits what is needed", () => {
    for (let seed = 0; seed < 50; seed++) {
      const path = choose({}, seed);
      assert.strictEqual(path.length, 3);
      assert.strictEqual(path[0]?.status.nickname, "relay0");
      assert.include(["relay11", "relay12"], path[2]?.status.nickname);
      assert.notInclude(["relay0", "relay11", "relay12"], path[1]?.status.nickname);
    }
  });

  it("has as many relays as are wanted, all of them others", () => {
    for (let hops = 2; hops <= maxHops; hops++) {
      const path = choose({ hops });
      assert.strictEqual(new Set(names(path)).size, hops);
      assert.strictEqual(path[0]?.status.nickname, "relay0");
    }
  });

  it("is the guard alone for directory requests", () => {
    assert.deepStrictEqual(names(choose({ end: { _tag: "guard" } })), ["relay0"]);
  });

  it("ends with a relay like a middle one, if it stays inside", () => {
    const either = (limits: GuardLimits) => table.relayAt(limits.related(fingerprintOf(0)) ? 1 : 0);
    const ends = new Set(
      Array.from({ length: 60 }, (_, seed) => names(choose({ end: { _tag: "internal" }, guard: either }, seed))[2]),
    );
    assert.isAbove(ends.size, 5);
    // Exits weigh nothing there (Wme).
    assert.isFalse(ends.has("relay11"));
  });

  it("ends with the relay that is named", () => {
    const relay = table.relayAt(5);
    assert.strictEqual(names(choose({ end: { _tag: "relay", relay } }))[2], "relay5");
    assert.deepStrictEqual(names(choose({ end: { _tag: "relay", relay }, hops: 1 })), ["relay5"]);
  });

  it("ends with an exit for most of what is wanted", () => {
    const needs = [443, 25].map((port) => ({ family: 4 as const, port }));
    assert.include(["relay11", "relay12"], names(choose({ end: { _tag: "exitForMost", needs } }))[2]);
    assert.deepStrictEqual(
      refusal(() => choose({ end: { _tag: "exit", needs } })),
      { exitPolicy: 13 },
    );
  });

  it("does not end with an exit that has failed (path-spec 2.5)", () => {
    for (let seed = 0; seed < 20; seed++)
      assert.strictEqual(names(choose({ end: { ...web, avoid: new Set([fingerprintOf(11)]) } }, seed))[2], "relay12");
  });

  it.each<readonly [string, Partial<PathRequest>]>([
    ["none", { hops: 0 }],
    ["one, out of the network", { hops: 1 }],
    ["one, inside", { hops: 1, end: { _tag: "internal" } }],
    ["two, for directory requests", { hops: 2, end: { _tag: "guard" } }],
    ["nine: more than anybody needs", { hops: 9 }],
    ["a part of one", { hops: 2.5 }],
  ])("is not of this length: %s", (_, request) => {
    try {
      choose(request);
      assert.fail("there is a path");
    } catch (error) {
      assert.instanceOf(error, BadPathLength);
      assert.strictEqual(error._tag, "BadPathLength");
      assert.strictEqual(error.hops, request.hops);
    }
  });

  it("is of Stable relays for long-lived ports, and only for these", () => {
    const flags = "Fast Running Valid";
    const mixed = RelayTable.of(
      directory([
        { flags: guard },
        ...alike(5, { flags }),
        { flags: middle },
        { flags: `${flags} Exit`, policy: "accept 1-65535" },
        { flags: exit, policy: "accept 1-65535" },
      ]),
    );
    const to = (port: number, stable?: boolean) =>
      new Set(
        Array.from({ length: 40 }, (_, seed) => {
          const end = { _tag: "exit", needs: [{ family: 4, port }] } as const;
          const request = { end, guard: () => mixed.relayAt(0), ...(stable === undefined ? {} : { stable }) };
          return names(choosePath(mixed, request, seeded(seed)))
            .slice(1)
            .join(" ");
        }),
      );
    assert.deepStrictEqual([...to(22)], ["relay6 relay8"]);
    assert.deepStrictEqual([...to(443, true)], ["relay6 relay8"]);
    assert.isAbove(to(443).size, 5);
    assert.isAbove(to(22, false).size, 5);
  });
});

describe("the guard of a path (guard-spec 4.6)", () => {
  const family = [0, 1, 3].map((number) => `$${fingerprintOf(number)}`);
  const table = RelayTable.of(
    directory([
      { flags: guard, family },
      { flags: guard, address: "192.0.2.1" },
      { flags: guard },
      { ...opened, family, address: "192.0.2.2" },
      { flags: guard, described: false },
      {},
    ]),
  );

  it("is given by its keeper, who is told what it must keep clear of", () => {
    let seen: GuardLimits | undefined;
    const keeper = (limits: GuardLimits) => {
      seen = limits;
      return table.relayAt(2);
    };
    choosePath(table, { end: web, guard: keeper }, seeded(1));
    assert.strictEqual(seen?.last?.status.nickname, "relay3");
    assert.deepStrictEqual(
      [0, 1, 2, 3, 4, 99].map((number) => seen?.related(fingerprintOf(number))),
      [true, true, false, true, false, false],
    );
    assert.deepStrictEqual(
      [0, 1, 2, 3].map((number) => seen?.check(table.relayAt(number))),
      ["family", "subnet", undefined, "used"],
    );
  });

  it.each([
    [0, "family"],
    [1, "subnet"],
    [3, "used"],
  ] as const)("may not be relay %i, beside this exit: %s", (number, rule) => {
    try {
      choosePath(table, { end: web, guard: () => table.relayAt(number) }, seeded(1));
      assert.fail("there is a path");
    } catch (error) {
      assert.instanceOf(error, NoSuitableRelay);
      assert.deepStrictEqual([error.role, error.considered, error.ruledOut], ["guard", 1, { [rule]: 1 }]);
    }
  });

  it("may be refused by its keeper, in his own words", () => {
    const words = new Error("all guards are down");
    const keeper = () => {
      throw words;
    };
    assert.throws(() => choosePath(table, { end: web, guard: keeper }, seeded(1)), words.message);
  });
});

describe("two legs to one exit (proposal 329)", () => {
  const relays = [...alike(9, { flags: guard }), ...alike(4), opened, { ...opened, protocols: "Relay=2-4" }];
  const table = RelayTable.of(directory(relays));
  const guards = Array.from({ length: 9 }, (_, index) => table.relayAt(index));
  const keeper = (limits: GuardLimits) => guards.find((relay) => limits.check(relay) === undefined) ?? guards[0]!;

  it("end where conflux is spoken, and share nothing else", () => {
    for (let seed = 0; seed < 50; seed++) {
      const random = seeded(seed);
      const first = choosePath(table, { end: { ...web, conflux: true }, guard: keeper }, random);
      const second = chooseLeg(table, [first], { guard: keeper }, random);
      const third = chooseLeg(table, [first, second], { guard: keeper }, random);
      assert.deepStrictEqual(
        [first, second, third].map((leg) => names(leg)[2]),
        ["relay13", "relay13", "relay13"],
      );
      assert.strictEqual(new Set([first, second, third].flatMap((leg) => names(leg).slice(0, 2))).size, 6);
    }
  });

  it("tell the keeper of guards who is taken", () => {
    const random = seeded(1);
    const first = choosePath(table, { end: { ...web, conflux: true }, guard: keeper }, random);
    let used: ReadonlySet<string> = new Set();
    chooseLeg(
      table,
      [first],
      {
        guard: (limits) => {
          used = limits.used;
          return keeper(limits);
        },
      },
      random,
    );
    assert.deepStrictEqual(
      [...used],
      first.slice(0, 2).map(({ status }) => status.fingerprint),
    );
  });

  it("are not there if there are too few relays", () => {
    const few = RelayTable.of(directory([...alike(2, { flags: guard }), {}, opened]));
    const path = [0, 2, 3].map((index) => few.relayAt(index));
    assert.deepStrictEqual(
      refusal(() => chooseLeg(few, [path], { guard: () => few.relayAt(1) }, seeded(1))),
      { used: 4 },
    );
    assert.deepStrictEqual(
      refusal(() => chooseLeg(few, [path], { guard: () => few.relayAt(0) }, seeded(1))),
      { used: 1 },
    );
  });

  it("may have middle relays of one family, each in another leg, as they are in no one path", () => {
    const family = [2, 3].map((number) => `$${fingerprintOf(number)}`);
    const related = RelayTable.of(
      directory([...alike(2, { flags: guard }), ...alike(2, { flags: middle, family }), opened]),
    );
    const path = [0, 2, 4].map((index) => related.relayAt(index));
    assert.deepStrictEqual(names(chooseLeg(related, [path], { guard: () => related.relayAt(1) }, seeded(1))), [
      "relay1",
      "relay3",
      "relay4",
    ]);
  });

  it.each([
    ["family", { family: [0, 1].map((number) => `$${fingerprintOf(number)}`) }],
    ["subnet", { address: "6.6.6.6" }],
  ] as const)("do not begin with guards of one %s", (rule, alike) => {
    const related = RelayTable.of(
      directory([{ flags: guard, ...alike }, { flags: guard, ...alike }, { flags: guard }, {}, {}, opened]),
    );
    const inOrder = (limits: GuardLimits) =>
      [0, 1, 2].map((index) => related.relayAt(index)).find((relay) => limits.check(relay) === undefined)!;
    const [first, second] = chooseLegs(related, { end: web, legs: 2, guard: inOrder }, seeded(1));
    assert.deepStrictEqual([names(first!)[0], names(second!)[0]], ["relay0", "relay2"]);
    const path = [0, 3, 5].map((index) => related.relayAt(index));
    assert.deepStrictEqual(names(chooseLeg(related, [path], { guard: inOrder }, seeded(1)))[0], "relay2");
    assert.deepStrictEqual(
      refusal(() => chooseLeg(related, [path], { guard: () => related.relayAt(1) }, seeded(1))),
      { [rule]: 1 },
    );
  });

  it("are chosen together so that none takes a guard for its middle that another would have had", () => {
    for (let seed = 0; seed < 200; seed++) {
      const legs = chooseLegs(table, { end: web, legs: 3, guard: keeper }, seeded(seed)).map(names);
      assert.deepStrictEqual(
        legs.map(([first]) => first),
        ["relay0", "relay1", "relay2"],
      );
      assert.deepStrictEqual(new Set(legs.map((leg) => leg[2])), new Set(["relay13"]));
      assert.strictEqual(new Set(legs.flatMap((leg) => leg.slice(0, 2))).size, 6);
    }
  });

  it("have each of the other relays for their middle, as often as its weight says", () => {
    const weighed = RelayTable.of(
      directory([
        ...alike(2, { flags: guard, bandwidth: 1 }),
        { bandwidth: 100 },
        { bandwidth: 200 },
        { bandwidth: 300 },
        { ...opened, bandwidth: 1 },
      ]),
    );
    const both = (limits: GuardLimits) =>
      [0, 1].map((index) => weighed.relayAt(index)).find((relay) => limits.check(relay) === undefined)!;
    const random = seeded(7);
    const pairs = new Map<string, number>();
    const rounds = 6_000;
    for (let round = 0; round < rounds; round++) {
      const [first, second] = chooseLegs(weighed, { end: web, legs: 2, guard: both }, random).map(names);
      const pair = `${first?.[1]} ${second?.[1]}`;
      pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
    }
    const weights = { relay2: 100, relay3: 200, relay4: 300 };
    for (const [one, weight] of Object.entries(weights)) {
      assert.isUndefined(pairs.get(`${one} ${one}`));
      for (const [other, otherWeight] of Object.entries(weights)) {
        if (one === other) continue;
        const expected = (weight / 600) * (otherWeight / (600 - weight));
        const seen = (pairs.get(`${one} ${other}`) ?? 0) / rounds;
        // Four standard deviations.
        assert.isBelow(
          Math.abs(seen - expected),
          4 * Math.sqrt((expected * (1 - expected)) / rounds),
          `${one} ${other}`,
        );
      }
    }
  });

  it("are not there without a second guard, or an exit that offers conflux", () => {
    const lone = RelayTable.of(directory([{ flags: guard }, {}, {}, opened]));
    assert.deepStrictEqual(
      refusal(() => chooseLegs(lone, { end: web, legs: 2, guard: () => lone.relayAt(0) }, seeded(1))),
      { used: 1 },
    );
    const none = RelayTable.of(
      directory([...alike(2, { flags: guard }), {}, {}, { ...opened, protocols: "Relay=2-4" }]),
    );
    assert.deepStrictEqual(
      refusal(() => chooseLegs(none, { end: web, legs: 2, guard: () => none.relayAt(0) }, seeded(1))).protocols,
      1,
    );
  });
});

describe("the share of exits that offer conflux", () => {
  it("is of all exits, whatever their weights; bad ones count as none", () => {
    const silent = { ...opened, protocols: "Relay=2-4", bandwidth: 1_000_000 };
    const bad = { ...silent, flags: `${exit} BadExit` };
    const share = (...relays: ReadonlyArray<PretendedRelay>) => confluxExitShare(RelayTable.of(directory(relays)));
    assert.strictEqual(share({}, { flags: guard }), 0);
    assert.strictEqual(share(opened, opened, opened, silent, bad, {}), 0.75);
    assert.strictEqual(share(opened), 1);
  });
});

describe("in any network", () => {
  const [paths] = targets;
  it.prop("all rules hold for all paths, or the failure counts all relays", { seed: Schema.Int }, ({ seed }) => {
    const random = new Generator(seed);
    for (let round = 0; round < 10; round++) paths?.run(random);
  });
});
