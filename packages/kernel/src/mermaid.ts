import type { GroupSnapshot, LinkSnapshot, TopologySnapshot } from "./snapshot.ts";

/** Names come from programs and peers: nothing in them may end the quoted text that they are put into. */
const text = (name: string): string =>
  name
    .replaceAll("#", "#35;")
    .replaceAll('"', "#quot;")
    .replaceAll("<", "#lt;")
    .replace(/[\r\n\t]+/g, " ");

const duration = (nanos: number): string =>
  nanos >= 1e9
    ? `${(nanos / 1e9).toFixed(1)} s`
    : nanos >= 1e6
      ? `${(nanos / 1e6).toFixed(1)} ms`
      : `${(nanos / 1e3).toFixed(1)} µs`;

const linkLabel = (link: LinkSnapshot): string =>
  `${text(link.name)}<br/>${link.items} items, writer waited ${duration(link.writerBlockedNanos)}, reader ${duration(link.readerBlockedNanos)}`;

const groupTitle = (group: GroupSnapshot): string =>
  group.state === "running" ? text(group.name) : `${text(group.name)} (ending)`;

/**
 * A snapshot as the text of a Mermaid flowchart: a box for each group, supervisor and set of routines, an arrow for each link
 * from its writer to its reader with what passed and how long each side waited. An end that no registered reactor holds is
 * drawn as `outside`.
 */
export const toMermaid = (snapshot: TopologySnapshot): string => {
  const lines = ["flowchart LR"];
  const writers = new Map<number, Array<string>>();
  const readers = new Map<number, Array<string>>();
  const note = (ends: Map<number, Array<string>>, link: number, node: string) => {
    const nodes = ends.get(link);
    if (nodes === undefined) ends.set(link, [node]);
    else nodes.push(node);
  };
  for (const group of snapshot.groups) {
    lines.push(`  subgraph g${group.id}["${groupTitle(group)}"]`);
    group.reactors.forEach((reactor, at) => {
      const node = `g${group.id}r${at}`;
      lines.push(`    ${node}["${text(reactor.name)}"]`);
      for (const { link } of reactor.reads) note(readers, link, node);
      for (const { link } of reactor.writes) note(writers, link, node);
    });
    lines.push("  end");
  }
  for (const supervisor of snapshot.supervisors) {
    lines.push(`  subgraph s${supervisor.id}["${text(supervisor.name)}"]`);
    supervisor.tasks.forEach((task, at) => {
      const restarts = task.restarts === 0 ? "" : `, ${task.restarts} restarts`;
      lines.push(`    s${supervisor.id}t${at}["${text(task.name)}<br/>${task.status}${restarts}"]`);
    });
    lines.push("  end");
  }
  for (const set of snapshot.routines) {
    lines.push(`  subgraph p${set.id}["${text(set.name)}"]`);
    set.sessions.forEach((session, at) => {
      lines.push(`    p${set.id}s${at}["${text(session.peer)} #35;${session.generation}<br/>${session.state}"]`);
    });
    lines.push("  end");
  }
  let outside = false;
  const endsOf = (nodes: ReadonlyArray<string> | undefined): ReadonlyArray<string> => {
    if (nodes !== undefined) return nodes;
    outside = true;
    return ["outside"];
  };
  const arrows: Array<string> = [];
  for (const link of snapshot.links) {
    // A link that nobody holds yet would be an arrow from outside to outside: it says nothing.
    if (!writers.has(link.id) && !readers.has(link.id)) continue;
    for (const writer of endsOf(writers.get(link.id))) {
      for (const reader of endsOf(readers.get(link.id)))
        arrows.push(`  ${writer} -- "${linkLabel(link)}" --> ${reader}`);
    }
  }
  if (outside) lines.push("  outside((outside))");
  return [...lines, ...arrows, ""].join("\n");
};
