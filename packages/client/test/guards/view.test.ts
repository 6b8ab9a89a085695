import { type Consensus, parseConsensus, type RouterStatus } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { fixture } from "../../../netdoc/test/support/fixtures.ts";
import { trust, validAfter } from "../../../netdoc/test/support/network.ts";
import { canBeGuard, emptyGuardView, guardView } from "../../src/guards/index.ts";
import { Bench, day, hour } from "./support.ts";

const consensus: Consensus = parseConsensus(fixture("tor/consensus-microdesc")).verify(trust);

const view = guardView(consensus, { weight: ({ bandwidth }) => bandwidth, hasDescriptor: () => true });

const named = (nickname: string): RouterStatus =>
  consensus.routers.find((router) => router.nickname === nickname) as RouterStatus;

const flagged = (...flags: ReadonlyArray<string>): RouterStatus => ({
  ...named("relay0"),
  flags: { has: (flag) => flags.includes(flag), size: flags.length, [Symbol.iterator]: () => [...flags].values() },
});

describe("the guards of a consensus (guard-spec 4.0)", () => {
  it("are the relays with all of the flags that anything asks of a guard", () => {
    const all = ["Guard", "Stable", "Fast", "V2Dir", "Running", "Valid"];
    assert.isTrue(canBeGuard(flagged(...all)));
    for (const missing of all) assert.isFalse(canBeGuard(flagged(...all.filter((flag) => flag !== missing))), missing);
    assert.isFalse(canBeGuard(flagged(...all, "MiddleOnly")));
  });

  it("are found in a consensus of tor's authorities", () => {
    const expected = consensus.routers.filter(({ flags }) => flags.has("Guard") && flags.has("Stable"));
    assert.sameMembers(
      [...view.guards.keys()],
      expected.map(({ fingerprint }) => fingerprint),
    );
    // Listed without Stable.
    assert.isUndefined(view.guards.get(named("exit6").fingerprint));
  });

  it("have weight and addresses", () => {
    const { fingerprint, bandwidth, address, orPort, orAddresses } = named("relay0");
    assert.deepStrictEqual(view.guards.get(fingerprint), {
      fingerprint,
      nickname: "relay0",
      weight: bandwidth,
      addresses: [{ address, port: orPort }, ...orAddresses],
    });
  });

  it("have a microdescriptor or none, as is said when it is asked", () => {
    const there = new Set<string>();
    const asked = guardView(consensus, {
      weight: () => 1,
      hasDescriptor: ({ descriptorDigest }) => there.has(descriptorDigest),
    });
    const { fingerprint, descriptorDigest } = named("relay0");
    assert.isFalse(asked.hasDescriptor(fingerprint));
    there.add(descriptorDigest);
    assert.isTrue(asked.hasDescriptor(fingerprint));
    assert.isFalse(asked.hasDescriptor("0".repeat(40)));
  });

  it("are to be believed until a day after the consensus's end", () => {
    const { validUntil } = consensus.lifetime;
    const times = [validAfter - hour, validAfter, validUntil, validUntil + day - 1, validUntil + day];
    assert.deepStrictEqual(
      times.map((now) => view.isLive(now)),
      [false, true, true, true, false],
    );
    assert.isFalse(emptyGuardView.isLive(validAfter));
    assert.isFalse(emptyGuardView.hasDescriptor(named("relay0").fingerprint));
  });

  it("can be chosen from", () => {
    const bench = new Bench(emptyGuardView);
    assert.strictEqual(bench.refuse().reason, "no-consensus");
    bench.now = validAfter;
    bench.update(view);
    assert.strictEqual(bench.sampled().length, Math.min(20, view.guards.size));
    assert.isTrue(view.guards.has(bench.choose().guard.fingerprint));
  });
});
