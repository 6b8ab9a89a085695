import { assert, describe, it } from "@effect/vitest";
import { MetricsPage } from "../../bench/metrics-page.ts";
import { BOUNDS, compareFigures, type SoakFigures } from "../../bench/soak-figures.ts";

const AT_REST: SoakFigures = {
  resident: 120e6,
  heap: 30e6,
  files: 40,
  timers: 12,
  handles: 20,
  channels: 8,
  circuits: 0,
  groups: 9,
  reactors: 25,
  links: 10,
};

const grown = (after: SoakFigures): ReadonlyArray<string> =>
  compareFigures(AT_REST, after)
    .filter(({ grew }) => grew)
    .map(({ figure }) => figure);

describe("a soak's verdict", () => {
  it("is that nothing grew when all is as it was, or less", () => {
    assert.deepStrictEqual(grown(AT_REST), []);
    assert.deepStrictEqual(grown({ ...AT_REST, heap: 1e6, files: 1, channels: 0 }), []);
  });

  it("names each figure that is beyond its bound, and none that is at it", () => {
    for (const figure of Object.keys(BOUNDS) as ReadonlyArray<keyof SoakFigures>) {
      const { allowed } = compareFigures(AT_REST, AT_REST).find((one) => one.figure === figure)!;
      assert.deepStrictEqual(grown({ ...AT_REST, [figure]: allowed }), [], figure);
      assert.deepStrictEqual(grown({ ...AT_REST, [figure]: allowed * 1.01 + 1 }), [figure], figure);
    }
  });

  it("is of every figure that is read", () => {
    assert.deepStrictEqual(Object.keys(BOUNDS).sort(), Object.keys(AT_REST).sort());
  });
});

describe("a relay's metrics page", () => {
  const page = new MetricsPage(
    [
      "# HELP tor_relay_connections Total number of opened connections",
      "# TYPE tor_relay_connections gauge",
      'tor_relay_connections{type="OR",direction="initiated",state="opened"} 3',
      'tor_relay_connections{type="OR",direction="received",state="opened"} 4',
      "process_open_fds 21",
      'allium_event_loop_delay_seconds{quantile="0.99"} 0.0021',
      "",
    ].join("\n"),
  );

  it("gives a sample, or the sum of those with some labels", () => {
    assert.strictEqual(page.sum("process_open_fds"), 21);
    assert.strictEqual(page.sum("tor_relay_connections", { state: "opened" }), 7);
    assert.strictEqual(page.sum("tor_relay_connections", { direction: "received" }), 4);
    assert.strictEqual(page.sum("allium_event_loop_delay_seconds", { quantile: "0.99" }), 0.0021);
  });

  it("gives zero for what it does not tell", () => {
    assert.strictEqual(page.sum("tor_relay_connections", { state: "closed" }), 0);
    assert.strictEqual(page.sum("process_open"), 0);
  });
});
