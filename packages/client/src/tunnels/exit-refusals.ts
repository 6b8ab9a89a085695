import type { Fingerprint } from "@allium/netdoc";
import type { Relay } from "../paths/index.ts";

/** Refusals that are remembered, at most; the oldest are forgotten first. */
export const MAX_REMEMBERED_REFUSALS = 4_096;

/** What an exit refuses: everything, or a destination. */
type Refused = "all" | string;

/**
 * Exits that have refused what their policies permit, or have no room: they are not asked again until there is a new descriptor of them
 * (path-spec 2.5).
 */
export class ExitRefusals {
  /** By exit, descriptor and what was refused; in the order of their coming. */
  readonly #refusals = new Map<
    string,
    { readonly exit: Fingerprint; readonly descriptor: string; readonly what: Refused }
  >();

  /** An exit has refused. @param destination what, as `host:port`; everything if left out */
  add({ status: { fingerprint: exit, descriptorDigest: descriptor } }: Relay, destination: Refused = "all"): void {
    const key = `${exit} ${descriptor} ${destination}`;
    this.#refusals.delete(key);
    this.#refusals.set(key, { exit, descriptor, what: destination });
    if (this.#refusals.size > MAX_REMEMBERED_REFUSALS) {
      const [oldest] = this.#refusals.keys();
      if (oldest !== undefined) this.#refusals.delete(oldest);
    }
  }

  /**
   * The exits that are not to be asked for a destination.
   *
   * @param current the name of a relay's newest descriptor; undefined if it is listed no more
   */
  against(destination: string, current: (exit: Fingerprint) => string | undefined): Set<Fingerprint> {
    const exits = new Set<Fingerprint>();
    for (const [key, { exit, descriptor, what }] of this.#refusals) {
      if (current(exit) !== descriptor) this.#refusals.delete(key);
      else if (what === "all" || what === destination) exits.add(exit);
    }
    return exits;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#refusals.size;
  }
}
