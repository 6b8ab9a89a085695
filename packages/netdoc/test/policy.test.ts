import {
  ExitPolicy,
  type ExitPolicyOptions,
  formatRule,
  PolicyError,
  type PolicyProblem,
  type PolicyRule,
  PortPolicy,
  parseDescriptorRule,
  parsePolicyRules,
} from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { Random } from "../../../test/support/fuzz.ts";
import { withoutRedundantRules } from "../src/policy/redundancy.ts";
import { caught } from "./support/caught.ts";
import { fixtureText } from "./support/fixtures.ts";

const tor = JSON.parse(fixtureText("tor/policies.json")) as {
  readonly policies: ReadonlyArray<
    ExitPolicyOptions & { readonly full: ReadonlyArray<string>; readonly p: string; readonly ipv6Policy: string | null }
  >;
  readonly refused: ReadonlyArray<string>;
};

const policy = (...rules: ReadonlyArray<string>) => new ExitPolicy(rules.flatMap(parsePolicyRules));
const lines = (text: string) => parsePolicyRules(text).map(formatRule);

describe("tor 0.4.9.11 and this package agree", () => {
  it.each(tor.policies.map((expected, index) => ({ index, name: expected.rules.join(";").slice(0, 70), expected })))(
    "on policy $index: $name",
    ({ expected }) => {
      const made = ExitPolicy.ofOptions(expected);
      // A policy that permits nothing is shown in short.
      assert.deepStrictEqual(made.rejectsAll ? ["reject *:*"] : made.rules.map(formatRule), expected.full);
      assert.strictEqual(made.summary(4).toString(), expected.p);
      assert.strictEqual(made.summary(6).rejectsAll ? null : made.summary(6).toString(), expected.ipv6Policy);
    },
  );

  it.each(tor.refused)("that %s is no policy", (text) => {
    caught(PolicyError, () => parsePolicyRules(text));
  });
});

describe("where tor and this package do not agree", () => {
  it("an IPv4 address inside IPv6 is IPv4, and tor keeps it as IPv6", () => {
    assert.deepStrictEqual(lines("accept [::ffff:1.2.3.4]:80"), ["accept 1.2.3.4:80"]);
    assert.deepStrictEqual(lines("accept [::ffff:1.2.3.4]/120:80"), ["accept 1.2.3.4/24:80"]);
    assert.strictEqual(caught(PolicyError, () => lines("accept [::ffff:1.2.3.4]/24:80")).problem, "bad-mask");
  });

  it("a keyword with a 6 is about the private networks of IPv6, and tor drops the rule", () => {
    assert.deepStrictEqual(lines("reject6 private:80"), [
      "reject6 [::]/8:80",
      "reject6 [fc00::]/7:80",
      "reject6 [fe80::]/10:80",
      "reject6 [fec0::]/10:80",
      "reject6 [ff00::]/8:80",
      "reject6 [::]/127:80",
    ]);
  });

  it("a keyword with a 6 and an IPv4 address is an error, and tor drops the rule", () => {
    assert.strictEqual(caught(PolicyError, () => lines("accept6 1.2.3.4:80")).problem, "wrong-family");
    assert.strictEqual(caught(PolicyError, () => lines("accept6 *4:80")).problem, "wrong-family");
  });
});

