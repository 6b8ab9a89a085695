import { assert, describe, it } from "@effect/vitest";
import { type GuardCandidate, GuardFilter } from "../../src/guards/index.ts";
import { Bench, candidate, candidates, relay, viewOf } from "./support.ts";

const only4: GuardCandidate = { ...candidate(1), addresses: [{ address: "192.0.2.1", port: 443 }] };
const only6: GuardCandidate = { ...candidate(2), addresses: [{ address: "2001:db8::2", port: 9001 }] };

describe("the filtered set (guard-spec 4.2)", () => {
  it("has only guards that are listed", () => {
    const bench = new Bench(viewOf(candidates(3)));
    bench.update(viewOf(candidates(2)));
    assert.deepStrictEqual(
      bench
        .snapshot()
        .filter(({ filtered }) => !filtered)
        .map(({ fingerprint }) => fingerprint),
      [relay(3)],
    );
    assert.notInclude(bench.primary(), relay(3));
  });

  it("has only guards with an address of a family that may be used (ClientUseIPv4, ClientUseIPv6)", () => {
    assert.isTrue(new GuardFilter({ ipv6: false }).allows(only4));
    assert.isFalse(new GuardFilter({ ipv6: false }).allows(only6));
    assert.isFalse(new GuardFilter({ ipv4: false }).allows(only4));
    assert.isTrue(new GuardFilter({ ipv4: false }).allows(only6));
  });

  it("has only guards with an address that can be reached (ReachableAddresses, FascistFirewall)", () => {
    const firewall = new GuardFilter({ reachable: ({ port }) => port === 443 });
    assert.isTrue(firewall.allows(only4));
    assert.isFalse(firewall.allows(only6));
  });

  it("has only guards that are named or not ruled out (EntryNodes, ExcludeNodes)", () => {
    const bench = new Bench(viewOf(candidates(5)), {
      filter: new GuardFilter({ allowed: (guard) => guard === relay(4) }),
    });
    assert.deepStrictEqual(bench.primary(), [relay(4)]);
  });

  it("gives a guard's addresses in the order of preference (ClientPreferIPv6ORPort)", () => {
    const families = (filter: GuardFilter): ReadonlyArray<number> =>
      filter.addresses(candidate(1)).map(({ address }) => (address.includes(":") ? 6 : 4));
    assert.deepStrictEqual(families(new GuardFilter({})), [4, 6]);
    assert.deepStrictEqual(families(new GuardFilter({ prefer: "ipv6" })), [6, 4]);
    assert.deepStrictEqual(families(new GuardFilter({ prefer: "ipv6", ipv6: false })), [4]);
    const bench = new Bench(viewOf([candidate(1)]), { filter: new GuardFilter({ prefer: "ipv6" }) });
    assert.deepStrictEqual(bench.choose().guard.addresses, [...candidate(1).addresses].reverse());
  });

  it("uses the addresses of the newest consensus", () => {
    const bench = new Bench(viewOf([candidate(1)]));
    const addresses = [{ address: "198.51.100.7", port: 80 }];
    bench.update(viewOf([{ ...candidate(1), addresses, nickname: "renamed" }]));
    assert.deepStrictEqual(bench.choose().guard, { fingerprint: relay(1), nickname: "renamed", addresses });
  });

  it("is computed anew when the configuration changes, without a change to what is sampled (guard-spec 4.10)", () => {
    const bench = new Bench(viewOf(candidates(3)));
    const before = bench.set.state();
    const [first, ...others] = bench.primary();
    bench.set.update(bench.view, bench.now, bench.random, new GuardFilter({ allowed: (guard) => guard !== first }));
    assert.deepStrictEqual(bench.primary(), others);
    assert.deepStrictEqual(bench.set.state(), before);
    bench.set.update(bench.view, bench.now, bench.random, GuardFilter.none);
    assert.sameMembers([...bench.primary()], [first as string, ...others]);
  });

  it("says so if it is empty", () => {
    const bench = new Bench(viewOf(candidates(3)), { filter: new GuardFilter({ ipv4: false, ipv6: false }) });
    const error = bench.refuse();
    assert.strictEqual(error.reason, "all-filtered");
    assert.deepStrictEqual(error.counts, { sampled: 3, filtered: 0, permitted: 0, usable: 0 });
    assert.isUndefined(error.retryAt);
  });

  it("makes the sample grow until MIN_FILTERED_SAMPLE guards can be used, or the sample is full", () => {
    const half = new GuardFilter({ allowed: (guard) => Number.parseInt(guard, 16) % 2 === 0 });
    const bench = new Bench(viewOf(candidates(1000)), { filter: half });
    assert.strictEqual(bench.snapshot().filter(({ filtered }) => filtered).length, 20);
    assert.isAbove(bench.sampled().length, 25);
    const nothing = new Bench(viewOf(candidates(1000)), { filter: new GuardFilter({ allowed: () => false }) });
    assert.strictEqual(nothing.sampled().length, 60);
  });
});
