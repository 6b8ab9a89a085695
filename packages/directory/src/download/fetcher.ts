import { Entropy } from "@allium/channel";
import type { Signal } from "@allium/kernel";
import type { UnixMillis } from "@allium/netdoc";
import { Clock, Duration, Effect, Option } from "effect";
import type { DirectoryFetchError, NoDirectorySource } from "../errors.ts";
import { type DirectorySource, DirectorySources } from "../sources/source.ts";
import type { DocumentWorker } from "../worker/document-worker.ts";
import type { WantedDocuments } from "./activity.ts";
import { connectFirst } from "./connect-first.ts";
import { drawAnother } from "./draw.ts";
import { type FetchContext, fetchConsensus, fetchMicrodescriptors } from "./fetch.ts";
import { REASONABLY_LIVE_MILLIS } from "./holdings.ts";
import { Backoff } from "./schedule.ts";

/** What the fetcher tells of its work, and is told. */
export interface FetcherHooks {
  /** The holdings have changed. */
  readonly changed: Effect.Effect<void>;
  /** There is something new that is worth storing. */
  readonly settled: Effect.Effect<void>;
  /** Notified when what waits for another attempt shall be tried at once. */
  readonly hurried: Signal;
}

/** In a hurry, to how many directories connections are made before they are left alone for a while. */
const MAX_HURRIED_CONNECTS = 9;

