import type { Metric, TopologyRegistry, TopologySnapshot } from "@allium/kernel";

/** Figures of the reactors of a process, from its topology. The snapshot is taken once for all that is read together. */
export const topologyMetrics = (registry: TopologyRegistry): ReadonlyArray<Metric> => {
  let taken: TopologySnapshot | undefined;
  const snapshot = (): TopologySnapshot => {
    if (taken === undefined) {
      taken = registry.snapshot();
      queueMicrotask(() => {
        taken = undefined;
      });
    }
    return taken;
  };
  const sum = (of: (link: TopologySnapshot["links"][number]) => number): number =>
    snapshot().links.reduce((total, link) => total + of(link), 0);
  return [
    {
      name: "allium_reactor_groups",
      help: "Reactor groups (a circuit or a channel each), by what they do.",
      type: "gauge",
      read: () =>
        (["running", "ending"] as const).map((state) => ({
          labels: { state },
          value: snapshot().groups.filter((group) => group.state === state).length,
        })),
    },
    {
      name: "allium_reactors",
      help: "Reactors that run.",
      type: "gauge",
      read: () => snapshot().groups.reduce((total, { reactors }) => total + reactors.length, 0),
    },
    { name: "allium_links", help: "Links between reactors.", type: "gauge", read: () => snapshot().links.length },
    {
      name: "allium_links_writer_blocked_seconds",
      help: "How long the writers of the links that are there now had to wait, together.",
      type: "gauge",
      read: () => sum(({ writerBlockedNanos }) => writerBlockedNanos) / 1e9,
    },
    {
      name: "allium_task_restarts",
      help: "How often a background task was started again.",
      type: "gauge",
      read: () =>
        snapshot().supervisors.flatMap(({ name, tasks }) =>
          tasks.map((task) => ({ labels: { supervisor: name, task: task.name }, value: task.restarts })),
        ),
    },
  ];
};
