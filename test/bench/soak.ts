import { pause } from "../network/index.ts";
import { startAlliumBench } from "./allium-bench.ts";
import { Inspector } from "./inspector.ts";
import {
  compareFigures,
  formatComparison,
  formatLine,
  LINE_HEAD,
  readFigures,
  type SoakFigures,
  type SoakSources,
} from "./soak-figures.ts";
import { type SoakCounts, SoakLoad } from "./soak-load.ts";

/** The part of the load, and the most of it in minutes, after which the relay is what it is compared with at the end. */
const FIRST = { part: 0.25, minutes: 5 };

/** The same for the quiet before each comparison: what lingers must have gone. */
const QUIET = { part: 0.15, minutes: 1 };

/** The same for the time between two lines. */
const LINE = { part: 0.1, minutes: 1 };

/** The part of all transfers that may fail: the machine is busy, and patience ends. */
const MAX_FAILED_PART = 0.01;

const milliseconds = ({ part, minutes }: typeof FIRST, of: number): number => Math.min(minutes, of * part) * 60_000;

/**
 * Loads Allium's relay in a network of `tor` for so many minutes, with two quiet spans beside them, and compares it with itself:
 * at rest after the first minutes, and at rest at the end.
 *
 * @returns whether nothing grew, every byte arrived as it was sent, and no more transfers failed than may
 */
export const soakRelay = async (
  minutes: number,
  print: (line: string) => void,
  onProgress: (text: string) => void,
): Promise<boolean> => {
  await using bench = await startAlliumBench({ clients: 3, metrics: true, inspect: true, onProgress });
  const { network, origin, relay, allium, client, dialer, inspectorPort } = bench;
  if (inspectorPort === undefined || allium.metricsPort === undefined) throw new TypeError("nothing to read from");
  await using inspector = await Inspector.connect(inspectorPort);
  const sources = { pid: relay.pid, metricsPort: allium.metricsPort, inspector };
  const load = await SoakLoad.make({ network, origin, relay }, { client, dialer });

  const soak = async (): Promise<readonly [SoakFigures, SoakFigures]> => {
    await using _ = printLines(sources, milliseconds(LINE, minutes), print);
    const first = milliseconds(FIRST, minutes);
    const atRest = async (): Promise<SoakFigures> => {
      onProgress("quiet");
      await pause(milliseconds(QUIET, minutes));
      return await readFigures(sources, true);
    };
    await load.run(first);
    const before = await atRest();
    onProgress("load again");
    await load.run(minutes * 60_000 - first);
    return [before, await atRest()];
  };
  const [before, after] = await allium.whileRunning(soak());

  const comparison = compareFigures(before, after);
  print(`\n${formatComparison(comparison)}\n`);
  for (const line of describeLoad(load.counts)) print(line);
  const grown = comparison.filter(({ grew }) => grew).map(({ figure }) => figure);
  const { mismatches, failed, transfers } = load.counts;
  const problems = [
    ...(grown.length === 0 ? [] : [`grew: ${grown.join(", ")}`]),
    ...(mismatches === 0 ? [] : [`${mismatches} transfers brought other bytes than were sent`]),
    ...(failed <= transfers * MAX_FAILED_PART ? [] : [`${failed} failures, more than a hundredth of all transfers`]),
  ];
  print(`\n${minutes} minutes: ${problems.length === 0 ? "flat" : problems.join("; ")}`);
  return problems.length === 0;
};

const describeLoad = (counts: SoakCounts): ReadonlyArray<string> => [
  `${counts.transfers} transfers, SHA-256 different in ${counts.mismatches}; ${counts.circuits} circuits built, ` +
    `${counts.failedCircuits} failed; ${counts.kills} clients killed, ${counts.resets} connections reset by their origin`,
  ...[...counts.reasons].map(([reason, times]) => `failed ${times} times: ${reason}`),
];

/** Prints a line each `everyMs` until it is disposed. */
const printLines = (sources: SoakSources, everyMs: number, print: (line: string) => void): AsyncDisposable => {
  const over = Promise.withResolvers<void>();
  let ended = false;
  const lines = async (): Promise<void> => {
    print(LINE_HEAD);
    const started = performance.now();
    let last = await readFigures(sources, false);
    for (let at = started; ; ) {
      await Promise.race([pause(everyMs), over.promise]);
      if (ended) return;
      const now = await readFigures(sources, false);
      const time = performance.now();
      print(formatLine((time - started) / 60_000, now, last, (time - at) / 1000));
      last = now;
      at = time;
    }
  };
  const printing = lines();
  // The relay's end is told by who waits for it; a page that did not come shows there too.
  printing.catch(() => {});
  return {
    [Symbol.asyncDispose]: async () => {
      ended = true;
      over.resolve();
      await printing;
    },
  };
};