/** Keeps the holdings up to date for as long as it runs. It never fails: what cannot be had now is tried again later. */
export const runFetcher = (
  context: FetchContext,
  hooks: FetcherHooks,
): Effect.Effect<never, never, DirectorySources | Entropy | DocumentWorker> =>
  Effect.gen(function* () {
    const { below } = yield* Entropy;
    const sources = yield* DirectorySources;
    const { activity, holdings, policy, timing } = context;
    const cap = Duration.toMillis(timing.fetchRetryCap);
    const consensusBackoff = new Backoff(cap);
    const microdescriptorBackoff = new Backoff(cap);
    const start = yield* Clock.currentTimeMillis;
    let consensusAt: UnixMillis =
      holdings.snapshot.consensus === undefined ? start : policy.nextConsensus(holdings.snapshot.consensus, below);
    let microdescriptorsAt: UnixMillis = start;
    /** Since when there is no consensus that can be used; undefined while there is one. */
    let withoutSince: UnixMillis | undefined;
    let consensusFailing = false;
    /** The directories that were asked in vain the last time. */
    let failed: ReadonlyArray<DirectorySource> = [];
    /** Whether to do with a diff: not after one that came to nothing. */
    let diff = true;

    const draw = (except: ReadonlyArray<DirectorySource>) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const urgent = withoutSince !== undefined && now - withoutSince >= Duration.toMillis(timing.urgentAfter);
        return drawAnother(sources, { what: "consensus", except, urgent }, failed);
      });

    /** A directory that was not asked in this round. In a hurry, the first one that connects. */
    const nextSource = (asked: Array<DirectorySource>) =>
      Effect.suspend(() => {
        if (withoutSince === undefined || policy.concurrentConnects === 1) return draw(asked);
        const drawn: Array<DirectorySource> = [];
        return connectFirst(context, {
          concurrent: policy.concurrentConnects,
          attempts: MAX_HURRIED_CONNECTS,
          draw: Effect.suspend(() =>
            Effect.tap(draw([...asked, ...drawn]), (source) => Effect.sync(() => drawn.push(source))),
          ),
          onFailure: (source, error) => {
            asked.push(source);
            activity.failed(error);
          },
        });
      });

    const fetchOnce = (asked: Array<DirectorySource>) =>
      Effect.scoped(
        Effect.gen(function* () {
          const source = yield* nextSource(asked);
          asked.push(source);
          return { name: source.name, consensus: yield* fetchConsensus(context, source, diff) };
        }),
      );

    /** Asks one directory after the other, as often as the policy allows. */
    const fetchFromSome = Effect.gen(function* () {
      const asked: Array<DirectorySource> = [];
      let last: DirectoryFetchError | undefined;
      for (let left = policy.attempts; ; left--) {
        activity.works({ what: "consensus", have: 0, of: 1 });
        const result = yield* Effect.result(fetchOnce(asked));
        if (result._tag === "Success") return result.success;
        const error = result.failure;
        failed = asked;
        // That all were asked says less than what the last one has said.
        if (error._tag === "NoDirectorySource") return yield* Effect.fail(last ?? error);
        last = error;
        diff = error.isHarmless;
        activity.failed(error);
        if (left <= 1 || !isWorthAskingAnother(error)) return yield* Effect.fail(error);
        yield* logOf(error)(`no new consensus${whence(asked)}: ${error.message}; another directory is asked`);
      }
    });

    const consensus = Effect.matchEffect(fetchFromSome, {
      onSuccess: ({ name, consensus }) =>
        Effect.gen(function* () {
          failed = [];
          diff = true;
          consensusFailing = false;
          consensusBackoff.reset();
          microdescriptorBackoff.reset();
          consensusAt = policy.nextConsensus(consensus, below);
          microdescriptorsAt = yield* Clock.currentTimeMillis;
          activity.succeeded();
          yield* hooks.changed;
          yield* hooks.settled;
          const { routers, lifetime } = consensus;
          const until = new Date(lifetime.freshUntil).toISOString();
          yield* Effect.logInfo(`new consensus from ${name}: ${routers.length} relays, fresh until ${until}`);
        }),
      onFailure: (error) =>
        Effect.gen(function* () {
          consensusFailing = true;
          activity.failed(error);
          const now = yield* Clock.currentTimeMillis;
          const retryAt = error._tag === "NoDirectorySource" ? error.retryAt : undefined;
          consensusAt = retryAt === undefined ? now + consensusBackoff.next(below) : Math.max(retryAt, now + SOONEST);
          const from = error._tag === "NoDirectorySource" ? "" : whence(failed);
          yield* logOf(error)(
            `no new consensus${from}: ${error.message}; next attempt in ${seconds(consensusAt - now)}`,
          );
        }),
    });

    const wantedMicrodescriptors = (): WantedDocuments => {
      const { consensus, missingMicrodescriptors } = holdings.snapshot;
      const of = consensus?.routers.length ?? 0;
      return { what: "microdescriptors", have: of - missingMicrodescriptors, of };
    };

    const microdescriptors = Effect.gen(function* () {
      activity.works(wantedMicrodescriptors());
      const onBatch = Effect.suspend(() => {
        activity.succeeded();
        activity.works(wantedMicrodescriptors());
        return hooks.changed;
      });
      const left = yield* fetchMicrodescriptors(context, onBatch);
      yield* hooks.settled;
      const delay = left === 0 ? 0 : microdescriptorBackoff.next(below);
      microdescriptorsAt = (yield* Clock.currentTimeMillis) + delay;
      if (left > 0) yield* Effect.logInfo(`${left} microdescriptors missing; next attempt in ${seconds(delay)}`);
    });

    /** What failed is tried again at once. */
    const hurry = Effect.map(Clock.currentTimeMillis, (now) => {
      consensusBackoff.reset();
      microdescriptorBackoff.reset();
      if (consensusFailing) consensusAt = Math.min(consensusAt, now);
      microdescriptorsAt = Math.min(microdescriptorsAt, now);
    });

    for (;;) {
      const now = yield* Clock.currentTimeMillis;
      const isUsable = holdings.snapshot.consensus?.isUsable(now, REASONABLY_LIVE_MILLIS) ?? false;
      withoutSince = isUsable ? undefined : (withoutSince ?? now);
      const wantsMicrodescriptors = holdings.snapshot.missingMicrodescriptors > 0;
      if (consensusAt <= now) yield* consensus;
      else if (wantsMicrodescriptors && microdescriptorsAt <= now) yield* microdescriptors;
      else {
        const next = wantsMicrodescriptors ? Math.min(consensusAt, microdescriptorsAt) : consensusAt;
        const microdescriptors = wantsMicrodescriptors ? wantedMicrodescriptors() : undefined;
        activity.waits(next, consensusFailing ? { what: "consensus", have: 0, of: 1 } : microdescriptors);
        const hurried = yield* Effect.timeoutOption(hooks.hurried.wait, Duration.millis(next - now));
        if (Option.isSome(hurried)) yield* hurry;
      }
    }
  });

/** However soon a directory may be there. */
const SOONEST = 1000;

/** Whether another directory may do better: not, if what is held is all that there is. */
const isWorthAskingAnother = ({ problem, status }: DirectoryFetchError): boolean =>
  problem !== "not-there" || status === 404;

const whence = (asked: ReadonlyArray<DirectorySource>): string => {
  const last = asked.at(-1);
  return last === undefined ? "" : ` from ${last.name}`;
};

const logOf = ({ isHarmless }: DirectoryFetchError | NoDirectorySource) =>
  isHarmless ? Effect.logInfo : Effect.logWarning;

const seconds = (millis: number): string => `${(millis / 1000).toFixed(1)} s`;
