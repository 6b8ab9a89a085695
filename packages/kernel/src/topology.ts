import { Context, Effect, Layer } from "effect";
import type { LinkCounters, LinkEnd } from "./inlet.ts";
import { toMermaid } from "./mermaid.ts";
import type { TaskState } from "./task.ts";

/** A port of a reactor and the link that is wired to it, by the link's id. */
export interface PortSnapshot {
  readonly port: string;
  readonly link: number;
}

/** A reactor that was started and has not ended. */
export interface ReactorSnapshot {
  readonly name: string;
  readonly reads: ReadonlyArray<PortSnapshot>;
  readonly writes: ReadonlyArray<PortSnapshot>;
}

/** A group from its making to the end of its teardown. */
export interface GroupSnapshot {
  readonly id: number;
  readonly name: string;
  readonly state: "running" | "ending";
  readonly reactors: ReadonlyArray<ReactorSnapshot>;
  /** The links that are released with the group, by id. */
  readonly links: ReadonlyArray<number>;
}

/** A supervisor from its making to the end of its last task. */
export interface SupervisorSnapshot {
  readonly id: number;
  readonly name: string;
  readonly tasks: ReadonlyArray<TaskState>;
}

/** A session of a peer that has not ended. */
export interface SessionSnapshot {
  readonly peer: string;
  readonly generation: number;
  readonly state: "admitting" | "running" | "ending";
}

/** A set of peer routines. */
export interface RoutinesSnapshot {
  readonly id: number;
  readonly name: string;
  readonly sessions: ReadonlyArray<SessionSnapshot>;
}

/** A link that a running reactor holds an end of, or that a group owns. Ids stay the same from one snapshot to the next. */
export interface LinkSnapshot extends LinkCounters {
  readonly id: number;
  readonly name: string;
}

/** Everything that is registered, as plain data: JSON and `structuredClone` take it, but for the causes in task states. */
export interface TopologySnapshot {
  readonly groups: ReadonlyArray<GroupSnapshot>;
  readonly supervisors: ReadonlyArray<SupervisorSnapshot>;
  readonly routines: ReadonlyArray<RoutinesSnapshot>;
  readonly links: ReadonlyArray<LinkSnapshot>;
}

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
