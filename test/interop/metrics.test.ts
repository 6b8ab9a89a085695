import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, it } from "@effect/vitest";
import { PortPool } from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { LoneTor } from "./support/lone-tor.ts";

/** Every line of a page without its value, but for comments: those whole. */
const shapeOf = (page: string): ReadonlyArray<string> =>
  page
    .trimEnd()
    .split("\n")
    .map((line) => (line.startsWith("#") ? line : line.replace(/ \S+$/, "")));

describeWithTor("tor's MetricsPort", () => {
  it("serves what the page is compared with that the metrics of a relay are held to", async () => {
    const directory = mkdtempSync(join(tmpdir(), "allium-metrics-"));
    await using ports = new PortPool();
    try {
      const dataDirectory = join(directory, "tor");
      mkdirSync(dataDirectory, { mode: 0o700 });
      const listen = `127.0.0.1:${await ports.take()}`;
      await using _tor = await LoneTor.start(dataDirectory, {
        MetricsPort: listen,
        MetricsPortPolicy: "accept 127.0.0.1",
      });
      const page = await (await fetch(`http://${listen}/metrics`)).text();
      const recorded = readFileSync(
        new URL("../../packages/relay/test/metrics/tor-metrics.txt", import.meta.url),
        "utf8",
      );
      const shape = shapeOf(page);
      assert.deepStrictEqual(
        shapeOf(recorded).filter((line) => !shape.includes(line)),
        [],
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
