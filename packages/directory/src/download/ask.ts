import { Cause, Effect, Exit, Option } from "effect";
import { DirectoryFetchError } from "../errors.ts";
import { type DirectoryRequest, type DirectoryResponse, exchange } from "../http/client.ts";
import { shorten } from "../http/head.ts";
import type { DirectoryDocument, DirectoryOutcome, DirectorySource } from "../sources/source.ts";
import type { DirectoryTiming } from "../timing.ts";
import type { ActivityLog } from "./activity.ts";

/** What whoever asks needs to know. */
export interface AskContext {
  readonly timing: DirectoryTiming;
  /** Where it is told. */
  readonly activity?: ActivityLog;
}

/** What was made of an answer, and what that says of who gave it. */
export interface Judged<A> {
  readonly value: A;
  readonly outcome: DirectoryOutcome;
}

/** A request for documents. */
export interface DocumentRequest extends DirectoryRequest {
  readonly what: DirectoryDocument;
}

/**
 * Asks a directory for documents, has somebody look at what it sent, and tells whoever gave the directory out what became of it.
 *
 * @param use takes the documents. What it fails with is the directory's failure
 */
export const ask = <A, R>(
  { timing, activity }: AskContext,
  source: DirectorySource,
  request: DocumentRequest,
  use: (response: DirectoryResponse) => Effect.Effect<Judged<A>, DirectoryFetchError, R>,
): Effect.Effect<A, DirectoryFetchError, R> =>
  Effect.suspend(() => {
    const announced = activity?.begin(request.what, source.name);
    const connect = Effect.tap(source.connect, () => Effect.sync(() => announced?.connected()));
    return exchange({ address: source.address, connect }, request, timing).pipe(
      Effect.flatMap(demandDocuments),
      // From here on it is work of ours.
      Effect.tap(() => Effect.sync(() => announced?.end())),
      Effect.flatMap(use),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          announced?.end();
          source.report(outcomeOf(exit));
        }),
      ),
      Effect.map(({ value }) => value),
    );
  });

/** An answer that has documents. */
const demandDocuments = (response: DirectoryResponse): Effect.Effect<DirectoryResponse, DirectoryFetchError> => {
  const { url, status, reason } = response;
  if (status === 200) return Effect.succeed(response);
  const problem = status === 304 || status === 404 ? "not-there" : "status";
  return Effect.fail(new DirectoryFetchError({ url, status, problem, detail: `${status} ${shorten(reason)}` }));
};

/** What the end of a request says of the directory. */
const outcomeOf = (exit: Exit.Exit<Judged<unknown>, DirectoryFetchError>): DirectoryOutcome =>
  Exit.isSuccess(exit) ? exit.value.outcome : failureOutcome(exit.cause);

/** What the failure of a request, or its interruption, says of the directory. */
export const failureOutcome = (cause: Cause.Cause<DirectoryFetchError>): DirectoryOutcome => {
  const error = Option.getOrUndefined(Cause.findErrorOption(cause));
  if (error === undefined || error.problem === "not-applied") return { _tag: "Abandoned" };
  return error.problem === "not-there" ? { _tag: "NotThere", error } : { _tag: "Failed", error };
};
