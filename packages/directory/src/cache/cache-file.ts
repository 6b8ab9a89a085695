import { NetdocError, type Rejection, type Steps, ValidityError, VerificationError } from "@allium/netdoc";
import { Effect, type FileSystem } from "effect";
import { inSlices } from "../slices.ts";
import { CacheFileError, readCacheFile, writeCacheFile } from "./files.ts";

/** A file of a cache. What is wrong with it is told in the log, and mended by the next `save`. */
export class CacheFile {
  readonly path: string;
  readonly #limit: number;

  /** @param limit the most that it may have, in bytes */
  constructor(path: string, limit: number) {
    this.path = path;
    this.#limit = limit;
  }

  /**
   * Gives the content to a function, if there is a file.
   *
   * @returns whether the file holds what it should
   */
  load<R>(
    accept: (content: Buffer) => Effect.Effect<void, CacheFileError, R>,
  ): Effect.Effect<boolean, never, R | FileSystem.FileSystem> {
    return readCacheFile(this.path, this.#limit).pipe(
      Effect.flatMap((content) => (content === undefined ? Effect.succeed(false) : Effect.as(accept(content), true))),
      Effect.catch((error) => {
        const log = error.problem === "expired" ? Effect.logInfo : Effect.logWarning;
        return Effect.as(log(error.message), false);
      }),
    );
  }

  /** Replaces the content; answers whether that worked. */
  save(parts: Iterable<Buffer>): Effect.Effect<boolean, never, FileSystem.FileSystem> {
    return writeCacheFile(this.path, parts).pipe(
      Effect.as(true),
      Effect.catch((error) => Effect.as(Effect.logWarning(error.message), false)),
    );
  }

  /** Works on the content in slices. */
  read<A>(steps: () => Steps<A>): Effect.Effect<A, CacheFileError> {
    return inSlices(steps, (cause) => this.fault(cause));
  }

  /** Runs what judges a document. */
  judge<A>(run: () => A): Effect.Effect<A, CacheFileError> {
    return Effect.suspend(() => {
      try {
        return Effect.succeed(run());
      } catch (cause) {
        return Effect.fail(this.fault(cause));
      }
    });
  }

  /** Fails if some of the file's documents are wrong. The rest was taken. */
  reject(rejected: ReadonlyArray<Rejection>): Effect.Effect<void, CacheFileError> {
    const [first] = rejected;
    if (first === undefined) return Effect.void;
    const detail = `${rejected.length} documents refused, the first: ${first.error.message}`;
    return Effect.fail(new CacheFileError({ path: this.path, problem: "corrupted", detail, cause: first.error }));
  }

  /** What a judgement on the content is to the file. Anything else is a bug, and thrown again. */
  fault(cause: unknown): CacheFileError {
    const { path } = this;
    if (cause instanceof ValidityError)
      return new CacheFileError({ path, problem: "expired", detail: cause.message, cause });
    if (cause instanceof NetdocError || cause instanceof VerificationError)
      return new CacheFileError({ path, problem: "corrupted", detail: cause.message, cause });
    throw cause;
  }
}