describe("a rule that is wrong", () => {
  const wrong: Record<PolicyProblem, ReadonlyArray<readonly [text: string, offset: number]>> = {
    "bad-action": [
      ["*:80", 0],
      ["accept *:80, permit *:90", 13],
      ["accepts *:80", 0],
      ["Accept *:80", 0],
    ],
    "bad-address": [
      ["accept marzipan:80", 7],
      ["accept  1.2.3:80", 8],
      ["accept 1.2.3.256:80", 7],
      ["accept [::1:80", 7],
      ["accept [::g]:80", 7],
      ["accept [fe80::1%lo]:80", 7],
      ["accept *7:80", 7],
      ["accept", 6],
      ["accept */8:80", 7],
      ["accept private/8:80", 7],
    ],
    "bad-mask": [
      ["accept 1.2.3.4/33:80", 15],
      ["accept 1.2.3.4/255.0.255.0:80", 15],
      ["accept 1.2.3.4/:80", 15],
      ["accept [::1]/129:80", 13],
      ["accept [::1]/255.0.0.0:80", 13],
    ],
    "bad-ports": [
      ["accept *:0", 9],
      ["accept *:0-80", 9],
      ["accept *:90-80", 9],
      ["accept *:65536", 9],
      ["accept *:80-", 9],
      ["accept *:-80", 9],
      ["accept *:http", 9],
      ["reject *:25,accept *:80-443-500", 21],
    ],
    "wrong-family": [["accept6 1.2.3.4:80", 8]],
    "trailing-text": [
      ["accept *:80 *:443", 11],
      ["accept 1.2.3.4 :80", 14],
    ],
  };

  it.each(
    Object.entries(wrong).flatMap(([problem, texts]) => texts.map(([text, offset]) => ({ problem, text, offset }))),
  )("$problem: $text", ({ problem, text, offset }) => {
    const error = caught(PolicyError, () => parsePolicyRules(text));
    assert.deepStrictEqual(
      [error._tag, error.problem, error.text, error.offset],
      ["PolicyError", problem, text, offset],
    );
    assert.include(error.message, `at character ${offset + 1}`);
  });
});

describe("rules", () => {
  it("may come several in a line, with space about them", () => {
    assert.deepStrictEqual(lines(" accept  *4:80 ,, reject\t1.2.3.4 ,"), ["accept *:80", "reject 1.2.3.4:*"]);
  });

  it("may have masks of any form", () => {
    assert.deepStrictEqual(lines("accept 10.0.0.0/255.240.0.0:*,accept [2001:DB8::]/32:1-2"), [
      "accept 10.0.0.0/12:*",
      "accept6 [2001:db8::]/32:1-2",
    ]);
  });

  it("in descriptors are about IPv4, and know no private networks", () => {
    assert.deepStrictEqual(parseDescriptorRule("reject *:25").map(formatRule), ["reject *:25"]);
    caught(PolicyError, () => parseDescriptorRule("reject private:25"));
    caught(PolicyError, () => parseDescriptorRule("reject *6:25"));
  });

  // Patterns and destinations as in Arti's tests, crates/tor-netdoc/src/types/policy/addrpolicy.rs.
  it.each<readonly [string, ReadonlyArray<readonly [string, number]>, ReadonlyArray<readonly [string, number]>]>([
    [
      "1.2.3.4/16:80",
      [
        ["1.2.3.4", 80],
        ["1.2.44.55", 80],
      ],
      [
        ["9.9.9.9", 80],
        ["1.3.3.4", 80],
        ["1.2.3.4", 81],
      ],
    ],
    [
      "*:443-8000",
      [
        ["1.2.3.4", 443],
        ["::1", 500],
      ],
      [
        ["9.0.0.0", 80],
        ["::1", 80],
      ],
    ],
    [
      "[face::]/8:80",
      [["fab0::7", 80]],
      [
        ["dd00::", 80],
        ["face::7", 443],
      ],
    ],
    ["0.0.0.0/0:*", [["127.0.0.1", 80]], [["f00b::", 80]]],
    ["[::]/0:*", [["f00b::", 80]], [["127.0.0.1", 80]]],
  ])("%s matches what it should", (pattern, inside, outside) => {
    const refusing = policy(`reject ${pattern}`);
    for (const [address, port] of inside) assert.isFalse(refusing.permits(address, port), `${address} ${port}`);
    for (const [address, port] of outside) assert.isTrue(refusing.permits(address, port), `${address} ${port}`);
  });
});

