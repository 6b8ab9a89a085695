import { type CacheFileError, readCacheFile, writeCacheFile } from "@allium/directory";
import { Duration, Effect, type FileSystem } from "effect";
import { BuildTimeStateError, BuildTimes, type ParamSource, readBuildTimeState } from "../build-times/index.ts";
import { formatGuardState, GuardStateError, type LoadedGuards, parseGuardState } from "../guards/index.ts";
import { GUARD_STATE_LIMIT_BYTES } from "../guards/limits.ts";
import type { Random } from "../paths/index.ts";
import type { GuardKeeper } from "../tunnels/index.ts";

const GUARDS = "guards.json";
const BUILD_TIMES = "build-times.json";

/** The most that the file of build times may have, in bytes. A full history takes a quarter of it. */
export const BUILD_TIMES_LIMIT_BYTES = 65_536;

/** How long changes are gathered before they are written. */
export const STATE_WRITE_DELAY = Duration.seconds(5);

/** What was kept of an earlier run. What cannot be used is told in the log, left out, and replaced by the next write. */
export const loadGuards = (directory: string): Effect.Effect<LoadedGuards | undefined, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const loaded = yield* load(`${directory}/${GUARDS}`, GUARD_STATE_LIMIT_BYTES, parseGuardState);
    for (const { sample, index, problem } of loaded?.faults ?? []) {
      const where = index === undefined ? sample : `${sample}[${index}]`;
      yield* Effect.logWarning(`${directory}/${GUARDS}: ${where} is left out: ${problem}`);
    }
    return loaded;
  });

/** The build times of an earlier run, or none. */
export const loadBuildTimes = (
  directory: string,
  param: ParamSource,
  random: Random,
): Effect.Effect<BuildTimes, never, FileSystem.FileSystem> =>
  Effect.map(
    load(`${directory}/${BUILD_TIMES}`, BUILD_TIMES_LIMIT_BYTES, (text) => readBuildTimeState(JSON.parse(text))),
    (state) => (state === undefined ? new BuildTimes(param) : BuildTimes.fromState(state, param, random)),
  );

const load = <A>(
  path: string,
  limit: number,
  parse: (text: string) => A,
): Effect.Effect<A | undefined, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const content = yield* readCacheFile(path, limit);
    if (content === undefined) return undefined;
    return yield* Effect.try({
      try: () => parse(content.toString("utf8")),
      catch: (thrown) => {
        if (thrown instanceof SyntaxError || thrown instanceof GuardStateError || thrown instanceof BuildTimeStateError)
          return thrown;
        throw thrown;
      },
    });
  }).pipe(
    Effect.catch((error: CacheFileError | Error) =>
      Effect.as(Effect.logWarning(`${path} cannot be used, and begins anew: ${error.message}`), undefined),
    ),
  );

/** What of a client's state is kept on disk. */
export interface KeptState {
  readonly guards: GuardKeeper;
  readonly buildTimes: BuildTimes;
}

/** Writes what has changed since the last time. */
export class StateWriter {
  readonly #directory: string;
  readonly #state: KeptState;
  #guards: number;
  #buildTimes: string;

  constructor(directory: string, state: KeptState) {
    this.#directory = directory;
    this.#state = state;
    this.#guards = state.guards.revision;
    this.#buildTimes = JSON.stringify(state.buildTimes.toState());
  }

  /** Writes now. What cannot be written is told in the log, and tried again the next time. */
  get write(): Effect.Effect<void, never, FileSystem.FileSystem> {
    return Effect.gen({ self: this }, function* () {
      const { guards, buildTimes } = this.#state;
      const { revision } = guards;
      if (revision !== this.#guards) {
        if (yield* this.#replace(GUARDS, formatGuardState(guards.state()))) this.#guards = revision;
      }
      const times = JSON.stringify(buildTimes.toState());
      if (times !== this.#buildTimes) {
        if (yield* this.#replace(BUILD_TIMES, `${times}\n`)) this.#buildTimes = times;
      }
    });
  }

  /**
   * The background task that writes a while after each change; and when it ends, what is left.
   *
   * @param changed waits until something may have changed
   */
  keep(changed: Effect.Effect<void>): Effect.Effect<never, never, FileSystem.FileSystem> {
    return Effect.forever(
      changed.pipe(Effect.andThen(Effect.sleep(STATE_WRITE_DELAY)), Effect.andThen(this.write)),
    ).pipe(Effect.onExit(() => this.write));
  }

  #replace(name: string, text: string): Effect.Effect<boolean, never, FileSystem.FileSystem> {
    return writeCacheFile(`${this.#directory}/${name}`, [Buffer.from(text)]).pipe(
      Effect.as(true),
      Effect.catch((error) => Effect.as(Effect.logWarning(error.message), false)),
    );
  }
}
