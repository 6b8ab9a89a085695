import type { DirectoryReactor, DirectoryView } from "@allium/directory";
import { Memory, Supervisor, type SupervisorClosed, type TaskNameTaken, TaskPolicy } from "@allium/kernel";
import { Duration, Effect, type FileSystem, type Scope, Stream } from "effect";
import { ClientFailed } from "../errors.ts";
import type { BootstrapStatus } from "../status.ts";
import { keepTunnels, type UpkeepParts, type Wakes } from "../tunnels/index.ts";
import { bootstrapStatus, isSameStatus } from "./bootstrap.ts";
import type { EventHub } from "./events.ts";
import { type NewsParts, nextExpiry, takeNews } from "./news.ts";
import type { StateWriter } from "./state-files.ts";

/** What the background tasks of a client work with. */
export interface TasksParts {
  readonly directory: Pick<DirectoryReactor["Service"], "fetcher" | "activity" | "activities">;
  readonly view: DirectoryView["Service"];
  readonly news: NewsParts;
  /** Notified when somebody who waits may have what he waits for. */
  readonly wakes: Wakes;
  readonly upkeep: UpkeepParts;
  readonly writer: StateWriter;
  readonly hub: EventHub;
}

/** What is known of them. */
export interface ClientTasks {
  /** How far the client has come. */
  readonly status: () => BootstrapStatus;
  /** Waits until one has ended without which the client is none. */
  readonly failed: Effect.Effect<never, ClientFailed>;
}

/** Starts them; they stop with the scope. */
export const startTasks = ({
  directory,
  view,
  news,
  wakes,
  upkeep,
  writer,
  hub,
}: TasksParts): Effect.Effect<ClientTasks, never, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const { network, now } = news;
    const { pool, changes } = upkeep;
    const quota = yield* Memory.Quota;
    let told: BootstrapStatus | undefined;
    const status = (): BootstrapStatus =>
      bootstrapStatus(
        {
          directory: directory.activity(),
          network,
          hasBuilt: pool.hasBuilt,
          lastProblem: pool.lastProblem,
          now: now(),
        },
        told,
      );
    const tell = Effect.sync(() => {
      const next = status();
      if (told !== undefined && isSameStatus(told, next)) return;
      told = next;
      hub.publish(() => ({ _tag: "Bootstrap", status: next }));
    });
    const take = Effect.suspend(() =>
      Effect.forEach(takeNews(news, view.current()).warnings, (warning) => Effect.logWarning(warning), {
        discard: true,
      }),
    );
    /** Whatever is true only for a time is looked at again when that is over. */
    const expire = Effect.forever(
      Effect.suspend(() => {
        const { version } = news.wakes;
        const due = nextExpiry(network);
        if (due === undefined || due < now()) return news.wakes.after(version);
        return Effect.raceFirst(
          news.wakes.after(version),
          Effect.andThen(Effect.sleep(Duration.millis(due - now() + 1)), take),
        );
      }),
    );
    const eachChange = (work: Effect.Effect<void>) =>
      Effect.forever(
        Effect.suspend(() => {
          const { version } = wakes;
          return Effect.andThen(work, wakes.after(version));
        }),
      );
    const nextChange = Effect.suspend(() => changes.after(changes.version));

    const supervisor = yield* Supervisor.make({ name: "client" });
    const restart = TaskPolicy.restart();
    yield* made(supervisor.start({ name: "memory", run: Memory.keepWithin(quota, () => {}) }, restart));
    yield* made(supervisor.start({ name: "state", run: writer.keep(nextChange) }, restart));
    yield* made(supervisor.start({ name: "bootstrap", run: eachChange(tell) }, restart));
    yield* made(supervisor.start({ name: "news", run: Stream.runForEach(view.changes, () => take) }, restart));
    yield* made(supervisor.start({ name: "expiry", run: expire }, restart));
    yield* made(supervisor.start({ name: "tunnels", run: keepTunnels(upkeep) }, restart));
    const follow = Stream.runForEach(directory.activities, () => Effect.sync(() => wakes.notify()));
    yield* made(supervisor.start({ name: "directory activity", run: follow }, restart));
    yield* made(supervisor.start(directory.fetcher, restart));
    const failed = Effect.flatMap(supervisor.ended, ({ cause }) =>
      // It is only stopped with the client.
      cause._tag === "TaskFailed"
        ? Effect.fail(new ClientFailed({ task: cause.task, cause: cause.exit }))
        : Effect.never,
    );
    return { status, failed };
  });

/** The supervisor was made a moment ago: neither of these can be. */
const made = <A, R>(start: Effect.Effect<A, SupervisorClosed | TaskNameTaken, R>): Effect.Effect<A, never, R> =>
  Effect.catch(start, (error) => Effect.die(new Error(`task not started: ${error._tag}`)));
