/**
 * Plays three days of a client (`three-days.ts`) for many seeds, and tells of those in which something is not as it should be:
 * `node test/memory-network/main.ts --seeds 20 --first 100`. One seed alone, with all that has happened:
 * `node test/memory-network/main.ts --first 107 --seeds 1 --trace trace.txt`.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Effect, Logger } from "effect";
import { type ThreeDays, threeDays } from "./three-days.ts";
import { inVirtualTime } from "./virtual-time.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "10" },
    first: { type: "string", default: "0" },
    trace: { type: "string" },
  },
});

/** What must hold, whatever the seed. */
const complaints = ({ summary }: ThreeDays): ReadonlyArray<string> => [
  ...summary.failures.map((failure) => `a stream failed: ${failure}`),
  ...(summary.left === 0 ? [] : [`${summary.left} circuits are left`]),
  ...(summary.shared === 0 ? [] : [`${summary.shared} circuits have carried streams of two users`]),
  ...(summary.longest < 120_000 ? [] : [`a stream took ${summary.longest} ms`]),
];

const first = Number(values.first);
for (let seed = first; seed < first + Number(values.seeds); seed++) {
  const began = performance.now();
  const played = await Effect.runPromise(inVirtualTime(threeDays(`${seed}`)).pipe(Effect.provide(Logger.layer([]))));
  const { streams, tunnels, longest } = played.summary;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const found = complaints(played);
  console.log(`seed ${seed}: ${streams} streams, ${tunnels} tunnels, longest ${longest} ms; ${seconds} s`);
  for (const complaint of found) console.log(`  ${complaint}`);
  if (found.length > 0) process.exitCode = 1;
  if (values.trace !== undefined) writeFileSync(values.trace, played.trace);
}
