import { processUsage } from "./process-usage.ts";

/** What one process used between two moments. */
export interface UsageDelta {
  readonly cpuSeconds: number;
  /** At the first moment and at the second. */
  readonly residentBefore: number;
  readonly residentAfter: number;
}

/** Bytes in a gigabyte, the unit of CPU s/GB. */
export const GIGABYTE = 1e9;

/**
 * Reads what processes use from its making to a call of `read`.
 *
 * @example
 * const meter = new Meter({ exit: exit.pid, client: client.pid });
 * const report = await runTransfers(plan);
 * console.log(meter.table(report.bytes));
 */
export class Meter<Name extends string> {
  private readonly pids: Readonly<Record<Name, number>>;
  private readonly before: ReadonlyMap<Name, { readonly cpuSeconds: number; readonly residentBytes: number }>;

  /** @throws TypeError when one of the processes has ended */
  constructor(pids: Readonly<Record<Name, number>>) {
    this.pids = pids;
    this.before = new Map(this.names().map((name) => [name, usageOf(name, pids[name])]));
  }

  /** What each used since. @throws TypeError when one of the processes has ended meanwhile */
  read(): Readonly<Record<Name, UsageDelta>> {
    const deltas = this.names().map((name) => {
      const before = this.before.get(name)!;
      const after = usageOf(name, this.pids[name]);
      return [
        name,
        {
          cpuSeconds: after.cpuSeconds - before.cpuSeconds,
          residentBefore: before.residentBytes,
          residentAfter: after.residentBytes,
        },
      ] as const;
    });
    return Object.fromEntries(deltas) as Record<Name, UsageDelta>;
  }

  /** The same as a table, with CPU seconds for each gigabyte carried. */
  table(bytesCarried: number): string {
    const usage = this.read();
    return formatTable(
      ["process", "CPU s", "CPU s/GB", "memory before", "after"],
      this.names().map((name) => [
        name,
        usage[name].cpuSeconds.toFixed(2),
        cpuPerGigabyte(usage[name].cpuSeconds, bytesCarried).toFixed(2),
        formatBytes(usage[name].residentBefore),
        formatBytes(usage[name].residentAfter),
      ]),
    );
  }

  private names(): ReadonlyArray<Name> {
    return Object.keys(this.pids) as Array<Name>;
  }
}

const usageOf = (name: string, pid: number): { readonly cpuSeconds: number; readonly residentBytes: number } => {
  const usage = processUsage(pid);
  if (usage === undefined) throw new TypeError(`${name} (process ${pid}) has ended`);
  return usage;
};

/** CPU seconds for each gigabyte. */
export const cpuPerGigabyte = (cpuSeconds: number, bytes: number): number => (cpuSeconds * GIGABYTE) / bytes;

/** `1.5 MB`, in powers of 1000. */
export const formatBytes = (bytes: number): string => {
  const units = ["B", "kB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
};

/** A table in Markdown: the first column to the left, the others to the right. */
export const formatTable = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((title, column) =>
    Math.max(3, title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: ReadonlyArray<string>): string =>
    `| ${widths.map((width, column) => (column === 0 ? (cells[column] ?? "").padEnd(width) : (cells[column] ?? "").padStart(width))).join(" | ")} |`;
  const rule = widths.map((width, column) => (column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
};
