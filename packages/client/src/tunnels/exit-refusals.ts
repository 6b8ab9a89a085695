import type { Fingerprint, UnixMillis } from "@allium/netdoc";

/** Refusals that are remembered, at most; the oldest are forgotten first. */
export const MAX_REMEMBERED_REFUSALS = 4_096;

/** What an exit refuses: everything, or a destination. */
type Refused = "all" | string;

/**
 * Exits that have refused what their policies permit, or have no room: they are not asked again until there is news of them (path-spec
 * 2.5). That is the next consensus, and not the next microdescriptor, which stays the same for as long as the policy does: a `tor`
 * that was just started refuses everything for a moment, and would be shunned for a month.
 */
export class ExitRefusals {
  /** By exit and what was refused; in the order of their coming. */
  readonly #refusals = new Map<string, { readonly exit: Fingerprint; readonly what: Refused }>();
  /** The consensus under which they have refused. */
  #consensus: UnixMillis | undefined;

  /**
   * An exit has refused.
   *
   * @param consensus from when the newest consensus is
   * @param destination what, as `host:port`; everything if left out
   */
  add(exit: Fingerprint, consensus: UnixMillis | undefined, destination: Refused = "all"): void {
    this.#forgetBefore(consensus);
    const key = `${exit} ${destination}`;
    this.#refusals.delete(key);
    this.#refusals.set(key, { exit, what: destination });
    if (this.#refusals.size > MAX_REMEMBERED_REFUSALS) {
      const [oldest] = this.#refusals.keys();
      if (oldest !== undefined) this.#refusals.delete(oldest);
    }
  }

  /**
   * The exits that are not to be asked for a destination.
   *
   * @param consensus from when the newest consensus is
   */
  against(destination: string, consensus: UnixMillis | undefined): Set<Fingerprint> {
    this.#forgetBefore(consensus);
    const exits = new Set<Fingerprint>();
    for (const { exit, what } of this.#refusals.values()) if (what === "all" || what === destination) exits.add(exit);
    return exits;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#refusals.size;
  }

  #forgetBefore(consensus: UnixMillis | undefined): void {
    if (this.#consensus === consensus) return;
    this.#consensus = consensus;
    this.#refusals.clear();
  }
}
