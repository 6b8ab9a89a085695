import { assert, describe, it } from "@effect/vitest";
import { FallbackListError, parseFallbacks, publicAuthorities, publicFallbacks } from "../src/index.ts";

const id = "DA45B31898EDEBC5F6DB39F5BC0DB5FC693FCEFE";

const problemsOf = (text: string): ReadonlyArray<string> => {
  try {
    parseFallbacks(text);
  } catch (error) {
    if (error instanceof FallbackListError) return error.problems.map(({ line, detail }) => `${line}: ${detail}`);
    throw error;
  }
  return assert.fail("was read without a complaint");
};

describe("parseFallbacks", () => {
  it("reads a line of tor's own list, and one as the manual has it", () => {
    const text = [
      "# fallbacks",
      `104.244.73.136 orport=9001 id=${id} ipv6=[2605:6400:30:edc3::34]:9001`,
      "",
      `FallbackDir 192.0.2.1:80 orport=443 id=${"b".repeat(40)} weight=2.5 # another`,
    ].join("\r\n");
    assert.deepStrictEqual(parseFallbacks(text), [
      {
        relayIdentity: id,
        orPort: { host: "104.244.73.136", port: 9001 },
        ipv6: { address: "2605:6400:30:edc3::34", port: 9001 },
        weight: 1,
      },
      {
        relayIdentity: "B".repeat(40),
        orPort: { host: "192.0.2.1", port: 443 },
        ipv6: undefined,
        weight: 2.5,
      },
    ]);
  });

  it("has nothing against an empty list", () => {
    assert.deepStrictEqual(parseFallbacks("# nobody\n"), []);
  });

  it("tells everything that is wrong, each with its line", () => {
    const text = [
      "FallbackDir",
      `192.0.2.256 orport=1 id=${id}`,
      `[2001:db8::1]:80 orport=1 id=${id}`,
      `192.0.2.1:x orport=1 id=${id}`,
      `192.0.2.1 id=${id}`,
      "192.0.2.1 orport=1",
      `192.0.2.1 orport=0 id=${id}`,
      "192.0.2.1 orport=1 id=12",
      `192.0.2.1 orport=1 id=${id} ipv6=192.0.2.1:80`,
      `192.0.2.1 orport=1 id=${id} weight=-1`,
      `192.0.2.1 orport=1 id=${id} v3ident=${id}`,
      `192.0.2.1 orport=1 id=${id}`,
      `192.0.2.2 orport=1 id=${id}`,
    ].join("\n");
    assert.deepStrictEqual(problemsOf(text), [
      "1: expected an IPv4 address, as in 192.0.2.1",
      '2: "192.0.2.256" is not an IPv4 address, as in 192.0.2.1',
      '3: "[2001:db8::1]:80" is not an IPv4 address, as in 192.0.2.1',
      '4: "192.0.2.1:x" is not an IPv4 address, as in 192.0.2.1',
      "5: expected orport=, as in orport=443",
      "6: expected the fingerprint, as id=",
      '7: orport "0" is not a port',
      '8: id "12" is not 40 hexadecimal digits',
      '9: ipv6 "192.0.2.1:80" is not [address]:port',
      '10: weight "-1" is not a number',
      `11: "v3ident=${id}" is none of orport=, id=, ipv6= and weight=`,
      `13: the id ${id} is that of line 12 too`,
    ]);
  });
});

describe("the public network", () => {
  it("has nine authorities that vote, each with an OR port", () => {
    const authorities = publicAuthorities();
    assert.deepStrictEqual(
      authorities.map(({ name }) => name),
      ["moria1", "tor26", "dizum", "gabelmoo", "dannenberg", "maatuska", "longclaw", "bastet", "faravahar"],
    );
    assert.isTrue(authorities.every(({ orPort }) => orPort !== undefined));
  });

  it("has two hundred fallback directories, many of them with IPv6", () => {
    const fallbacks = publicFallbacks();
    assert.strictEqual(fallbacks.length, 200);
    assert.strictEqual(fallbacks.filter(({ ipv6 }) => ipv6 !== undefined).length, 91);
    const authorities = new Set(publicAuthorities().map(({ relayIdentity }) => relayIdentity));
    assert.isFalse(fallbacks.some(({ relayIdentity }) => authorities.has(relayIdentity)));
  });
});
