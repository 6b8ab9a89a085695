import { Worker } from "node:worker_threads";
import { Effect, FiberHandle, Layer, Semaphore } from "effect";
import { DocumentWorker, DocumentWorkerError, makeDocumentWorker } from "./document-worker.ts";
import type { DocumentJob, JobResult } from "./jobs.ts";
import { JOB_TIMEOUT, MAX_WAITING_JOBS, THREAD_HEAP_MEBIBYTES, THREAD_IDLE } from "./limits.ts";

/** The program of the thread, which was compiled if this file was. */
const program = new URL(import.meta.url.endsWith(".ts") ? "./thread-main.ts" : "./thread-main.js", import.meta.url);

/** Sends a job to the thread, and waits for what comes of it. */
const exchange = (thread: Worker, job: DocumentJob): Effect.Effect<JobResult, DocumentWorkerError> =>
  Effect.suspend(() => {
    const listeners = new AbortController();
    return Effect.callback<JobResult, DocumentWorkerError>((resume) => {
      const done = (result: JobResult): void => resume(Effect.succeed(result));
      const ended = (cause: unknown): void => resume(Effect.fail(new DocumentWorkerError({ problem: "ended", cause })));
      thread.on("message", done).on("error", ended).on("exit", ended);
      listeners.signal.addEventListener("abort", () => {
        thread.off("message", done).off("error", ended).off("exit", ended);
      });
      thread.postMessage(job);
    }).pipe(Effect.ensuring(Effect.sync(() => listeners.abort())));
  });

const make = Effect.gen(function* () {
  const turn = yield* Semaphore.make(1);
  const idle = yield* FiberHandle.make<void>();
  let waiting = 0;
  let thread: Worker | undefined;

  const start = (): Worker => {
    const started = new Worker(program, { resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MEBIBYTES } });
    // Whoever waits for a job is told; without a listener of its own an error would end the process.
    started.on("error", () => {});
    started.on("exit", () => {
      if (thread === started) thread = undefined;
    });
    // It does not keep a process alive that has nothing else to do.
    started.unref();
    return started;
  };
  const end = Effect.suspend(() => {
    const ending = thread;
    thread = undefined;
    return ending === undefined ? Effect.void : Effect.promise(() => ending.terminate());
  });
  yield* Effect.addFinalizer(() => end);

  const runOne = (job: DocumentJob): Effect.Effect<JobResult, DocumentWorkerError> =>
    Effect.gen(function* () {
      yield* FiberHandle.clear(idle);
      thread ??= start();
      const result = yield* exchange(thread, job).pipe(
        Effect.timeoutOrElse({
          duration: JOB_TIMEOUT,
          orElse: () => Effect.fail(new DocumentWorkerError({ problem: "timeout" })),
        }),
        // What comes of a job that nobody waits for any more must not be taken for the next one's.
        Effect.onError(() => end),
      );
      yield* FiberHandle.run(idle, Effect.andThen(Effect.sleep(THREAD_IDLE), Effect.asVoid(end)));
      return result;
    });

  return makeDocumentWorker((job) =>
    Effect.suspend(() => {
      if (waiting >= MAX_WAITING_JOBS) return Effect.fail(new DocumentWorkerError({ problem: "busy" }));
      waiting++;
      return turn.withPermit(runOne(job)).pipe(Effect.ensuring(Effect.sync(() => waiting--)));
    }),
  );
});

/** Does the work in a thread, one job at a time. The thread is there as long as there is something to do. */
export const layer: Layer.Layer<DocumentWorker> = Layer.effect(DocumentWorker, make);
