import { type Connection, Entropy } from "@allium/channel";
import { Deferred, Duration, Effect, Exit, Scope, Semaphore } from "effect";
import type { DirectoryFetchError, NoDirectorySource } from "../errors.ts";
import { connectTo } from "../http/client.ts";
import type { DirectorySource } from "../sources/source.ts";
import { type AskContext, failureOutcome } from "./ask.ts";
import { Backoff } from "./schedule.ts";

/** How directories are connected to in a hurry. */
export interface ConnectFirst {
  /** To how many at the same time. */
  readonly concurrent: number;
  /** To how many in all. */
  readonly attempts: number;
  /** Gives out one that was not given out before. */
  readonly draw: Effect.Effect<DirectorySource, NoDirectorySource>;
  /** Is told of those to which there is no connection. */
  readonly onFailure: (source: DirectorySource, error: DirectoryFetchError) => void;
}

/**
 * Connects to directories until there is a connection: to the next one when the one before has failed, or keeps one waiting, with
 * growing delays (dir-spec 5.5, base delay 0). Answers with the first that is there, as a source whose first connection is this
 * one; the others are given up. Fails as the last of them did.
 */
export const connectFirst = (
  context: AskContext,
  { concurrent, attempts, draw, onFailure }: ConnectFirst,
): Effect.Effect<DirectorySource, DirectoryFetchError | NoDirectorySource, Entropy | Scope.Scope> =>
  Effect.gen(function* () {
    const { below } = yield* Entropy;
    const scope = yield* Effect.scope;
    const places = yield* Semaphore.make(concurrent);
    const delays = new Backoff(Duration.toMillis(context.timing.fetchRetryCap));

    let last: DirectoryFetchError | undefined;
    /** That there is nobody else to connect to. */
    let exhausted: NoDirectorySource | undefined;
    const drawOne = Effect.tapError(draw, (error) =>
      Effect.sync(() => {
        exhausted = error;
      }),
    );

    const tryOne = (source: DirectorySource) =>
      Effect.tapError(connect(context, source, scope), (error) =>
        Effect.sync(() => {
          last = error;
          onFailure(source, error);
        }),
      );
    type Attempt = Effect.Effect<DirectorySource, DirectoryFetchError | NoDirectorySource>;
    const attempt = (left: number): Attempt =>
      Effect.gen(function* () {
        const failed = yield* Deferred.make<void>();
        const one = places.withPermit(Effect.flatMap(drawOne, tryOne));
        if (left <= 1) return yield* one;
        const next = Effect.suspend(() => Effect.sleep(Duration.millis(delays.next(below)))).pipe(
          Effect.raceFirst(Deferred.await(failed)),
          Effect.andThen(Effect.suspend(() => (exhausted === undefined ? attempt(left - 1) : Effect.fail(exhausted)))),
        );
        return yield* Effect.race(
          Effect.tapError(one, () => Deferred.succeed(failed, undefined)),
          next,
        );
      });
    return yield* Effect.mapError(attempt(attempts), (error) => last ?? error);
  });

/** Connects to one. If nobody takes the connection, it is closed with the scope. */
const connect = (
  context: AskContext,
  source: DirectorySource,
  scope: Scope.Scope,
): Effect.Effect<DirectorySource, DirectoryFetchError> =>
  Effect.suspend(() => {
    const announced = context.activity?.begin("consensus", source.name);
    let first: Connection | undefined;
    const taken = Effect.suspend(() => {
      const connection = first;
      first = undefined;
      return connection === undefined ? source.connect : Effect.succeed(connection);
    });
    return Effect.gen(function* () {
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          if (first !== undefined) source.report({ _tag: "Abandoned" });
        }),
      );
      yield* connectTo(source, `http://${source.address}/`, context.timing).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            announced?.end();
            if (Exit.isSuccess(exit)) first = exit.value;
            else source.report(failureOutcome(exit.cause));
          }),
        ),
      );
      return { ...source, connect: taken };
    }).pipe(Scope.provide(scope));
  });
