import type { MetricFamily } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { formatPrometheus } from "../../src/metrics/prometheus.ts";

const family = (samples: MetricFamily["samples"], help = "What it is."): MetricFamily => ({
  name: "a_total",
  help,
  type: "counter",
  samples,
});

describe("the text format of Prometheus", () => {
  it("has HELP and TYPE once, then each sample", () => {
    const page = formatPrometheus([
      family([
        { labels: { kind: "one", side: "in" }, value: 1 },
        { labels: { kind: "two" }, value: 2.5 },
      ]),
      { ...family([{ value: 3 }]), name: "b", type: "gauge" },
    ]);
    assert.strictEqual(
      page,
      "# HELP a_total What it is.\n# TYPE a_total counter\n" +
        'a_total{kind="one",side="in"} 1\na_total{kind="two"} 2.5\n' +
        "# HELP b What it is.\n# TYPE b gauge\nb 3\n",
    );
  });

  it("escapes what would end a line or a label", () => {
    const page = formatPrometheus([family([{ labels: { text: 'a "b"\\\n' }, value: 1 }], "one\\two\nthree")]);
    assert.strictEqual(
      page,
      '# HELP a_total one\\\\two\\nthree\n# TYPE a_total counter\na_total{text="a \\"b\\"\\\\\\n"} 1\n',
    );
  });

  it("writes what is no finite number as the format has it", () => {
    const page = formatPrometheus([family([{ value: Infinity }, { value: -Infinity }, { value: NaN }])]);
    assert.deepStrictEqual(page.trim().split("\n").slice(2), ["a_total +Inf", "a_total -Inf", "a_total NaN"]);
  });

  it("leaves out what has no samples", () => {
    assert.strictEqual(formatPrometheus([family([])]), "");
  });
});
