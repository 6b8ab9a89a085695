import type { Transport } from "@allium/channel";
import {
  ConsensusDiffError,
  NetdocError,
  type Rejection,
  type Steps,
  ValidityError,
  VerificationError,
} from "@allium/netdoc";
import { Effect } from "effect";
import { DirectoryFetchError } from "../errors.ts";
import { type DirectoryRequest, type DirectoryResponse, exchange } from "../http/client.ts";
import { shorten } from "../http/head.ts";
import { inSlices } from "../slices.ts";
import type { DirectoryTiming } from "../timing.ts";

/** A document that was there is as good as the one that was offered. */
export class NothingNewer extends Error {
  readonly _tag = "NothingNewer";
}

/** An answer that has a document. */
export const get = (
  request: DirectoryRequest,
  timing: DirectoryTiming,
): Effect.Effect<DirectoryResponse, DirectoryFetchError, Transport> =>
  Effect.flatMap(exchange(request, timing), (response) => {
    const { url, status, reason } = response;
    if (status === 200) return Effect.succeed(response);
    return Effect.fail(
      new DirectoryFetchError({
        url,
        status,
        problem: status === 304 || status === 404 ? "not-there" : "status",
        detail: `${status} ${shorten(reason)}`,
      }),
    );
  });

/** Runs what documents are given to; what it throws becomes an error that names the request. */
export const judge = <A>(url: string, run: () => A): Effect.Effect<A, DirectoryFetchError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run());
    } catch (cause) {
      return Effect.fail(judgement(url)(cause));
    }
  });

/** Reads a document in slices. */
export const read = <A>(url: string, steps: () => Steps<A>): Effect.Effect<A, DirectoryFetchError> =>
  inSlices(steps, judgement(url));

/** The error for what a document's reader throws. What is no judgement on the document is a bug of ours, and thrown again. */
export const judgement =
  (url: string) =>
  (cause: unknown): DirectoryFetchError => {
    const problem = problemOf(cause);
    if (problem === undefined) throw cause;
    return new DirectoryFetchError({ url, problem, detail: (cause as Error).message, cause });
  };

const problemOf = (cause: unknown): DirectoryFetchError["problem"] | undefined => {
  if (cause instanceof NetdocError || cause instanceof ConsensusDiffError) return "document";
  if (cause instanceof VerificationError || cause instanceof ValidityError) return "verification";
  return cause instanceof NothingNewer ? "not-there" : undefined;
};

/** Tells in the log of documents that were refused. */
export const reportRejected = (url: string, rejected: ReadonlyArray<Pick<Rejection, "error">>): Effect.Effect<void> => {
  const [first] = rejected;
  if (first === undefined) return Effect.void;
  return Effect.logWarning(`${url}: ${rejected.length} documents refused, the first: ${first.error.message}`);
};
