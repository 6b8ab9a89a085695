import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import {
  ExitPolicy,
  formatRule,
  PolicyError,
  PortPolicy,
  parseDescriptorRule,
  parsePolicyRules,
} from "../src/index.ts";
import { tolerate } from "./support.ts";

const seeds = [
  "accept *:80,accept6 [2001:db8::]/32:443-8000, reject private:*",
  "reject 192.0.2.0/255.255.255.0:25,accept *4:*,reject *6:1-65535",
  "accept [::ffff:1.2.3.4]/120:80",
];
const fragments = [
  "accept",
  "reject6",
  " ",
  ",",
  "*",
  "private",
  ":",
  "/",
  "-",
  "[",
  "]",
  "::",
  "1.2.3.4",
  "65535",
  "0",
  "99999999999",
  "é",
];

const text = (random: Random): string =>
  random.oneIn(2)
    ? random.mutate(Buffer.from(random.pick(seeds))).toString("utf8")
    : Array.from({ length: random.below(10) }, () => random.pick(fragments)).join("");

/** Runs a parser whose errors must lie within its text. */
const within = <A>(input: string, run: () => A): A | undefined =>
  tolerate(() => {
    try {
      return run();
    } catch (error) {
      if (error instanceof PolicyError && (error.offset < 0 || error.offset > input.length))
        throw new Error(`an error outside the text: ${error.message}`);
      throw error;
    }
  });

const rules: FuzzTarget = {
  name: "netdoc policy rules",
  run: (random) => {
    const input = text(random);
    const parsed = within(input, () => parsePolicyRules(input));
    within(input, () => parseDescriptorRule(input));
    if (parsed === undefined) return;
    const policy = ExitPolicy.ofOptions({ rules: [input], ipv6: random.oneIn(2), rejectPrivate: random.oneIn(2) });
    for (const rule of policy.rules) {
      if (formatRule(parsePolicyRules(formatRule(rule))[0] ?? rule) !== formatRule(rule))
        throw new Error("a rule changed");
    }
    policy.permits(random.pick(["1.2.3.4", "::1", "::ffff:1.2.3.4", "", "x"]), random.below(70_000));
    for (const family of [4, 6] as const) {
      const summary = policy.summary(family).toString();
      if (summary.length > 1000 || PortPolicy.parse(summary).toString() !== summary)
        throw new Error(`a summary changed: ${summary}`);
    }
  },
};

const summaries: FuzzTarget = {
  name: "netdoc policy summaries",
  run: (random) => {
    const input = random.mutate(Buffer.from(random.pick(["accept 80,443-500", "reject 1-65535"]))).toString("utf8");
    const parsed = within(input, () => PortPolicy.parse(input));
    // What is written may be shorter (`1-1` is `1`), but it must say the same, and stay as it is.
    const written = parsed?.toString() ?? "";
    if (parsed === undefined || written === input) return;
    const again = PortPolicy.parse(written);
    if (again.toString() !== written || written.length > input.length || !sameRanges(again, parsed))
      throw new Error(`a summary changed: ${input}`);
  },
};

const sameRanges = (one: PortPolicy, other: PortPolicy): boolean =>
  one.accepts === other.accepts && JSON.stringify(one.ranges) === JSON.stringify(other.ranges);

export const targets: ReadonlyArray<FuzzTarget> = [rules, summaries];
