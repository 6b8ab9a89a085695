import type { UnixMillis } from "@allium/netdoc";
import { Duration, Effect } from "effect";
import type { BuildTimes } from "../build-times/index.ts";
import type { NetworkState } from "../network-state.ts";
import type { ExitNeed, PathEnd } from "../paths/index.ts";
import type { ClientConflux } from "./conflux.ts";
import type { ExpectedPorts } from "./expected-ports.ts";
import type { GuardKeeper } from "./guard-keeper.ts";
import { Pace } from "./pace.ts";
import type { TunnelPool } from "./pool.ts";
import { provideSets } from "./provide-sets.ts";
import { availableTimeout, LEAST_BETWEEN_SPARE_MILLIS, RETIRED_SWEEP_MILLIS } from "./times.ts";
import { Tunnel } from "./tunnel.ts";
import type { Wakes } from "./wakes.ts";

/** How many tunnels there are for each port that is expected (as `tor`). */
const TUNNELS_A_PORT = 2;

/** Unused tunnels, at most (tor's MAX_UNUSED_OPEN_CIRCUITS). */
const MAX_SPARE = 14;

/** What the upkeep of tunnels stands on. */
export interface UpkeepParts {
  readonly pool: TunnelPool;
  readonly guards: GuardKeeper;
  readonly buildTimes: BuildTimes;
  readonly network: NetworkState;
  readonly conflux: ClientConflux;
  readonly expected: ExpectedPorts;
  /** Notified of whatever may make something due. */
  readonly changes: Wakes;
  readonly now: () => UnixMillis;
  readonly maxDirtiness: number;
  /** From 0 to 1: how much longer than they must unused tunnels are kept. */
  readonly share: number;
}

/**
 * The background task that ends tunnels whose time is over and begins those that are likely to be wanted soon (path-spec 2.1.1):
 *
 * | tunnel | ends |
 * | --- | --- |
 * | unused | after `nf_conntimeout_clients`, and up to as much again |
 * | used | gets no new streams after MaxCircuitDirtiness, and ends with its last |
 *
 * | wanted | how many |
 * | --- | --- |
 * | for each port that was asked for lately | 2 |
 * | while build times are learned | one more, each `cbttestfreq` |
 * | conflux sets, where they are enabled | see `provideSets` |
 */
export const keepTunnels = (parts: UpkeepParts): Effect.Effect<never> =>
  Effect.gen(function* () {
    const { changes, now } = parts;
    const look: Look = { at: Number.NEGATIVE_INFINITY, unused: Number.NaN };
    const spare = new Pace();
    const sets = new Pace();
    for (;;) {
      const { version } = changes;
      const due = Math.min(expire(parts, look), provide(parts, spare), provideSets(parts, sets));
      const wait = due - now();
      yield* Effect.raceFirst(
        changes.after(version),
        Number.isFinite(due) ? Effect.sleep(Duration.millis(Math.max(wait, 1))) : Effect.never,
      );
    }
  });

/** When all tunnels are looked at next, and for how long unused ones are kept, as it was the last time. */
interface Look {
  at: UnixMillis;
  unused: number;
}

/** Ends what is to end. @returns when there is something to do again */
const expire = (parts: UpkeepParts, look: Look): UnixMillis => {
  const { pool, guards, network, now, maxDirtiness, share } = parts;
  guards.tick();
  const unused = availableTimeout(network.params, share);
  if (now() >= look.at || unused !== look.unused) {
    // What is begun or used from now on is not over any sooner.
    look.at = Math.min(endOpen(parts, unused), now() + Math.min(unused, maxDirtiness));
    look.unused = unused;
  }
  for (const tunnel of pool.retired) if (tunnel.streams === 0) pool.end(tunnel, "used for long enough");
  const sweep = pool.retired.size === 0 ? Number.POSITIVE_INFINITY : now() + RETIRED_SWEEP_MILLIS;
  return Math.min(look.at, sweep, guards.nextTick() ?? Number.POSITIVE_INFINITY);
};

/** Ends open tunnels whose time is over. @returns when that of the next one is */
const endOpen = ({ pool, now, maxDirtiness }: UpkeepParts, unused: number): UnixMillis => {
  let due = Number.POSITIVE_INFINITY;
  for (const tunnel of [...pool.tunnels]) {
    const { state, dirtySince, createdAt } = tunnel;
    if (state !== "open") continue;
    const end = dirtySince === undefined ? createdAt + unused : dirtySince + maxDirtiness;
    if (end > now()) due = Math.min(due, end);
    else if (dirtySince === undefined) pool.end(tunnel, "not used");
    else pool.retire(tunnel);
  }
  return due;
};

/** Begins at most one tunnel that nobody waits for. @returns when there is something to do again */
const provide = (parts: UpkeepParts, spare: Pace): UnixMillis => {
  const { pool, network, expected, buildTimes, now, share } = parts;
  if (!network.ready) return Number.POSITIVE_INFINITY;
  const usable = [...pool.candidates("")].filter(isSpare);
  const end = wanted(parts, usable);
  if (end === undefined) {
    spare.calm();
    const test = buildTimes.learning ? pool.newestBegun + buildTimes.params.testEveryMs : Number.POSITIVE_INFINITY;
    const forget = expected.nextEnd(availableTimeout(network.params, share)) ?? Number.POSITIVE_INFINITY;
    return Math.max(Math.min(test, forget), now() + LEAST_BETWEEN_SPARE_MILLIS);
  }
  if (pool.lastProblem === undefined) spare.calm();
  const at = Math.max(spare.retryAt, pool.mayBeginAt);
  if (at > now()) return at;
  const failing = pool.lastProblem !== undefined;
  const begun = pool.begin(end.path, end.purpose);
  // No exit permits any of it, so there is nothing to expect.
  if (!(begun instanceof Tunnel) && begun._tag === "NoRelay") for (const { port } of end.needs) expected.drop(port);
  return spare.next(now(), failing || !(begun instanceof Tunnel));
};

/** Whether a tunnel that nobody has for himself is there for whoever comes. */
const isSpare = ({ isLate, set }: Tunnel): boolean => !isLate && set === undefined;

/** What is missing: first what ports want, then what is to be measured. */
const wanted = (
  { pool, network, expected, buildTimes, now, share }: UpkeepParts,
  usable: ReadonlyArray<Tunnel>,
): Wish | undefined => {
  const unused = usable.filter(({ dirtySince }) => dirtySince === undefined);
  if (unused.length >= MAX_SPARE) return undefined;
  const needs = expected
    .current(now(), availableTimeout(network.params, share))
    .map((port) => ({ family: 4, port }) as const)
    .filter((need) => usable.filter((tunnel) => tunnel.permits([need])).length < TUNNELS_A_PORT);
  // That the client is ready is known by its first tunnel, whichever that is.
  if (needs.length > 0 || !(pool.hasBuilt || usable.length > 0)) return wish("exit", needs);
  const sinceLastMs = now() - pool.newestBegun;
  const isDue = buildTimes.testCircuitDue({ sinceLastMs, openCircuits: pool.circuits });
  return isDue ? wish("measuring", []) : undefined;
};

/** A tunnel that nobody waits for. */
interface Wish {
  readonly path: PathEnd;
  readonly purpose: "exit" | "measuring";
  readonly needs: ReadonlyArray<ExitNeed>;
}

const wish = (purpose: Wish["purpose"], needs: ReadonlyArray<ExitNeed>): Wish => ({
  path: { _tag: "exitForMost", needs },
  purpose,
  needs,
});
