import { type IpAddress, reverseName } from "@allium/cell";
import { Entropy } from "@allium/channel";
import { Memory } from "@allium/kernel";
import { Deferred, Effect, Exit, type Scope } from "effect";
import { monotonicMillis } from "../monotonic.ts";
import { AnswerTable } from "./answer-table.ts";
import type { FailedAnswer, FamilyAnswer, NameAnswer } from "./choose-address.ts";
import { MAX_CACHED_NAMES, MAX_QUERIES, RESOLVE_TIMEOUT } from "./limits.ts";
import { type ResolveError, Resolver } from "./resolver.ts";
import { DEFAULT_DNS_TTL, fuzzyTtl } from "./ttl.ts";

/** What an address resolves to; `ttl` as in {@link FamilyAnswer}. */
export type ReverseAnswer = { readonly _tag: "Found"; readonly name: string; readonly ttl: number } | FailedAnswer;

/**
 * Names as an exit sees them: answers with the clipped times to live that clients are told, failures among them, kept for
 * that time. Many who ask for one name at once share one question.
 */
export interface ResolverCache {
  /** Both families of a name in lower case. */
  readonly forward: (name: string) => Effect.Effect<NameAnswer>;
  /** The name of an address. */
  readonly reverse: (address: IpAddress) => Effect.Effect<ReverseAnswer>;
  readonly counts: () => ResolverCacheCounts;
}

/** What the cache holds, and what has been asked through it. */
export interface ResolverCacheCounts {
  /** Names whose answers are kept. */
  readonly cached: number;
  /** Names that are being asked for. */
  readonly asking: number;
  /** Questions that name servers were asked so far. */
  readonly questions: number;
  /** Those that failed, by the platform's word for it. */
  readonly failures: ReadonlyMap<string, number>;
  /** Names that were not asked for, since too many questions were under way. */
  readonly refused: number;
}

/** @see makeResolverCache */
export interface ResolverCacheBounds {
  /** Names whose answers are kept, of either kind. @default MAX_CACHED_NAMES */
  readonly maxCached?: number;
  /** Questions under way at once; a name that would need more fails as if the name server had. @default MAX_QUERIES */
  readonly maxQueries?: number;
}

/** @see makeResolverCache */
export interface ResolverCacheOptions extends ResolverCacheBounds {
  /** Whether names are asked for IPv6 addresses too. */
  readonly ipv6: () => boolean;
}

/** A failure that says nothing about the name: it is not kept. */
const BUSY: FailedAnswer = { _tag: "Failed", transient: true, ttl: 0 };

