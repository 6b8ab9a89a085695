import type { BootstrapStatus } from "@allium/client";
import { Effect, Logger, type Scope } from "effect";
import { TestClock } from "effect/testing";
import type { Answering } from "../directories.ts";
import * as MemoryTorNetwork from "../memory-tor-network.ts";
import { startClient } from "../tor-client.ts";
import type { HostileCache } from "./cache-case.ts";

/** What was seen of a case. */
export interface PlayedCache {
  readonly outcome: string;
  /** How often a directory has lied. */
  readonly lies: number;
}

/** Plays a case to a client that bootstraps. */
export const playCache = (hostileCache: HostileCache): Effect.Effect<PlayedCache, never, Scope.Scope> =>
  Effect.gen(function* () {
    const network = yield* MemoryTorNetwork.make({
      seed: hostileCache.what,
      relays: { guards: 4, middles: 2, exits: 2 },
    });
    network.answering(fitting(hostileCache, hostileCache.lie(network)));
    const client = yield* startClient(network);
    yield* TestClock.adjust("5 minutes");
    // What is unpacked on other threads takes real time.
    for (
      let turn = 0;
      turn < 100 && client.status().phase !== "ready" && client.status().trouble === undefined;
      turn++
    ) {
      yield* TestClock.withLive(Effect.sleep("10 millis"));
      yield* TestClock.adjust("10 seconds");
    }
    const outcome = outcomeOfStatus(client.status());
    return { outcome, lies: network.trace.find(": lies, ").length };
  }).pipe(Effect.provide(Logger.layer([])));

// What comes of a case:
//
// | outcome | means |
// | --- | --- |
// | ready | another directory was asked, or what came is no harm: streams can be opened |
// | ready, … | the same, and the status tells of this trouble |
// | not ready: … | the status tells of this trouble, and the client tries again |

const outcomeOfStatus = ({ phase, trouble }: BootstrapStatus): string =>
  phase === "ready"
    ? `ready${trouble === undefined ? "" : `, ${trouble.problem}`}`
    : `not ready: ${trouble?.problem ?? phase}`;

/** Whose answers, to which questions. */
const fitting = ({ who, target }: HostileCache, lie: Answering): Answering => {
  let liar: string | undefined;
  return (question, honest) => {
    if (!question.target.startsWith(target)) return undefined;
    liar ??= question.asked;
    return who === "all" || liar === question.asked ? lie(question, honest) : undefined;
  };
};
