import { readdirSync, readFileSync } from "node:fs";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { type Metric, Metrics } from "@allium/kernel";
import { Effect, type Scope } from "effect";

/** How exactly the delay of the event loop is sampled, in milliseconds. */
const DELAY_RESOLUTION_MILLIS = 20;

const quantiles = [0.5, 0.99, 1] as const;

/**
 * How late the event loop was since somebody last asked. It is not watched before somebody does: the first answer is empty.
 */
const eventLoopDelay = (): { readonly metric: Metric; readonly stop: () => void } => {
  let histogram: ReturnType<typeof monitorEventLoopDelay> | undefined;
  return {
    metric: {
      name: "allium_event_loop_delay_seconds",
      help: "How late timers were since the last scrape.",
      type: "gauge",
      read: () => {
        if (histogram === undefined) {
          histogram = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MILLIS });
          histogram.enable();
          return [];
        }
        const watched = histogram;
        // What it measures is the time from one timer to the next.
        const late = (percentile: number): number =>
          Math.max(0, watched.percentile(percentile) / 1e9 - DELAY_RESOLUTION_MILLIS / 1e3);
        const samples = quantiles.map((quantile) => ({
          labels: { quantile: String(quantile) },
          value: watched.count === 0 ? 0 : late(quantile * 100),
        }));
        watched.reset();
        return samples;
      },
    },
    stop: () => histogram?.disable(),
  };
};

const eventLoopUtilization = (): Metric => {
  let last = performance.eventLoopUtilization();
  return {
    name: "allium_event_loop_utilization_ratio",
    help: "The share of the time since the last scrape in which the event loop was busy.",
    type: "gauge",
    read: () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      return utilization;
    },
  };
};

/** Open files, where the platform tells. */
const openFiles = (): number | ReadonlyArray<never> => {
  try {
    // The directory itself is open while it is read.
    return readdirSync("/proc/self/fd").length - 1;
  } catch {
    return [];
  }
};

/** How many may be, where the platform tells, and if there is a limit. */
const mostOpenFiles = (): number | ReadonlyArray<never> => {
  try {
    const [, limit = ""] = /^Max open files +(\d+) /m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return limit === "" ? [] : Number(limit);
  } catch {
    return [];
  }
};

const processMetrics = (version: string): ReadonlyArray<Metric> => [
  {
    name: "allium_build_info",
    help: "What runs; always 1.",
    type: "gauge",
    read: () => [{ labels: { version, node: process.version }, value: 1 }],
  },
  {
    name: "allium_heap_bytes",
    help: "Memory of the JavaScript heap, and outside of it.",
    type: "gauge",
    read: () => {
      const { heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
      return Object.entries({ used: heapUsed, total: heapTotal, external, array_buffers: arrayBuffers }).map(
        ([kind, value]) => ({ labels: { kind }, value }),
      );
    },
  },
  {
    name: "process_cpu_seconds_total",
    help: "Total user and system CPU time spent in seconds.",
    type: "counter",
    read: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  },
  {
    name: "process_resident_memory_bytes",
    help: "Resident memory size in bytes.",
    type: "gauge",
    read: () => process.memoryUsage.rss(),
  },
  {
    name: "process_start_time_seconds",
    help: "Start time of the process since unix epoch in seconds.",
    type: "gauge",
    read: () => performance.timeOrigin / 1_000,
  },
  { name: "process_open_fds", help: "Number of open file descriptors.", type: "gauge", read: openFiles },
  { name: "process_max_fds", help: "Maximum number of open file descriptors.", type: "gauge", read: mostOpenFiles },
];

/** Registers what the process tells of itself: those of Prometheus's own names that it can, and the event loop's. */
export const registerProcessMetrics = (version: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const delay = yield* Effect.acquireRelease(Effect.sync(eventLoopDelay), ({ stop }) => Effect.sync(stop));
    yield* Metrics.register(delay.metric, eventLoopUtilization(), ...processMetrics(version));
  });