describe("an exit policy", () => {
  it("is decided by the first rule that matches, and accepts what none is about", () => {
    const some = policy("accept *:443", "accept [::1]:80", "reject *:80");
    for (const [address, port, expected] of [
      ["::6", 443, true],
      ["127.0.0.1", 443, true],
      ["::1", 80, true],
      ["::2", 80, false],
      ["127.0.0.1", 80, false],
      ["127.0.0.1", 66, true],
    ] as const)
      assert.strictEqual(some.permits(address, port), expected, `${address} ${port}`);
  });

  it("cannot be walked around with an IPv4 address inside IPv6", () => {
    const exit = ExitPolicy.ofOptions({ rules: ["accept *:*"], ipv6: true, rejectPrivate: true });
    for (const address of [
      "127.0.0.1",
      "::ffff:127.0.0.1",
      "::ffff:7f00:1",
      "0:0:0:0:0:FFFF:7F00:0001",
      "::1",
      "::",
      "fe80::1",
    ])
      assert.isFalse(exit.permits(address, 80), address);
    assert.isTrue(exit.permits("::ffff:192.0.2.1", 80));
  });

  it("refuses what is no destination", () => {
    const everything = new ExitPolicy([]);
    for (const address of ["", "example.com", "1.2.3", "0x7f.1", "127.1", "[::1]", "fe80::1%eth0", "1.2.3.4 "])
      assert.isFalse(everything.permits(address, 80), address);
    for (const port of [0, -1, 65_536, 1.5, Number.NaN])
      assert.isFalse(everything.permits("192.0.2.1", port), `${port}`);
    assert.isTrue(everything.permits("192.0.2.1", 65_535));
  });

  it("refuses the relay's own addresses with the private ones", () => {
    const options = {
      rules: ["accept *:*"],
      ipv6: true,
      ownAddresses: ["192.0.2.7", "2001:db8::7", "127.0.0.1", "not one"],
    };
    const careful = ExitPolicy.ofOptions({ ...options, rejectPrivate: true });
    assert.isFalse(careful.permits("192.0.2.7", 80) || careful.permits("2001:db8::7", 80));
    assert.isTrue(careful.permits("192.0.2.8", 80) && careful.permits("2001:db8::8", 80));
    const trusting = ExitPolicy.ofOptions({ ...options, rejectPrivate: false });
    assert.isTrue(trusting.permits("192.0.2.7", 80) && trusting.permits("127.0.0.1", 80));
  });

  it("may be about one family", () => {
    const exit = ExitPolicy.ofOptions({ rules: ["accept *:*"], ipv6: false, rejectPrivate: true });
    assert.isFalse(exit.permits("2001:db8::1", 443));
    assert.strictEqual(exit.summary(6).toString(), "reject 1-65535");
    assert.isFalse(exit.rejectsAll);
  });

  it("may refuse everything", () => {
    assert.isTrue(ExitPolicy.rejectAll.rejectsAll);
    assert.isFalse(ExitPolicy.rejectAll.permits("192.0.2.1", 80));
    assert.deepStrictEqual(ExitPolicy.rejectAll.descriptorLines(), ["reject *:*"]);
    assert.isFalse(new ExitPolicy([]).rejectsAll);
    assert.isFalse(policy("reject *4:*", "accept [::1]:80", "reject *:*").rejectsAll);
  });

  it("names the rule at fault among its options", () => {
    const error = caught(PolicyError, () =>
      ExitPolicy.ofOptions({ rules: ["accept *:80", "reject *:8O"], ipv6: true, rejectPrivate: true }),
    );
    assert.strictEqual(error.text, "reject *:8O");
  });
});

const randomRules = (random: Random): ReadonlyArray<PolicyRule> =>
  Array.from({ length: random.below(12) }, () => {
    const host = random.pick([
      "*",
      "*4",
      "*6",
      `${random.below(4) * 64}.0.0.0/${random.below(9)}`,
      `10.0.${random.below(2)}.${random.below(3)}/${22 + random.below(11)}`,
      `[2001:db8::${random.below(3)}]/${random.pick([0, 16, 32, 127, 128])}`,
      "private",
    ]);
    const low = random.pick([1, 2, 80, 443, 65_535]);
    const high = random.pick([low, Math.min(low + 5, 65_535), 65_535]);
    return parsePolicyRules(`${random.pick(["accept", "reject"])} ${host}:${low}-${high}`);
  }).flat();

const probes = (random: Random): ReadonlyArray<readonly [string, number]> =>
  Array.from({ length: 40 }, () => [
    random.pick([
      `${random.below(256)}.${random.below(256)}.0.1`,
      `10.0.${random.below(2)}.${random.below(4)}`,
      `2001:db8::${random.below(4)}`,
      `${random.below(0xffff).toString(16)}::1`,
      "::1",
    ]),
    random.pick([1, 2, 5, 80, 81, 443, 448, 8080, 65_535]),
  ]);

