import type { Answering } from "../directories.ts";
import type { MemoryTorNetwork } from "../memory-tor-network.ts";

/** Something that a directory may not do to a client. */
export interface HostileCache {
  readonly what: string;
  /** Which directories do it: the one that is asked first for such a thing, or all. */
  readonly who: "one" | "all";
  /** How the targets begin to which it is done. */
  readonly target: string;
  readonly rule: string;
  /** What comes of it, five minutes later: see `outcomeOfStatus`. */
  readonly end: string;
  readonly lie: (network: MemoryTorNetwork) => Answering;
}
