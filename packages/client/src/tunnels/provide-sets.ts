import type { Pace } from "./pace.ts";
import { availableTimeout } from "./times.ts";
import { Tunnel } from "./tunnel.ts";
import type { UpkeepParts } from "./upkeep.ts";

/**
 * Begins at most one conflux set that nobody waits for (proposal 329, 2.4.1):
 *
 * | wanted | how many |
 * | --- | --- |
 * | sets that nobody has used | `cfx_max_prebuilt_set`; one where few exits offer conflux, none where no exit does |
 * | sets, those in use among them | `cfx_max_linked_set` at most |
 *
 * Their exits permit as much as can be had of the ports that are expected; while none are, there are none. Where conflux is not used any
 * more, unused ones end.
 *
 * @returns when there is something to do again
 */
export const provideSets = (parts: UpkeepParts, pace: Pace): number => {
  const { pool, network, conflux, expected, now, share } = parts;
  if (!network.ready) return Number.POSITIVE_INFINITY;
  const sets = [...pool.sets];
  const unused = sets.filter(({ dirtySince, state }) => dirtySince === undefined && state !== "retired");
  const { prebuilt } = conflux;
  if (prebuilt === 0) for (const tunnel of unused) pool.end(tunnel, "conflux is not used any more");
  if (unused.length >= prebuilt || sets.length >= conflux.params.maxLinkedSets) return Number.POSITIVE_INFINITY;
  const ports = expected.current(now(), availableTimeout(network.params, share));
  if (ports.length === 0) return Number.POSITIVE_INFINITY;
  if (pace.retryAt > now()) return pace.retryAt;
  const needs = ports.map((port) => ({ family: 4, port }) as const);
  const begun = pool.beginSet({ _tag: "exitForMost", needs });
  const isFailing = !(begun instanceof Tunnel) || pool.setsFail;
  if (!isFailing) pace.calm();
  return pace.next(now(), isFailing);
};
