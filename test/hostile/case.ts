import type { HostileIdentity } from "./identity.ts";
import type { Target } from "./target.ts";

/** Where streams lead to, each at a port of this host. */
export interface Services {
  /** Accepts, reads nothing, sends nothing. */
  readonly silent: number;
  /** Sends without end. */
  readonly source: number;
  /** Sends back what it gets. */
  readonly echo: number;
  /** Nobody listens. */
  readonly refused: number;
}

/** What a case is played in. */
export interface Arena {
  /** The relay that is attacked. */
  readonly target: Target;
  /** Another relay of the network, well-behaved. */
  readonly other: Target;
  /** Whom the attacker is when it is a relay. */
  readonly identity: HostileIdentity;
  readonly services: Services;
  /** A port that nobody else uses. */
  readonly freePort: () => Promise<number>;
}

/**
 * A thing that a peer must not do, or need not expect to work, and what comes of it. The answer is a short text: what was
 * sent back in the order of its coming, and what was closed; `ignored` if there was nothing of either.
 */
export interface HostileCase {
  /** What the peer does. */
  readonly what: string;
  /** Where it is said what has to come of it; or `open` if nowhere. */
  readonly rule: string;
  /** Allium's answer. */
  readonly answer: string;
  readonly play: (arena: Arena) => Promise<string>;
}

/** Cases about one thing. */
export interface HostileSubject {
  readonly title: string;
  /** What they have in common. */
  readonly about: string;
  readonly cases: ReadonlyArray<HostileCase>;
}
