import { Entropy, type Transport } from "@allium/channel";
import type { UnixMillis } from "@allium/netdoc";
import { Clock, Duration, Effect } from "effect";
import type { Authority } from "../authorities.ts";
import type { DocumentWorker } from "../worker/document-worker.ts";
import { drawAuthority } from "./draw.ts";
import { type FetchContext, fetchConsensus, fetchMicrodescriptors } from "./fetch.ts";
import { Backoff, nextConsensusFetch } from "./schedule.ts";

/** What the fetcher tells of its work. */
export interface FetcherHooks {
  /** The holdings have changed. */
  readonly changed: Effect.Effect<void>;
  /** There is something new that is worth storing. */
  readonly settled: Effect.Effect<void>;
}

/** Keeps the holdings up to date for as long as it runs. It never fails: what cannot be had now is tried again later. */
export const runFetcher = (
  context: FetchContext,
  hooks: FetcherHooks,
): Effect.Effect<never, never, Transport | Entropy | DocumentWorker> =>
  Effect.gen(function* () {
    const { below } = yield* Entropy;
    const { holdings, authorities, timing } = context;
    const cap = Duration.toMillis(timing.fetchRetryCap);
    const consensusBackoff = new Backoff(cap);
    const microdescriptorBackoff = new Backoff(cap);
    const start = yield* Clock.currentTimeMillis;
    let consensusAt: UnixMillis =
      holdings.snapshot.consensus === undefined ? start : nextConsensusFetch(holdings.snapshot.consensus, below);
    let microdescriptorsAt: UnixMillis = start;
    let failed: Authority | undefined;
    /** Whether to do with a diff: not after one that came to nothing. */
    let diff = true;

    const consensus = Effect.gen(function* () {
      const authority = drawAuthority(authorities, below, failed);
      yield* fetchConsensus(context, authority, diff).pipe(
        Effect.matchEffect({
          onSuccess: (consensus) =>
            Effect.gen(function* () {
              failed = undefined;
              diff = true;
              consensusBackoff.reset();
              microdescriptorBackoff.reset();
              consensusAt = nextConsensusFetch(consensus, below);
              microdescriptorsAt = yield* Clock.currentTimeMillis;
              yield* hooks.changed;
              yield* hooks.settled;
              const { routers, lifetime } = consensus;
              const until = new Date(lifetime.freshUntil).toISOString();
              yield* Effect.logInfo(
                `new consensus from ${authority.name}: ${routers.length} relays, fresh until ${until}`,
              );
            }),
          onFailure: (error) =>
            Effect.gen(function* () {
              failed = authority;
              diff = error.isHarmless;
              const delay = consensusBackoff.next(below);
              consensusAt = (yield* Clock.currentTimeMillis) + delay;
              const log = error.isHarmless ? Effect.logInfo : Effect.logWarning;
              yield* log(
                `no new consensus from ${authority.name}: ${error.message}; next attempt in ${seconds(delay)}`,
              );
            }),
        }),
      );
    });

    const microdescriptors = Effect.gen(function* () {
      const left = yield* fetchMicrodescriptors(context, hooks.changed);
      yield* hooks.settled;
      const delay = left === 0 ? 0 : microdescriptorBackoff.next(below);
      microdescriptorsAt = (yield* Clock.currentTimeMillis) + delay;
      if (left > 0) yield* Effect.logInfo(`${left} microdescriptors missing; next attempt in ${seconds(delay)}`);
    });

    for (;;) {
      const now = yield* Clock.currentTimeMillis;
      const wantsMicrodescriptors = holdings.snapshot.missingMicrodescriptors > 0;
      if (consensusAt <= now) yield* consensus;
      else if (wantsMicrodescriptors && microdescriptorsAt <= now) yield* microdescriptors;
      else {
        const next = wantsMicrodescriptors ? Math.min(consensusAt, microdescriptorsAt) : consensusAt;
        yield* Effect.sleep(Duration.millis(next - now));
      }
    }
  });

const seconds = (millis: number): string => `${(millis / 1000).toFixed(1)} s`;
