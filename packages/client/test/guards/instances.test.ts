import { NetParams } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { chooseInstance, GuardFilter, GuardSets, guardParams } from "../../src/guards/index.ts";
import { candidates, minute, relay, seeded, start, viewOf } from "./support.ts";

const defaults = guardParams(NetParams.none);
const upTo = (limit: number) => new GuardFilter({ allowed: (guard) => Number.parseInt(guard, 16) <= limit });

describe("the samples that are kept apart (guard-spec 2)", () => {
  it("are the restricted one below MEANINGFUL_RESTRICTION_FRAC, and the common one otherwise", () => {
    const choose = (allowed: number) => chooseInstance({ listed: 1000, allowed }, defaults, undefined);
    assert.deepStrictEqual([199, 200, 1000].map(choose), ["restricted", "default", "default"]);
  });

  it("are changed only once the fraction is 5 % beyond", () => {
    const choose = (previous: "default" | "restricted") => (allowed: number) =>
      chooseInstance({ listed: 1000, allowed }, defaults, previous);
    assert.deepStrictEqual([199, 190, 189].map(choose("default")), ["default", "default", "restricted"]);
    assert.deepStrictEqual([200, 209, 210].map(choose("restricted")), ["restricted", "restricted", "default"]);
  });

  it("follow the consensus's bound", () => {
    const params = guardParams(new NetParams(new Map([["guard-meaningful-restriction-percent", 50]])));
    assert.strictEqual(chooseInstance({ listed: 10, allowed: 4 }, params, undefined), "restricted");
  });

  it("have the restricted one sampled from what is allowed only", () => {
    const sets = new GuardSets({ version: "1", filter: upTo(30) });
    const { switched, extremelyRestricted } = sets.update(viewOf(candidates(1000)), start, seeded(1));
    assert.isTrue(switched);
    assert.isFalse(extremelyRestricted);
    assert.strictEqual(sets.active.instance, "restricted");
    const { samples } = sets.state();
    assert.strictEqual(samples.default.length, 0);
    assert.strictEqual(samples.restricted.length, 20);
    assert.isTrue(samples.restricted.every(({ fingerprint }) => fingerprint <= relay(30)));
  });

  it("tell a configuration that makes the client stand out (EXTREME_RESTRICTION_FRAC)", () => {
    const extreme = (limit: number): boolean =>
      new GuardSets({ version: "1", filter: upTo(limit) }).update(viewOf(candidates(1000)), start, seeded(1))
        .extremelyRestricted;
    assert.deepStrictEqual([9, 10].map(extreme), [true, false]);
  });

  it("rest while the other is in use, and are as before when they are used again", () => {
    const random = seeded(1);
    const sets = new GuardSets({ version: "1" });
    sets.update(viewOf(candidates(1000)), start, random);
    const { ticket, guard } = sets.active.choose({ purpose: "data", now: start, random });
    const common = sets.state().samples.default;
    const revision = sets.revision;
    assert.isTrue(sets.configure(upTo(50), start, random).switched);
    assert.isAbove(sets.revision, revision);
    assert.deepStrictEqual(sets.state().samples.default, common);
    // A circuit of the one that rests tells its own.
    assert.strictEqual(ticket.instance, "default");
    assert.strictEqual(sets.of(ticket).succeeded(ticket, start, random).usability, "complete");
    assert.notStrictEqual(sets.active.choose({ purpose: "data", now: start, random }).ticket.instance, "default");
    assert.isTrue(sets.configure(GuardFilter.none, start, random).switched);
    assert.strictEqual(
      sets.active.choose({ purpose: "data", now: start, random }).guard.fingerprint,
      guard.fingerprint,
    );
  });

  it("are not chosen anew without a live consensus", () => {
    const sets = new GuardSets({ version: "1", filter: upTo(1) });
    assert.isFalse(sets.update(viewOf(candidates(1000), { live: false }), start, seeded(1)).switched);
    assert.isFalse(sets.update(viewOf([]), start, seeded(1)).switched);
    assert.strictEqual(sets.active.instance, "default");
  });

  it("have circuits that wait given up when the other is used", () => {
    const random = seeded(1);
    const sets = new GuardSets({ version: "1" });
    const params = { "guard-n-primary-guards": 1 };
    sets.update(viewOf(candidates(1000), { params }), start, random);
    const choose = (now: number) => sets.active.choose({ purpose: "data", now, random });
    const first = choose(start);
    sets.active.succeeded(first.ticket, start, random);
    sets.active.failed(choose(start).ticket, start);
    const waiting = choose(start);
    // The primary guard's time has come.
    const later = start + 10 * minute;
    assert.strictEqual(sets.active.succeeded(waiting.ticket, later, random).usability, "waiting-for-better-guard");
    assert.deepStrictEqual(sets.configure(upTo(50), later, random).expired, [waiting.ticket]);
  });
});
