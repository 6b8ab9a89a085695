import type { MetricSample } from "@allium/kernel";

/** Samples that one label tells apart. */
export const byLabel = (
  label: string,
  values: Iterable<readonly [text: string, value: number]>,
): ReadonlyArray<MetricSample> => Array.from(values, ([text, value]) => ({ labels: { [label]: text }, value }));
