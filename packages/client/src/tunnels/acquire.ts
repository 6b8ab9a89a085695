import type { UnixMillis } from "@allium/netdoc";
import { Duration, Effect } from "effect";
import { ConnectError } from "../errors.ts";
import type { NetworkState } from "../network-state.ts";
import { type BuildProblem, describeProblem, failureOf } from "./build-problem.ts";
import type { TunnelPool } from "./pool.ts";
import type { TunnelRequest } from "./request.ts";
import { Tunnel } from "./tunnel.ts";
import type { Wakes } from "./wakes.ts";

/**
 * How many tunnels are begun in vain for one stream before it is told so: so many that it gets past a dead relay which most paths would
 * lead through. They take half a minute (`MAX_FAILURES_A_SECOND`).
 */
export const MAX_BUILDS_A_REQUEST = 128;

/** What giving out tunnels stands on. */
export interface AcquireParts {
  readonly pool: TunnelPool;
  readonly network: NetworkState;
  /** Notified when a tunnel or what is known of the network has changed. */
  readonly wakes: Wakes;
  readonly now: () => UnixMillis;
}

/**
 * What has kept a request waiting so far, for whoever gives up waiting.
 *
 * | waits for | failure |
 * | --- | --- |
 * | the network to be known | `not-bootstrapped` |
 * | a guard | `no-guard` |
 * | a tunnel | that of the last one that came to nothing; `timeout` if none has |
 */
export interface Waiting {
  failure: ConnectError | undefined;
}

/**
 * Gives out an open tunnel for a stream: one that is there, one that is being built, or one that is begun for it. What the wait is for
 * is told in `waiting`, since the patience is the caller's.
 *
 * @param asking what is wanted by now: exits that have refused may be asked again while it waits
 */
export const acquireTunnel = (
  { pool, network, wakes, now }: AcquireParts,
  asking: () => TunnelRequest,
  waiting: Waiting,
): Effect.Effect<Tunnel, ConnectError> =>
  Effect.gen(function* () {
    let builds = 0;
    let awaited: Tunnel | undefined;
    for (;;) {
      const { version } = wakes;
      const request = asking();
      const { needs, avoid, silent } = request;
      const elsewhere = silent.size === 0 ? request : { ...request, avoid: new Set([...avoid, ...silent]) };
      if (network.isEnding) return yield* new ConnectError({ failure: "shutting-down" });
      const found = network.ready ? (pool.find(elsewhere) ?? pool.find(request)) : undefined;
      if (found !== undefined) {
        pool.use(found, request.isolation);
        return found;
      }
      if (awaited !== undefined && awaited.problem !== undefined) {
        waiting.failure = errorOf(awaited.problem);
        // One that is late goes on, and it may take it a minute to find out that the guard hangs: who wants a stream has that patience.
        if (awaited.problem._tag !== "Late") builds++;
        if (builds >= MAX_BUILDS_A_REQUEST) return yield* waiting.failure;
      }
      awaited = undefined;
      let until = Number.POSITIVE_INFINITY;
      if (!network.ready) {
        waiting.failure = notReady(network);
      } else {
        const coming = pool.findComing(elsewhere);
        if (coming !== undefined) {
          awaited = coming;
        } else if (pool.mayBeginAt > now()) {
          until = pool.mayBeginAt;
        } else {
          let begun = pool.begin({ _tag: "exit", needs, avoid: elsewhere.avoid }, "exit");
          if (!(begun instanceof Tunnel) && begun._tag === "NoRelay" && silent.size > 0)
            begun = pool.findComing(request) ?? pool.begin({ _tag: "exit", needs, avoid }, "exit");
          if (begun instanceof Tunnel) {
            awaited = begun;
          } else {
            waiting.failure = errorOf(begun);
            if (isFinal(begun)) return yield* waiting.failure;
            if (begun._tag === "NoGuard") until = begun.error.retryAt ?? until;
          }
        }
        // Nobody else's stream may come into it before this one.
        if (awaited !== undefined) pool.reserve(awaited, request.isolation);
      }
      const change = wakes.after(version);
      yield* Number.isFinite(until)
        ? Effect.raceFirst(change, Effect.sleep(Duration.millis(Math.max(until - now(), 1))))
        : change;
    }
  });

/** Whether waiting will not help. */
const isFinal = (problem: BuildProblem): boolean => {
  switch (problem._tag) {
    case "NoRelay":
      return true;
    case "NoGuard":
      return problem.error.reason === "all-filtered" || problem.error.reason === "none-sampled";
    default:
      return false;
  }
};

const errorOf = (problem: BuildProblem): ConnectError =>
  new ConnectError({ failure: failureOf(problem), detail: describeProblem(problem), cause: problem });

const notReady = ({ readiness, unspoken }: NetworkState): ConnectError =>
  new ConnectError({
    failure: "not-bootstrapped",
    detail:
      unspoken.length > 0
        ? `the network requires protocols of clients that this one does not speak: ${unspoken.join(" ")}`
        : readiness.reason,
  });
