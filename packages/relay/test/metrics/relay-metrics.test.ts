import { readFileSync } from "node:fs";
import { Metrics } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { formatPrometheus } from "../../src/index.ts";
import { dnsErrorSamples } from "../../src/metrics/dns-errors.ts";
import { platform, startTestRelay } from "../support/test-relay.ts";

/** One family of a page, as a monitoring system reads it. */
interface Family {
  readonly help: string;
  readonly type: string;
  /** Each sample's labels, in the order in which they come. */
  readonly labels: Set<string>;
}

/** Reads a page in the text format of Prometheus, and fails on what is none. */
const readPage = (page: string): Map<string, Family> => {
  const families = new Map<string, Family>();
  let help: readonly [name: string, text: string] | undefined;
  let current: string | undefined;
  for (const line of page.trimEnd().split("\n")) {
    const [, helpName, helpText] = /^# HELP (\S+) (.*)$/.exec(line) ?? [];
    const [, typeName, type] = /^# TYPE (\S+) (counter|gauge)$/.exec(line) ?? [];
    const [, name, labels = "", value] = /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (helpName !== undefined) help = [helpName, helpText ?? ""];
    else if (typeName !== undefined) {
      assert.strictEqual(help?.[0], typeName);
      assert.isFalse(families.has(typeName), `${typeName} is there twice`);
      families.set(typeName, { help: help?.[1] ?? "", type: type ?? "", labels: new Set() });
      current = typeName;
    } else {
      assert.isDefined(name, line);
      assert.strictEqual(name, current);
      assert.isFalse(Number.isNaN(Number(value)), line);
      const family = families.get(name as string);
      assert.isFalse(family?.labels.has(labels), `${line}: there twice`);
      family?.labels.add(labels);
    }
  }
  return families;
};

/** What `tor` 0.4.9.11 serves at its MetricsPort, as a relay that has just started. */
const torPage = readPage(readFileSync(new URL("./tor-metrics.txt", import.meta.url), "utf8"));

/** Documented, but `tor` shows it only once it has a value. */
const notShownByTor = ["tor_relay_signing_cert_expiry_timestamp"];

describe("a relay's metrics", () => {
  it.effect("are those of tor where they have its names: type, help and labels", () =>
    Effect.gen(function* () {
      yield* startTestRelay();
      yield* TestClock.adjust("1 minute");
      const page = readPage(formatPrometheus(yield* Metrics.collect));
      for (const [name, family] of page) {
        if (!name.startsWith("tor_")) {
          assert.match(name, /^allium_/);
          continue;
        }
        if (notShownByTor.includes(name)) continue;
        const theirs = torPage.get(name);
        assert.isDefined(theirs, `tor has no ${name}`);
        assert.strictEqual(family.type, theirs?.type, name);
        assert.strictEqual(family.help, theirs?.help, name);
        for (const labels of family.labels) assert.isTrue(theirs?.labels.has(labels), `${name}{${labels}}`);
      }
    }).pipe(Effect.scoped, Effect.provide(platform)),
  );

  it("counts errors of the DNS by tor's words", () => {
    const samples = dnsErrorSamples(
      new Map([
        ["ENOTFOUND", 2],
        ["ETIMEOUT", 1],
        ["EUNHEARDOF", 3],
        ["EOTHER", 1],
      ]),
    );
    const counts = Object.fromEntries(samples.map(({ labels, value }) => [labels?.["reason"], value]));
    assert.deepInclude(counts, { notexist: 2, tor_timeout: 1, unknown: 4, refused: 0 });
  });
});
