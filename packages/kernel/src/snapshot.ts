import type { LinkCounters } from "./inlet.ts";
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
