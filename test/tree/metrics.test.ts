import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type MetricFamily, Metrics } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { registerProcessMetrics } from "../../apps/relay/src/process-metrics.ts";
import { platform, startTestRelay } from "../../packages/relay/test/support/test-relay.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(resolve(ROOT, path), "utf8");

/** Everything that a relay serves. */
const served: Effect.Effect<ReadonlyArray<MetricFamily>> = Effect.gen(function* () {
  yield* startTestRelay();
  yield* registerProcessMetrics("0.0.0");
  yield* TestClock.adjust("1 minute");
  return yield* Metrics.collect;
}).pipe(Effect.scoped, Effect.provide(platform), Effect.orDie);

/** What `tor` 0.4.9.11 served as a relay that had just started. */
const torNames = [...read("packages/relay/test/metrics/tor-metrics.txt").matchAll(/^# TYPE (\S+)/gm)].map(
  ([, name = ""]) => name,
);

/** The first cells of the rows below a heading. */
const rowsBelow = (page: string, heading: string): ReadonlyArray<ReadonlyArray<string>> => {
  const [, after = ""] = page.split(`\n## ${heading}\n`);
  const [section = ""] = after.split("\n## ");
  return [...section.matchAll(/^\| `(\w+)` \| (\w+)/gm)].map(([, name = "", second = ""]) => [name, second]);
};

describe("the page on metrics", { timeout: 60_000 }, () => {
  const page = read("docs/metrics.md");
  const missing = rowsBelow(page, "Of `tor`'s, not here").map(([name]) => name);

  it.effect("has every metric with its type, and no other", () =>
    Effect.gen(function* () {
      const families = (yield* served).map(({ name, type }) => [name, type]);
      const listed = [...rowsBelow(page, "As `tor`"), ...rowsBelow(page, "Only here")];
      assert.deepStrictEqual([...listed].sort(), [...families].sort());
    }),
  );

  it.effect("says of every metric of tor's that it is here, or why not", () =>
    Effect.gen(function* () {
      const ours = new Set((yield* served).map(({ name }) => name));
      assert.isAbove(torNames.length, 20);
      assert.deepStrictEqual(torNames.filter((name) => !ours.has(name)).sort(), [...missing].sort());
    }),
  );
});

describe("the page on defences", { timeout: 60_000 }, () => {
  const table = rowsBelowOfDefences();

  it.effect("names a metric and a line of the log for every flood, and only such as there are", () =>
    Effect.gen(function* () {
      const names = new Set((yield* served).map(({ name }) => name));
      const messages = read("packages/relay/src/defence/defences.ts").replace(/"\s*\+\s*"/g, "");
      assert.isAbove(table.length, 15);
      for (const [flood = "", , , , metric = "", log = ""] of table) {
        assert.isTrue(metric.length > 0 && log.length > 0, flood);
        for (const [, name = ""] of metric.matchAll(/`(\w+)[{`]/g)) assert.isTrue(names.has(name), `${flood}: ${name}`);
        const text = log.replace("`warn`: ", "");
        assert.isTrue(text === "the same" || messages.includes(text), `${flood}: ${text}`);
      }
    }),
  );
});

/** The rows of the table of floods, cell by cell. */
function rowsBelowOfDefences(): ReadonlyArray<ReadonlyArray<string>> {
  const [, after = ""] = read("docs/defences.md").split("\n## What there is\n");
  const [section = ""] = after.split("\n## ");
  return section
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| flood of") && !line.startsWith("| ---"))
    .map((line) =>
      line
        .split("|")
        .map((cell) => cell.trim())
        .slice(1, -1),
    );
}
