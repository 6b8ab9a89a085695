import assert from "node:assert/strict";
import { Result } from "effect";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { circuitsTable } from "../src/circuits-table.ts";
import { parseUrl } from "../src/download.ts";
import { parseReport } from "../src/status-report.ts";

const number = (random: Random): number => random.pick([0, 1, -1, 41.6, 1e21, 1_700_000_000_000, random.uint32()]);

const hop = (random: Random) => ({
  fingerprint: random.pick(["", "A".repeat(40)]),
  nickname: random.pick(["", "guard", "ein Relay"]),
  address: random.pick(["192.0.2.1:9001", "[2001:db8::1]:443", ""]),
});

const leg = (random: Random) => ({
  circuit: "circuit 1",
  hops: Array.from({ length: random.below(4) }, () => hop(random)),
  ...(random.oneIn(2) ? { rttMillis: number(random), window: number(random) } : {}),
});

/** A report as a client writes it, or nearly. */
const report = (random: Random): string => {
  const text = JSON.stringify({
    now: number(random),
    socks: "127.0.0.1:9150",
    bootstrap: { phase: random.pick(["ready", "consensus", ""]), progress: number(random), waitsFor: "it" },
    tunnels: Array.from({ length: random.below(4) }, () => ({
      id: number(random),
      purpose: "exit",
      state: random.pick(["open", "building"]),
      createdAt: number(random),
      streams: random.pick([0, 3, null]),
      isolated: random.oneIn(2),
      legs: Array.from({ length: random.below(3) }, () => leg(random)),
    })),
  });
  return random.oneIn(3) ? random.mutate(Buffer.from(text)).toString("utf8") : text;
};

const urls = [
  "example.com",
  "http://example.com:8080/path?query#fragment",
  "https://[2001:db8::1]/",
  "ftp://example.com/",
  "javascript:alert(1)",
  "http://user:password@host/",
  "//host/path",
  "http://",
];

export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "report of a running client",
    run: (random) => {
      const parsed = parseReport(report(random));
      if (Result.isFailure(parsed)) return assert.notEqual(parsed.failure, "");
      const { tunnels, bootstrap } = parsed.success;
      const legs = tunnels.reduce((sum, tunnel) => sum + Math.max(1, tunnel.legs.length), 0);
      const head = bootstrap.phase === "ready" ? 0 : 1;
      const lines = circuitsTable(parsed.success).split("\n");
      // A line break in a name would be a line more: the client that is asked is one's own.
      assert(lines.length >= head + 1 + (tunnels.length === 0 ? 0 : legs));
    },
  },
  {
    name: "URL to fetch",
    run: (random) => {
      const text = random.mutate(Buffer.from(random.pick(urls))).toString("utf8");
      const url = parseUrl(text);
      if (url === undefined) return;
      assert(url.protocol === "http:" || url.protocol === "https:");
      assert.notEqual(url.hostname, "");
    },
  },
];
