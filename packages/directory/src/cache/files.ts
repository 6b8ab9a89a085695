import { ByteSize, Data, Effect, FileSystem } from "effect";
import type { PlatformError } from "effect/PlatformError";

/** A cache file that cannot be read or does not hold what it should. It is replaced by the next good document. */
export class CacheFileError extends Data.TaggedError("CacheFileError")<{
  readonly path: string;
  readonly problem: "unreadable" | "too-large" | "corrupted" | "expired" | "unwritable";
  readonly detail: string;
  readonly cause?: unknown;
}> {
  override get message(): string {
    return `${this.path}: ${this.detail} (${this.problem})`;
  }
}

/** Only the owner may read what we store. */
const FILE_MODE = 0o600;

const failure = (path: string, problem: "unreadable" | "unwritable") => (cause: PlatformError) =>
  new CacheFileError({ path, problem, detail: cause.message, cause });

/** The content of a file; undefined if there is none. */
export const readCacheFile = Effect.fnUntraced(function* (
  path: string,
  limit: number,
): Effect.fn.Return<Buffer | undefined, CacheFileError, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem;
  const read = Effect.gen(function* () {
    const { size } = yield* fs.stat(path);
    if (size > BigInt(limit)) return yield* tooLarge(path, size, limit);
    const bytes = yield* fs.readFile(path);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  });
  return yield* read.pipe(
    Effect.catchTag("PlatformError", (error) =>
      error.reason._tag === "NotFound" ? Effect.undefined : Effect.fail(failure(path, "unreadable")(error)),
    ),
  );
});

const tooLarge = (path: string, size: ByteSize.ByteSize, limit: number): CacheFileError =>
  new CacheFileError({
    path,
    problem: "too-large",
    detail: `has ${ByteSize.toBigInt(size)} bytes, more than ${limit}`,
  });

/** Parts are gathered up to this size before they are written. */
const WRITE_BYTES = 256 * 1024;

/** The same bytes in pieces that are worth a call of the platform each. */
function* gather(parts: Iterable<Buffer>): Generator<Buffer> {
  let gathered: Array<Buffer> = [];
  let bytes = 0;
  for (const part of parts) {
    gathered.push(part);
    bytes += part.length;
    if (bytes < WRITE_BYTES) continue;
    yield gathered.length === 1 ? part : Buffer.concat(gathered);
    gathered = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(gathered);
}

/**
 * Replaces a file as a whole: whoever opens it, even after a crash, finds the old content or the new.
 *
 * @param parts the content, in parts that follow each other
 */
export const writeCacheFile = Effect.fnUntraced(
  function* (path: string, parts: Iterable<Buffer>): Effect.fn.Return<void, PlatformError, FileSystem.FileSystem> {
    const fs = yield* FileSystem.FileSystem;
    const temporary = `${path}.new`;
    // Left by a run that was killed, perhaps with another mode.
    yield* fs.remove(temporary, { force: true });
    yield* Effect.scoped(
      Effect.gen(function* () {
        const file = yield* fs.open(temporary, { flag: "wx", mode: FILE_MODE });
        for (const bytes of gather(parts)) yield* file.writeAll(bytes);
        yield* file.sync;
      }),
    );
    yield* fs.rename(temporary, path);
  },
  (effect, path) => Effect.mapError(effect, failure(path, "unwritable")),
);
