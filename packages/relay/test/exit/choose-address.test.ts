import { BeginFlag } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import { chooseAddress, type FamilyAnswer } from "../../src/exit/choose-address.ts";

const IPV4: FamilyAnswer = { _tag: "Found", address: { family: 4, address: "192.0.2.1" }, ttl: 300 };
const IPV6: FamilyAnswer = { _tag: "Found", address: { family: 6, address: "2001:db8::1" }, ttl: 3_600 };
const NO_IPV4: FamilyAnswer = { _tag: "Failed", transient: true, ttl: 301 };
const NO_IPV6: FamilyAnswer = { _tag: "Failed", transient: false, ttl: 302 };

const OKAY6 = BeginFlag.IPV6_OKAY;
const NOT4 = BeginFlag.IPV4_NOT_OKAY;
const PREFER6 = BeginFlag.IPV6_PREFERRED;

const all = () => true;

/** What is taken, for each combination of the flags. tor-spec 6.2. */
const MATRIX: ReadonlyArray<readonly [flags: number, both: unknown, only4: unknown, only6: unknown]> = [
  [0, IPV4, IPV4, "none"],
  [PREFER6, IPV4, IPV4, "none"],
  [OKAY6, IPV4, IPV4, IPV6],
  [OKAY6 | PREFER6, IPV6, IPV4, IPV6],
  [NOT4, "none", "none", "none"],
  [NOT4 | PREFER6, "none", "none", "none"],
  [NOT4 | OKAY6, IPV6, "none", IPV6],
  [NOT4 | OKAY6 | PREFER6, IPV6, "none", IPV6],
];

const flagNames = (flags: number): string =>
  (Object.keys(BeginFlag) as Array<keyof typeof BeginFlag>)
    .filter((name) => (flags & BeginFlag[name]) !== 0)
    .join(" ") || "no flags";

describe("the address that a stream goes to", () => {
  for (const [flags, both, only4, only6] of MATRIX) {
    it(`is one that the client takes: ${flagNames(flags)}`, () => {
      const outcome = (answer: FamilyAnswer) => (answer._tag === "Found" ? answer : "none");
      assert.deepStrictEqual(outcome(chooseAddress({ ipv4: IPV4, ipv6: IPV6 }, flags, all)), both);
      assert.deepStrictEqual(outcome(chooseAddress({ ipv4: IPV4, ipv6: NO_IPV6 }, flags, all)), only4);
      assert.deepStrictEqual(outcome(chooseAddress({ ipv4: NO_IPV4, ipv6: IPV6 }, flags, all)), only6);
      assert.strictEqual(outcome(chooseAddress({ ipv4: NO_IPV4, ipv6: NO_IPV6 }, flags, all)), "none");
    });
  }

  it("is one that the policy permits, whatever is preferred", () => {
    const answer = { ipv4: IPV4, ipv6: IPV6 };
    const flags = OKAY6 | PREFER6;
    assert.strictEqual(
      chooseAddress(answer, flags, ({ family }) => family === 4),
      IPV4,
    );
    assert.strictEqual(
      chooseAddress(answer, OKAY6, ({ family }) => family === 6),
      IPV6,
    );
    assert.strictEqual(
      chooseAddress(answer, flags, () => false),
      IPV6,
    );
    assert.strictEqual(
      chooseAddress(answer, OKAY6, () => false),
      IPV4,
    );
  });

  it("fails as the preferred family failed", () => {
    const answer = { ipv4: NO_IPV4, ipv6: NO_IPV6 };
    assert.strictEqual(chooseAddress(answer, OKAY6, all), NO_IPV4);
    assert.strictEqual(chooseAddress(answer, OKAY6 | PREFER6, all), NO_IPV6);
  });

  it("is IPv4 at an exit without IPv6, whatever is preferred", () => {
    const flags = OKAY6 | PREFER6;
    assert.strictEqual(chooseAddress({ ipv4: IPV4, ipv6: undefined }, flags, all), IPV4);
    assert.strictEqual(chooseAddress({ ipv4: NO_IPV4, ipv6: undefined }, flags, all), NO_IPV4);
  });
});
