import { Effect } from "effect";
import type { DirectoryFetchError, NoDirectorySource } from "../errors.ts";
import type { DirectoryResponse } from "../http/client.ts";
import {
  type DirectoryDocument,
  type DirectoryOutcome,
  type DirectorySource,
  DirectorySources,
} from "../sources/source.ts";
import { type AskContext, ask } from "./ask.ts";

/** How many batches are asked for at a time. */
const CONCURRENT_BATCHES = 3;

/** Documents of one kind that are asked for by their digests. */
export interface BatchRequest {
  readonly what: DirectoryDocument;
  /** What logs call them. */
  readonly name: string;
  readonly digests: ReadonlyArray<string>;
  /** How many are asked for at once. */
  readonly size: number;
  readonly path: (digests: ReadonlyArray<string>) => string;
  /** The most that an answer may have, in bytes. */
  readonly limit: number;
  /** How what did not come is asked for at once from others. @default it is not */
  readonly again?: {
    /** How many directories are asked for a batch at most, one after the other. */
    readonly attempts: number;
    /** Those that are to be had still. */
    readonly missing: (digests: ReadonlyArray<string>) => ReadonlyArray<string>;
  };
  /** Takes what came. */
  readonly accept: (
    response: DirectoryResponse,
    digests: ReadonlyArray<string>,
  ) => Effect.Effect<DirectoryOutcome, DirectoryFetchError>;
}

/** Fetches documents in batches, each from a directory drawn for it. A batch that fails does not spoil the others. */
export const fetchBatches = (
  context: AskContext,
  request: BatchRequest,
): Effect.Effect<void, never, DirectorySources> =>
  Effect.gen(function* () {
    const sources = yield* DirectorySources;
    const { what, name, digests, size, path, limit, accept } = request;
    const { attempts, missing } = request.again ?? { attempts: 1, missing: () => [] };
    const batches: Array<ReadonlyArray<string>> = [];
    for (let at = 0; at < digests.length; at += size) batches.push(digests.slice(at, at + size));
    const log = (error: DirectoryFetchError | NoDirectorySource) =>
      Effect.suspend(() => {
        context.activity?.failed(error);
        return Effect.logInfo(`${name}: ${error.message}`);
      });

    const fetchFrom = (source: DirectorySource, wanted: ReadonlyArray<string>) =>
      ask(context, source, { what, path: path(wanted), limit }, (response) =>
        Effect.map(accept(response, wanted), (outcome) => ({ value: undefined, outcome })),
      ).pipe(Effect.catch(log));

    const fetchBatch = Effect.fnUntraced(function* (batch: ReadonlyArray<string>) {
      const asked: Array<DirectorySource> = [];
      for (let wanted = batch; wanted.length > 0 && asked.length < attempts; wanted = missing(wanted)) {
        const source = yield* sources.draw({ what, except: asked, urgent: false });
        asked.push(source);
        yield* fetchFrom(source, wanted);
      }
    }, Effect.catch(log));
    yield* Effect.forEach(batches, fetchBatch, { concurrency: CONCURRENT_BATCHES, discard: true });
  });
