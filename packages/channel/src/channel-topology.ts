import { type GroupSnapshot, type LinkEnd, type PortSnapshot, Topology, type TopologyRegistry } from "@allium/kernel";
import type { CircuitMap } from "./circuit-map.ts";

type Source = Parameters<TopologyRegistry["add"]>[0];

/**
 * A registry for a channel's group: passes it on to the real one, with the inboxes and outboxes of the channel's circuits as
 * links that its reader writes and its writer reads. They come and go with the circuits, so they are looked up when a
 * snapshot is taken, and cost nothing until then.
 */
export const registryWithCircuits = (registry: TopologyRegistry, circuits: CircuitMap): TopologyRegistry => {
  const wrapped = new Map<Source, Source>();
  const wrap = (source: Source): Source =>
    source.kind !== "group"
      ? source
      : { kind: "group", snapshot: (id, linkId) => withCircuits(source.snapshot(id, linkId), circuits, linkId) };
  return {
    add: (source) => {
      const outer = wrap(source);
      wrapped.set(source, outer);
      registry.add(outer);
    },
    remove: (source) => {
      registry.remove(wrapped.get(source) ?? source);
      wrapped.delete(source);
    },
    snapshot: () => registry.snapshot(),
  };
};

const withCircuits = (group: GroupSnapshot, circuits: CircuitMap, linkId: (end: LinkEnd) => number): GroupSnapshot => {
  const all = [...circuits.values()];
  const ports = (pick: (circuit: (typeof all)[number]) => LinkEnd): ReadonlyArray<PortSnapshot> =>
    all.map((circuit) => ({ port: `circuit ${circuit.circId.toString(16)}`, link: linkId(pick(circuit)) }));
  return {
    ...group,
    reactors: group.reactors.map((reactor) => {
      if (reactor.name === READER) return { ...reactor, writes: ports((circuit) => circuit.inbox) };
      if (reactor.name === WRITER) return { ...reactor, reads: ports((circuit) => circuit.outbox) };
      return reactor;
    }),
  };
};

/** Names of a channel's reactors. */
export const READER = "reader";
export const WRITER = "writer";
export const KEEPER = "keeper";

/** The service that groups register with. */
export const { Registry } = Topology;
