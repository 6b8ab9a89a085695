import { assert, describe, it } from "@effect/vitest";
import { checkPort, readDestination } from "../../src/proxy/destination.ts";
import { DestinationError, type DestinationProblem } from "../../src/proxy/errors.ts";
import { isOnionAddress } from "../../src/proxy/onion.ts";

const refusal = (run: () => unknown): DestinationError => {
  try {
    run();
  } catch (error) {
    if (error instanceof DestinationError) return error;
    throw error;
  }
  assert.fail("not refused");
};

const assertRefused = (text: string, problem: DestinationProblem, offset: number): void => {
  const error = refusal(() => readDestination(text, 100));
  assert.deepStrictEqual([error._tag, error.problem, error.offset], ["DestinationError", problem, 100 + offset], text);
};

/** Addresses of onion services: rend-spec-v3 has three as examples in its section 1.2; the fourth is the Tor Project's. */
const ONIONS = [
  "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion",
  "sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd.onion",
  "xa4r2iadxm55fbnqgwwi5mymqdcofiu3w6rpbtqn7b2dyn7mgwj64jyd.onion",
  "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion",
];

describe("a destination", () => {
  it("is a name, in lower case", () => {
    for (const name of [
      "example.com",
      "a",
      "xn--bcher-kva.example",
      "a_b.example",
      "1.example",
      "example.com.",
      "a-.b-",
    ])
      assert.deepStrictEqual(readDestination(name.toUpperCase(), 0), { family: "name", address: name });
    const longest = `${`${"a".repeat(63)}.`.repeat(3)}${"b".repeat(61)}`;
    assert.strictEqual(readDestination(`${longest}.`, 0).address, `${longest}.`);
  });

  it("is an address, in brackets or not", () => {
    assert.deepStrictEqual(readDestination("192.0.2.1", 0), { family: 4, address: "192.0.2.1" });
    for (const text of ["2001:DB8::1", "[2001:db8:0::1]"])
      assert.deepStrictEqual(readDestination(text, 0), { family: 6, address: "2001:db8::1" });
  });

  it("is not nothing, and not only a dot", () => {
    assertRefused("", "empty", 0);
    assertRefused(".", "label", 0);
  });

  it("has no bytes that names have not", () => {
    const wrong = ["a b", "a\0b", "a/b", "a%b", "a\xffb", "a@b", "a:b", "a\nb", "a[b"];
    for (const text of wrong) assertRefused(text, "characters", 1);
    assertRefused("::1%eth0", "characters", 0);
    assertRefused("-a.example", "characters", 0);
    assertRefused("a._tcp.example", "characters", 2);
  });

  it("has labels of 1 to 63 bytes, and 253 in all", () => {
    assertRefused("a..b", "label", 2);
    assertRefused(".a", "label", 0);
    assertRefused("a.b..", "label", 4);
    assertRefused(`x.${"a".repeat(64)}.b`, "label", 2 + 63);
    assertRefused("a.".repeat(130), "long", 253);
  });

  it("is no number that is no address: resolvers do not agree what it means", () => {
    for (const [text, at] of [
      ["127.1", 4],
      ["2130706433", 0],
      ["0x7f000001", 0],
      ["0x7f.1", 5],
      ["1.2.3.256", 6],
      ["010.0.0.1", 8],
      ["1.2.3.4.5", 8],
      ["1.2.3.4.", 6],
      ["example.0x", 8],
    ] as const)
      assertRefused(text, "numeric", at);
  });

  it("is not in .exit notation", () => {
    assertRefused("example.com.node.exit", "exit", 17);
    assertRefused("NODE.EXIT.", "exit", 5);
    assert.strictEqual(readDestination("exit.example", 0).family, "name");
  });

  it("is no onion service", () => {
    for (const onion of ONIONS) {
      assertRefused(onion, "onion", 57);
      assertRefused(`www.${onion.toUpperCase()}.`, "onion", 61);
      const last = onion.replace(/d\.onion$/, "e.onion");
      assertRefused(last, "onion-address", 0);
      assertRefused(`${onion[0] === "a" ? "b" : "a"}${onion.slice(1)}`, "onion-address", 0);
    }
    // Of version 2, and none at all.
    for (const name of ["expyuzz4wqqyqhjn.onion", "foo.onion", "onion", "1.onion"])
      assertRefused(name, "onion-address", 0);
    assert.isFalse(isOnionAddress(ONIONS[0]?.replace("onion", "example") as string));
  });

  it("says how the application is told", () => {
    const told = (text: string) => refusal(() => readDestination(text, 0)).failure;
    assert.strictEqual(told("a b"), "destination");
    assert.strictEqual(told("a.exit"), "exit-notation");
    assert.strictEqual(told("a.onion"), "onion-address");
    assert.strictEqual(told(ONIONS[0] as string), "onion-unsupported");
    assert.strictEqual(refusal(() => checkPort(0, 0)).failure, "port");
  });
});

describe("a port", () => {
  it("is 1 to 65535", () => {
    for (const port of [1, 80, 65_535]) assert.strictEqual(checkPort(port, 0), port);
    for (const port of [0, -1, 65_536, 1.5, Number.NaN])
      assert.deepInclude(
        refusal(() => checkPort(port, 7)),
        { problem: "port", offset: 7 },
      );
  });
});
