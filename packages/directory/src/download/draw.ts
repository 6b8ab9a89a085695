import { Effect } from "effect";
import type { NoDirectorySource } from "../errors.ts";
import type { DirectorySource, DirectorySources, DirectoryWish } from "../sources/source.ts";

/** A directory, if possible none of those that have failed before. */
export const drawAnother = (
  sources: DirectorySources["Service"],
  wish: DirectoryWish,
  failed: ReadonlyArray<DirectorySource>,
): Effect.Effect<DirectorySource, NoDirectorySource> => {
  const anyone = sources.draw(wish);
  return failed.length === 0
    ? anyone
    : Effect.catch(sources.draw({ ...wish, except: [...wish.except, ...failed] }), () => anyone);
};