/** Makes the cache in front of the `Resolver`. Questions end with the scope. */
export const makeResolverCache = (
  options: ResolverCacheOptions,
): Effect.Effect<ResolverCache, never, Resolver | Entropy | Scope.Scope> =>
  Effect.gen(function* () {
    const resolver = yield* Resolver;
    const entropy = yield* Entropy;
    const scope = yield* Effect.scope;
    const now = yield* monotonicMillis;
    const quota = yield* Memory.Quota;
    const maxQueries = options.maxQueries ?? MAX_QUERIES;
    const maxCached = options.maxCached ?? MAX_CACHED_NAMES;
    const names = new AnswerTable<NameAnswer>(maxCached, quota);
    const hosts = new AnswerTable<ReverseAnswer>(maxCached, quota);
    const askingNames = new Map<string, Deferred.Deferred<NameAnswer>>();
    const askingHosts = new Map<string, Deferred.Deferred<ReverseAnswer>>();
    const failures = new Map<string, number>();
    let questions = 0;
    let queries = 0;
    let refused = 0;
    let open = true;
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        open = false;
        names.close();
        hosts.close();
      }),
    );

    const clip = (ttl: number) => fuzzyTtl(ttl, entropy.below);

    /** One question; what it costs is counted, and how long it takes is bounded. */
    const ask = <A, B>(
      question: Effect.Effect<A, ResolveError>,
      found: (value: A) => B,
    ): Effect.Effect<B | FailedAnswer> =>
      Effect.suspend(() => {
        questions++;
        return question;
      }).pipe(
        Effect.timeoutOption(RESOLVE_TIMEOUT),
        Effect.match({
          onSuccess: (value) => (value._tag === "Some" ? found(value.value) : failed("ETIMEOUT", true)),
          onFailure: (error) => failed(error.code, error.transient),
        }),
      );

    const failed = (code: string, transient: boolean): FailedAnswer => {
      failures.set(code, (failures.get(code) ?? 0) + 1);
      // Failures come without a time to live.
      return { _tag: "Failed", transient, ttl: clip(0) };
    };

    const askFamily = (name: string, family: 4 | 6): Effect.Effect<FamilyAnswer> =>
      ask(resolver.resolve(name, family), ({ addresses, ttl }) => ({
        _tag: "Found" as const,
        address: addresses[0],
        ttl: clip(ttl),
      }));

    /** Answers from the table, or with whoever asks already, or asks. */
    const lookUp = <A>(
      key: string,
      table: AnswerTable<A>,
      asking: Map<string, Deferred.Deferred<A>>,
      cost: number,
      question: Effect.Effect<A>,
      busy: A,
      ttlOf: (answer: A) => number,
    ): Effect.Effect<A> =>
      Effect.suspend(() => {
        const known = table.get(key, now());
        if (known !== undefined) return Effect.succeed(known);
        const running = asking.get(key);
        if (running !== undefined) return Deferred.await(running);
        if (!open) return Effect.succeed(busy);
        if (queries + cost > maxQueries) {
          refused++;
          return Effect.succeed(busy);
        }
        const answer = Deferred.makeUnsafe<A>();
        asking.set(key, answer);
        queries += cost;
        // In a fiber of its own: whoever asked first may go while others still wait.
        return question.pipe(
          Effect.onExit((exit) =>
            Effect.sync(() => {
              queries -= cost;
              asking.delete(key);
              if (Exit.isSuccess(exit)) table.set(key, exit.value, ttlOf(exit.value), now());
              Deferred.doneUnsafe(answer, exit);
            }),
          ),
          // At once: a scope that closes before the fiber's first turn would leave all who wait without an answer.
          Effect.forkIn(scope, { startImmediately: true }),
          Effect.andThen(Deferred.await(answer)),
        );
      });

    const askBoth = (name: string): Effect.Effect<NameAnswer> =>
      Effect.all({ ipv4: askFamily(name, 4), ipv6: askFamily(name, 6) }, { concurrency: 2 });

    const askIpv4 = (name: string): Effect.Effect<NameAnswer> =>
      Effect.map(askFamily(name, 4), (ipv4) => ({ ipv4, ipv6: undefined }));

    return {
      forward: (name) =>
        lookUp(
          name,
          names,
          askingNames,
          options.ipv6() ? 2 : 1,
          options.ipv6() ? askBoth(name) : askIpv4(name),
          { ipv4: BUSY, ipv6: options.ipv6() ? BUSY : undefined },
          ({ ipv4, ipv6 }) => Math.min(ipv4.ttl, ipv6?.ttl ?? ipv4.ttl),
        ),
      reverse: (address) =>
        lookUp<ReverseAnswer>(
          reverseName(address),
          hosts,
          askingHosts,
          1,
          ask(resolver.reverse(address), ({ name, ttl }) => ({
            _tag: "Found" as const,
            name,
            ttl: clip(ttl ?? DEFAULT_DNS_TTL),
          })),
          BUSY,
          ({ ttl }) => ttl,
        ),
      counts: () => ({
        cached: names.size + hosts.size,
        asking: askingNames.size + askingHosts.size,
        questions,
        failures: new Map(failures),
        refused,
      }),
    };
  });
