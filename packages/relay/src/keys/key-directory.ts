import { Entropy } from "@allium/channel";
import { Effect, FileSystem, Option, Path, type PlatformError, Redacted } from "effect";
import { KeyPermissionsError, KeyStorageError } from "./errors.ts";

const directoryMode = 0o700;
const fileMode = 0o600;
const groupAndOthers = 0o077;
const writableByOthers = 0o022;
/** Longer than any key file. */
const maxFileBytes = 16_384;

/** Where keys are kept, and whose they must be. */
export interface KeyDirectoryOptions {
  /** The relay's data directory; keys are in `keys` below it. */
  readonly dataDir: string;
  /** The user number that must own everything; `undefined` where the platform has no owners, and then modes mean nothing either. */
  readonly owner: number | undefined;
}

/** A file of the directory. */
export interface KeyFile {
  readonly bytes: Redacted.Redacted<Buffer>;
  /** Milliseconds since the epoch: when what is in it was made. On disk it is the time of the last change. */
  readonly madeAt: number;
}

/** The directory of the keys: what is in it is read and written only if nobody else could have done so. */
export interface KeyDirectory {
  readonly path: (name: string) => string;
  readonly exists: (name: string) => Effect.Effect<boolean, KeyStorageError>;
  readonly read: (name: string) => Effect.Effect<KeyFile, KeyPermissionsError | KeyStorageError>;
  /** Puts a file in its place as a whole: after a crash there is the old one or the new one. */
  readonly write: (name: string, file: KeyFile) => Effect.Effect<void, KeyStorageError>;
  /** Removes a file, if it is there. */
  readonly remove: (name: string) => Effect.Effect<void, KeyStorageError>;
}

const storage = (path: string) =>
  Effect.mapError((cause: PlatformError.PlatformError) => new KeyStorageError({ path, cause }));

type FileInfo = FileSystem.File.Info;

/** What must be so with a file or a directory that a secret is in. */
interface Expected {
  readonly type: "Directory" | "File";
  /** Permission bits that it must not have. */
  readonly forbidden: number;
  /** What it should have instead. */
  readonly mode: number;
}

const check = Effect.fnUntraced(function* (
  path: string,
  info: FileInfo,
  expected: Expected,
  expectedOwner: number | undefined,
) {
  const owner = Option.getOrUndefined(info.uid);
  const refuse = (problem: KeyPermissionsError["problem"]) =>
    new KeyPermissionsError({ path, problem, mode: info.mode & 0o7777, expectedMode: expected.mode, owner });
  if (info.type !== expected.type) return yield* refuse("kind");
  if (expectedOwner === undefined) return;
  if (owner !== expectedOwner) return yield* refuse("owner");
  if ((info.mode & expected.forbidden) !== 0) return yield* refuse("mode");
});

/**
 * Reads a key file, wherever it is, if nobody but its owner can get at it.
 *
 * @param owner the user number that must own it
 */
export const readKeyFile = Effect.fnUntraced(function* (path: string, owner: number | undefined) {
  const fs = yield* FileSystem.FileSystem;
  // What is checked is the open file, so that it cannot be exchanged between the check and the reading.
  const file = yield* fs.open(path, { flag: "r" }).pipe(storage(path));
  const info = yield* file.stat.pipe(storage(path));
  yield* check(path, info, { type: "File", forbidden: groupAndOthers, mode: fileMode }, owner);
  const bytes = yield* file.readAlloc(maxFileBytes).pipe(storage(path));
  const read: KeyFile = {
    bytes: Redacted.make(Buffer.from(Option.getOrElse(bytes, () => new Uint8Array(0)))),
    madeAt: Option.match(info.mtime, { onNone: () => 0, onSome: (time) => time.getTime() }),
  };
  return read;
}, Effect.scoped);

/**
 * Opens the directory of the keys.
 *
 * @param create whether to make the data directory and the directory of the keys, readable by the owner alone, if there is none
 */
export const openKeyDirectory = Effect.fnUntraced(function* (options: KeyDirectoryOptions, create: boolean) {
  const fs = yield* FileSystem.FileSystem;
  const paths = yield* Path.Path;
  const entropy = yield* Entropy;
  const directory = paths.join(options.dataDir, "keys");

  const look = (path: string) =>
    fs.stat(path).pipe(
      Effect.catchIf(
        ({ reason }) => reason._tag === "NotFound",
        () => Effect.void,
      ),
      storage(path),
    );
  // Whoever may write into the data directory can put another directory of keys in the place of ours.
  for (const [path, forbidden] of [
    [options.dataDir, writableByOthers],
    [directory, groupAndOthers],
  ] as const) {
    let info = yield* look(path);
    if (info === undefined) {
      // A directory that is not there has no files either: the caller sees that when it asks for them.
      if (!create) break;
      yield* fs.makeDirectory(path, { recursive: true, mode: directoryMode }).pipe(storage(path));
      info = yield* look(path);
    }
    if (info !== undefined)
      yield* check(path, info, { type: "Directory", forbidden, mode: directoryMode }, options.owner);
  }

  const self: KeyDirectory = {
    path: (name) => paths.join(directory, name),
    exists: (name) => fs.exists(self.path(name)).pipe(storage(self.path(name))),
    read: (name) => Effect.provideService(readKeyFile(self.path(name), options.owner), FileSystem.FileSystem, fs),
    write: Effect.fnUntraced(function* (name, { bytes, madeAt }) {
      const path = self.path(name);
      const temporary = self.path(`.${name}.${entropy.bytes(8).toString("hex")}`);
      yield* Effect.scoped(
        Effect.gen(function* () {
          const file = yield* fs.open(temporary, { flag: "wx", mode: fileMode });
          yield* file.writeAll(Redacted.value(bytes));
          yield* file.sync;
        }),
      ).pipe(
        Effect.andThen(fs.utimes(temporary, new Date(madeAt), new Date(madeAt))),
        Effect.andThen(fs.rename(temporary, path)),
        Effect.onError(() => Effect.ignore(fs.remove(temporary, { force: true }))),
        storage(path),
      );
      // The name, too, should outlive a power cut. Not every platform lets a directory be opened for that.
      yield* Effect.ignore(Effect.scoped(Effect.flatMap(fs.open(directory, { flag: "r" }), (opened) => opened.sync)));
    }),
    remove: (name) => fs.remove(self.path(name), { force: true }).pipe(storage(self.path(name))),
  };
  return self;
});

/** A directory that is in memory alone. */
export const memoryKeyDirectory = (): KeyDirectory => {
  const held = new Map<string, KeyFile>();
  return {
    path: (name) => `memory:${name}`,
    exists: (name) => Effect.sync(() => held.has(name)),
    read: (name) => Effect.sync(() => held.get(name) ?? { bytes: Redacted.make(Buffer.alloc(0)), madeAt: 0 }),
    write: (name, file) => Effect.sync(() => void held.set(name, file)),
    remove: (name) => Effect.sync(() => void held.delete(name)),
  };
};
