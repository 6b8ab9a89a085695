import { assert, describe, it } from "@effect/vitest";
import { RelayTable } from "../../src/paths/index.ts";
import { Subnets, subnet16, subnet32 } from "../../src/paths/subnets.ts";
import { directory, type PretendedRelay } from "./support.ts";

const overlap = (one: PretendedRelay, other: PretendedRelay): boolean => {
  const table = RelayTable.of(directory([one, other]));
  return new Subnets([table.statusAt(0)]).overlap(table.statusAt(1));
};

describe("subnets (path-spec 2.2)", () => {
  it("are the /16 of IPv4", () => {
    assert.strictEqual(subnet16("192.0.2.1"), 0xc000);
    assert.isTrue(overlap({ address: "192.0.2.1" }, { address: "192.0.77.8" }));
    assert.isFalse(overlap({ address: "192.0.2.1" }, { address: "192.1.2.1" }));
    assert.isFalse(overlap({ address: "19.20.2.1" }, { address: "192.0.2.1" }));
  });

  it.each([
    ["2001:db8::1", 0x2001_0db8],
    ["2001:0DB8:1:2:3:4:5:6", 0x2001_0db8],
    ["2001::5", 0x2001_0000],
    ["2001:0::5", 0x2001_0000],
    ["::1", 0],
    ["::ffff:192.0.2.1", 0],
    ["ffff:ffff::", 0xffff_ffff],
  ])("are the /32 of IPv6: %s", (address, expected) => {
    assert.strictEqual(subnet32(address), expected);
  });

  it("are shared if any address is", () => {
    assert.isTrue(overlap({ ipv6: "2001:db8::1" }, { ipv6: "2001:db8:ffff::1" }));
    assert.isFalse(overlap({ ipv6: "2001:db8::1" }, { ipv6: "2001:db9::1" }));
    assert.isFalse(overlap({ ipv6: "2001:db8::1" }, {}));
    assert.isTrue(
      overlap({ address: "192.0.2.1", ipv6: "2001:db8::1" }, { address: "192.0.2.2", ipv6: "2001:db9::1" }),
    );
    // What one of the two addresses of a relay is of, the other is not.
    assert.isFalse(overlap({ address: "0.0.1.1" }, { ipv6: "::1" }));
  });
});
