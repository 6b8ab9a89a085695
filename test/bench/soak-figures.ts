import { formatBytes, formatTable, processUsage } from "../network/index.ts";
import type { Inspector } from "./inspector.ts";
import { MetricsPage } from "./metrics-page.ts";

/** What a relay holds at one moment. */
export interface SoakFigures {
  /** Bytes. */
  readonly resident: number;
  readonly heap: number;
  /** Open file descriptors. */
  readonly files: number;
  /** Timers that are set, and other handles of the platform that keep its event loop going. */
  readonly timers: number;
  readonly handles: number;
  readonly channels: number;
  readonly circuits: number;
  /** The kernel's topology. */
  readonly groups: number;
  readonly reactors: number;
  readonly links: number;
}

/** What a relay has done so far. */
export interface SoakTotals {
  /** Streams that clients asked for. */
  readonly streams: number;
  /** Bytes that its channels have written. */
  readonly written: number;
  readonly cpuSeconds: number;
}

/** Where the figures come from. */
export interface SoakSources {
  readonly pid: number;
  readonly metricsPort: number;
  readonly inspector: Inspector;
}

/** Reads the figures. @param collect whether to free what is garbage first, so that memory is what is held */
export const readFigures = async (
  { pid, metricsPort, inspector }: SoakSources,
  collect: boolean,
): Promise<SoakFigures & SoakTotals> => {
  if (collect) await inspector.collectGarbage();
  const page = await MetricsPage.of(metricsPort);
  const kinds = await inspector.evaluate<ReadonlyArray<string>>("process.getActiveResourcesInfo()");
  const timers = kinds.filter((kind) => kind === "Timeout" || kind === "Immediate").length;
  return {
    resident: processUsage(pid)?.residentBytes ?? 0,
    heap: page.sum("allium_heap_bytes", { kind: "used" }),
    files: page.sum("process_open_fds"),
    timers,
    handles: kinds.length - timers,
    channels: page.sum("tor_relay_connections", { state: "opened" }),
    circuits: page.sum("tor_relay_circuits_total", { state: "opened" }),
    groups: page.sum("allium_reactor_groups"),
    reactors: page.sum("allium_reactors"),
    links: page.sum("allium_links"),
    streams: page.sum("tor_relay_streams_total"),
    written: page.sum("tor_relay_traffic_bytes", { direction: "written" }),
    cpuSeconds: page.sum("process_cpu_seconds_total"),
  };
};

/** By how much a figure may be more at the end than after the first minutes: a part of it, and so much on top. */
interface Bound {
  readonly part: number;
  readonly more: number;
}

const MIB = 1024 * 1024;

/** What a relay at rest may differ by: an idle channel more or less, and a heap that is never quite the same. */
export const BOUNDS: Readonly<Record<keyof SoakFigures, Bound>> = {
  resident: { part: 0.15, more: 16 * MIB },
  heap: { part: 0.1, more: 4 * MIB },
  files: { part: 0, more: 10 },
  timers: { part: 0, more: 10 },
  handles: { part: 0, more: 10 },
  channels: { part: 0, more: 5 },
  circuits: { part: 0, more: 5 },
  groups: { part: 0, more: 15 },
  reactors: { part: 0, more: 30 },
  links: { part: 0, more: 30 },
};

/** One figure at the end beside what it was. */
export interface Comparison {
  readonly figure: keyof SoakFigures;
  readonly before: number;
  readonly after: number;
  /** The most that it may be. */
  readonly allowed: number;
  readonly grew: boolean;
}

/** Compares a relay at rest with itself. */
export const compareFigures = (before: SoakFigures, after: SoakFigures): ReadonlyArray<Comparison> =>
  (Object.keys(BOUNDS) as ReadonlyArray<keyof SoakFigures>).map((figure) => {
    const { part, more } = BOUNDS[figure];
    const allowed = before[figure] * (1 + part) + more;
    return { figure, before: before[figure], after: after[figure], allowed, grew: after[figure] > allowed };
  });

const formatFigure = (figure: keyof SoakFigures, value: number): string =>
  figure === "resident" || figure === "heap" ? formatBytes(value) : String(value);

/** The comparison as a table in Markdown. */
export const formatComparison = (comparison: ReadonlyArray<Comparison>): string =>
  formatTable(
    ["at rest", "after the first minutes", "at the end", "at most", ""],
    comparison.map(({ figure, before, after, allowed, grew }) => [
      figure,
      formatFigure(figure, before),
      formatFigure(figure, after),
      formatFigure(figure, Math.floor(allowed)),
      grew ? "GREW" : "",
    ]),
  );

const COLUMNS = [
  ["min", 6],
  ["resident", 10],
  ["heap", 10],
  ["files", 6],
  ["timers", 7],
  ["handles", 8],
  ["channels", 9],
  ["circuits", 9],
  ["groups", 7],
  ["streams", 8],
  ["MB", 7],
  ["CPU", 6],
] as const;

/** The head of the lines of {@link formatLine}. */
export const LINE_HEAD = COLUMNS.map(([name, width]) => name.padStart(width)).join("");

/** One line: what is held now, and streams, megabytes written and share of a processor since the last. */
export const formatLine = (
  minutes: number,
  now: SoakFigures & SoakTotals,
  last: SoakTotals,
  seconds: number,
): string => {
  const cells = [
    minutes.toFixed(1),
    formatBytes(now.resident),
    formatBytes(now.heap),
    String(now.files),
    String(now.timers),
    String(now.handles),
    String(now.channels),
    String(now.circuits),
    String(now.groups),
    String(now.streams - last.streams),
    ((now.written - last.written) / 1e6).toFixed(0),
    `${(((now.cpuSeconds - last.cpuSeconds) / seconds) * 100).toFixed(0)} %`,
  ];
  return COLUMNS.map(([, width], index) => (cells[index] ?? "").padStart(width)).join("");
};
