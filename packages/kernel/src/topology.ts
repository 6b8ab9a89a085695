import { Context, Effect, Layer } from "effect";
import type { LinkEnd } from "./inlet.ts";
import { toMermaid } from "./mermaid.ts";
import type {
  GroupSnapshot,
  LinkSnapshot,
  RoutinesSnapshot,
  SupervisorSnapshot,
  TopologySnapshot,
} from "./snapshot.ts";

/** Gives a link its id while a snapshot is taken, and sees to it that the link is in the snapshot. */
export type LinkIdOf = (end: LinkEnd) => number;

/** What can be registered: it describes itself when a snapshot is taken, and costs nothing until then. */
export type TopologySource =
  | { readonly kind: "group"; readonly snapshot: (id: number, linkId: LinkIdOf) => GroupSnapshot }
  | { readonly kind: "supervisor"; readonly snapshot: (id: number) => SupervisorSnapshot }
  | { readonly kind: "routines"; readonly snapshot: (id: number) => RoutinesSnapshot };

/** Where groups, supervisors and sets of routines are registered while they live. */
export interface TopologyRegistry {
  readonly add: (source: TopologySource) => void;
  readonly remove: (source: TopologySource) => void;
  readonly snapshot: () => TopologySnapshot;
}

class LiveRegistry implements TopologyRegistry {
  readonly #sources = new Map<TopologySource, number>();
  readonly #linkIds = new WeakMap<object, number>();
  #lastId = 0;
  #lastLinkId = 0;

  add(source: TopologySource): void {
    this.#sources.set(source, ++this.#lastId);
  }

  remove(source: TopologySource): void {
    this.#sources.delete(source);
  }

  snapshot(): TopologySnapshot {
    const groups: Array<GroupSnapshot> = [];
    const supervisors: Array<SupervisorSnapshot> = [];
    const routines: Array<RoutinesSnapshot> = [];
    const links = new Map<number, LinkSnapshot>();
    const linkId: LinkIdOf = (end) => {
      let id = this.#linkIds.get(end.link);
      if (id === undefined) {
        id = ++this.#lastLinkId;
        this.#linkIds.set(end.link, id);
      }
      if (!links.has(id)) links.set(id, { id, name: end.name, ...end.counters() });
      return id;
    };
    for (const [source, id] of this.#sources) {
      if (source.kind === "group") groups.push(source.snapshot(id, linkId));
      else if (source.kind === "supervisor") supervisors.push(source.snapshot(id));
      else routines.push(source.snapshot(id));
    }
    return { groups, supervisors, routines, links: [...links.values()] };
  }
}

const EMPTY: TopologySnapshot = { groups: [], supervisors: [], routines: [], links: [] };

/** The registry in use. By default one for the process. */
const Registry = Context.Reference<TopologyRegistry>("allium/kernel/Topology", {
  defaultValue: () => new LiveRegistry(),
});

/**
 * Who runs, who is linked to whom, what has passed and who waits: the live graph of a process.
 *
 * Groups, supervisors and sets of routines register themselves when they are made and leave when they have ended, so there is
 * nothing to call but `snapshot`.
 */
export const Topology = {
  /** The service itself, for whatever registers and for `Effect.provideService`. */
  Registry,
  /** A registry of one's own, for a test or for one of several networks in a process. */
  makeUnsafe: (): TopologyRegistry => new LiveRegistry(),
  /** A registry of one's own as a layer. */
  layer: Layer.sync(Registry, () => new LiveRegistry()),
  /** No registry: snapshots are empty. */
  layerOff: Layer.succeed(Registry, { add: () => {}, remove: () => {}, snapshot: () => EMPTY }),
  /** The graph as it is now. */
  snapshot: Effect.map(Registry, (registry) => registry.snapshot()),
  /** A snapshot as the text of a Mermaid flowchart. */
  toMermaid,
};
