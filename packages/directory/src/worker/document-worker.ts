import { ConsensusDiffError } from "@allium/netdoc";
import { Context, Data, Effect, Layer } from "effect";
import { type DocumentJob, type JobResult, runJob } from "./jobs.ts";

/** A job that was not done, whatever the documents are. */
export class DocumentWorkerError extends Data.TaggedError("DocumentWorkerError")<{
  /** Too many jobs wait; the thread took too long, or ended. */
  readonly problem: "busy" | "timeout" | "ended";
  readonly cause?: unknown;
}> {
  override get message(): string {
    return `work on a document was not done (${this.problem})`;
  }
}

/** What the work on documents fails with. */
export type DocumentJobError = ConsensusDiffError | DocumentWorkerError;

/** Does what takes longer than the event loop has time for. */
export class DocumentWorker extends Context.Service<
  DocumentWorker,
  {
    /** SHA3-256 of the signed part of a consensus, in hexadecimal. */
    readonly signedDigest: (consensus: Buffer) => Effect.Effect<string, DocumentJobError>;
    /** The diff from one consensus, which has to be of this digest, to another. It was tried. */
    readonly makeDiff: (from: string, base: Buffer, target: Buffer) => Effect.Effect<Buffer, DocumentJobError>;
    /** The consensus that a diff makes of another. */
    readonly applyDiff: (base: Buffer, diff: Buffer) => Effect.Effect<Buffer, DocumentJobError>;
  }
>()("allium/directory/DocumentWorker") {}

/** The service, by whoever runs jobs. */
export const makeDocumentWorker = (
  run: (job: DocumentJob) => Effect.Effect<JobResult, DocumentWorkerError>,
): DocumentWorker["Service"] => {
  const bytesOf = (job: DocumentJob): Effect.Effect<Buffer, DocumentJobError> =>
    Effect.flatMap(run(job), (result) => {
      if (result._tag === "Refused")
        return Effect.fail(new ConsensusDiffError(result.problem, result.detail, result.line));
      const { buffer, byteOffset, byteLength } = result.bytes;
      return Effect.succeed(Buffer.from(buffer, byteOffset, byteLength));
    });
  return DocumentWorker.of({
    signedDigest: (consensus) =>
      Effect.map(bytesOf({ _tag: "SignedDigest", consensus }), (digest) => digest.toString("latin1")),
    makeDiff: (from, base, target) => bytesOf({ _tag: "MakeDiff", from, base, target }),
    applyDiff: (base, diff) => bytesOf({ _tag: "ApplyDiff", base, diff }),
  });
};

/**
 * Does the work at once, where the caller is: for tests, in which nothing may take real time, and for programs that have
 * nobody to hold up.
 */
export const layerInline: Layer.Layer<DocumentWorker> = Layer.sync(DocumentWorker, () =>
  makeDocumentWorker((job) => Effect.sync(() => runJob(job))),
);
