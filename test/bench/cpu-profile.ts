import type { Frame, Sample } from "./attribution.ts";

/** One function at one place of the call tree. */
export interface CpuProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children?: ReadonlyArray<number>;
}

/** A `.cpuprofile` of V8. Times in microseconds. */
export interface CpuProfile {
  readonly nodes: ReadonlyArray<CpuProfileNode>;
  readonly startTime: number;
  readonly endTime: number;
  /** The node that ran, for each sample. */
  readonly samples: ReadonlyArray<number>;
  /** How long after the sample before it each was taken; the first, after the start. */
  readonly timeDeltas: ReadonlyArray<number>;
}

/** The profile's samples, those of one stack taken together: each counts from when it was taken to the next. */
export const samplesOf = (profile: CpuProfile): ReadonlyArray<Sample> => {
  const parents = new Map<number, CpuProfileNode>();
  for (const node of profile.nodes) for (const child of node.children ?? []) parents.set(child, node);

  const micros = new Map<number, number>();
  const elapsed = profile.timeDeltas.reduce((sum, delta) => sum + delta, 0);
  const afterLast = profile.endTime - profile.startTime - elapsed;
  profile.samples.forEach((id, index) => {
    // The platform's clock may step back by a little between two samples.
    const lasted = Math.max(0, profile.timeDeltas[index + 1] ?? afterLast);
    micros.set(id, (micros.get(id) ?? 0) + lasted);
  });

  const stackOf = (node: CpuProfileNode): ReadonlyArray<Frame> => {
    const frames: Array<Frame> = [];
    for (let at: CpuProfileNode | undefined = node; at !== undefined; at = parents.get(at.id)) {
      frames.push({ name: at.callFrame.functionName, file: at.callFrame.url });
    }
    return frames;
  };
  return profile.nodes
    .filter(({ id }) => (micros.get(id) ?? 0) > 0)
    .map((node) => ({ stack: stackOf(node), weight: micros.get(node.id)! }));
};
