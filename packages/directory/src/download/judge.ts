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
import { inSlices } from "../slices.ts";
import type { DirectoryOutcome } from "../sources/source.ts";

/** A document that was there is as good as the one that was offered. */
export class NothingNewer extends Error {
  readonly _tag = "NothingNewer";
}

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

/** What came of looking through documents that were asked for by name. */
export interface Sifted {
  /** The names that were asked for. */
  readonly asked: ReadonlyArray<string>;
  /** The names of the good ones that came. */
  readonly came: ReadonlyArray<string>;
  /** Those that were refused, and are the fault of whoever sent them. */
  readonly rejected: ReadonlyArray<Pick<Rejection, "error">>;
}

/**
 * What documents say of the directory that sent them: tells it in the log, if it is nothing good. What is good among them, and was
 * asked for, may be kept all the same.
 *
 * @returns fails only if there was no document at all: it does not have them
 */
export const sift = (
  url: string,
  { asked, came, rejected }: Sifted,
): Effect.Effect<DirectoryOutcome, DirectoryFetchError> => {
  const wanted = new Set(asked);
  const [first] = rejected;
  const faults = first === undefined ? [] : [`${rejected.length} documents refused, the first: ${first.error.message}`];
  const unasked = came.filter((name) => !wanted.has(name)).length;
  if (unasked > 0) faults.push(`${unasked} documents that nobody asked for`);
  if (faults.length > 0) {
    const error = new DirectoryFetchError({ url, problem: "document", detail: faults.join("; "), cause: first?.error });
    return Effect.as(Effect.logWarning(error.message), { _tag: "Failed", error });
  }
  if (came.length === 0)
    return Effect.fail(new DirectoryFetchError({ url, problem: "not-there", detail: "the answer has no document" }));
  const missing = wanted.size - new Set(came).size;
  return Effect.succeed(missing > 0 ? { _tag: "Partial", missing, asked: wanted.size } : { _tag: "Answered" });
};