describe("any policy", () => {
  it.prop("decides the same without its redundant rules", { seed: Schema.Int }, ({ seed }) => {
    const random = new Random(seed);
    const rules = randomRules(random);
    const [full, short] = [new ExitPolicy(rules), new ExitPolicy(withoutRedundantRules(rules))];
    assert.isAtMost(short.rules.length, full.rules.length);
    for (const [address, port] of probes(random))
      assert.strictEqual(short.permits(address, port), full.permits(address, port), `${address} ${port}`);
  });

  it.prop("comes back from its lines", { seed: Schema.Int }, ({ seed }) => {
    const rules = randomRules(new Random(seed)).filter(({ network }) => network.family === 4);
    const read = rules.flatMap((rule) => parseDescriptorRule(formatRule(rule)));
    assert.deepStrictEqual(read.map(formatRule), rules.map(formatRule));
    const random = new Random(seed + 1);
    for (const [address, port] of probes(random))
      if (!address.includes(":"))
        assert.strictEqual(new ExitPolicy(read).permits(address, port), new ExitPolicy(rules).permits(address, port));
  });

  it.prop("sums up to ports that a rule accepts for all addresses", { seed: Schema.Int }, ({ seed }) => {
    const rules = randomRules(new Random(seed));
    for (const family of [4, 6] as const) {
      const summary = new ExitPolicy(rules).summary(family);
      for (const port of [1, 80, 443, 65_535]) {
        if (!summary.permits(port)) continue;
        assert.isTrue(
          rules.some(
            ({ accept, network, low, high }) =>
              accept && network.family === family && network.bits === 0 && low <= port && port <= high,
          ),
        );
      }
    }
  });
});

describe("a summary", () => {
  it("is a list of ports that are open, or of those that are not", () => {
    const open = PortPolicy.parse("accept 80,443-500");
    assert.deepStrictEqual(
      [79, 80, 81, 443, 500, 501, 0, 65_536].map((port) => open.permits(port)),
      [false, true, false, true, true, false, false, false],
    );
    const closed = PortPolicy.parse("reject 25,6881-6999");
    assert.deepStrictEqual(
      [24, 25, 6900, 7000, 0, 65_536].map((port) => closed.permits(port)),
      [true, false, false, true, false, false],
    );
    // A range of one port is a port: it says the same, and is written shorter.
    assert.strictEqual(PortPolicy.parse("reject 1-1,25-25").toString(), "reject 1,25");
    assert.isTrue(PortPolicy.parse("reject 1-65535").rejectsAll);
    assert.isFalse(PortPolicy.parse("reject 1-65534").rejectsAll);
    assert.isFalse(PortPolicy.parse("accept 1-65535").rejectsAll);
  });

  it.each([
    ["permit 80", "bad-action", 0],
    ["accept", "bad-ports", 6],
    ["accept ", "bad-ports", 7],
    ["accept 0", "bad-ports", 7],
    ["accept 80,", "bad-ports", 10],
    ["accept 80,x", "bad-ports", 10],
    ["accept 80-79", "bad-ports", 7],
    ["accept 443,80", "bad-ports", 11],
    ["accept 80,80", "bad-ports", 10],
    ["accept 1-65536", "bad-ports", 7],
    ["accept 80, 443", "bad-ports", 10],
  ] as const)("that is wrong: %s", (text, problem, offset) => {
    const error = caught(PolicyError, () => PortPolicy.parse(text));
    assert.deepStrictEqual([error.problem, error.offset], [problem, offset]);
  });

  it.prop("comes back from its text", { seed: Schema.Int }, ({ seed }) => {
    const random = new Random(seed);
    let next = 1;
    const ranges = Array.from({ length: 1 + random.below(20) }, () => {
      const low = next + random.below(1000);
      const high = low + random.below(500);
      next = high + 2;
      return { low, high };
    });
    const written = new PortPolicy(random.oneIn(2), ranges);
    assert.deepStrictEqual(PortPolicy.parse(written.toString()), written);
  });
});
