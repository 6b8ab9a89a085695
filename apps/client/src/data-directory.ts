import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Effect, type Scope } from "effect";
import { DataDirectoryRefused } from "./errors.ts";

const LOCK = "lock";
/** Only its owner may look into what a client keeps: it tells which guards he has. */
const MODE = 0o700;
const OTHERS_WRITE = 0o022;

/** The number of this process and, where the platform tells, when it began: numbers are used again. */
const nameOf = (pid: number): string => {
  try {
    // proc(5): the command stands in parentheses and may have anything in it; the start time is the 20th field behind it.
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return `${pid} ${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]}`;
  } catch {
    return `${pid}`;
  }
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
};

/** The process that a lock names, if it is still there. */
const ownerOf = (lock: string): number | undefined => {
  const pid = Number(lock.split(" ")[0]);
  return Number.isInteger(pid) && pid > 0 && isAlive(pid) && nameOf(pid) === lock.trim() ? pid : undefined;
};

const hasCode = (error: unknown, code: string): boolean => (error as NodeJS.ErrnoException).code === code;

const words: Readonly<Record<string, string>> = {
  EACCES: "no permission to write into it",
  EPERM: "no permission to write into it",
  EROFS: "it is on a file system that cannot be written to",
  ENOTDIR: "a part of the path is no directory",
  EEXIST: "it is no directory",
  ENOSPC: "the file system is full",
};

/** Takes the lock, or takes it over from a process that is no more. */
const take = (dataDir: string): void => {
  const lock = join(dataDir, LOCK);
  const own = nameOf(process.pid);
  // Written aside and linked: nobody ever sees a lock that does not say whose it is.
  const aside = `${lock}.${process.pid}`;
  writeFileSync(aside, `${own}\n`, { mode: 0o600 });
  try {
    for (;;) {
      try {
        linkSync(aside, lock);
        return;
      } catch (error) {
        if (!hasCode(error, "EEXIST")) throw error;
      }
      removeStale(dataDir, lock);
    }
  } finally {
    rmSync(aside, { force: true });
  }
};

/** Removes the lock of a process that is no more. */
const removeStale = (dataDir: string, lock: string): void => {
  const moved = `${lock}.stale.${process.pid}`;
  try {
    refuseIfOwned(dataDir, readFileSync(lock, "utf8"));
    renameSync(lock, moved);
  } catch (error) {
    // Somebody else was quicker, to remove it or to end.
    if (hasCode(error, "ENOENT")) return;
    throw error;
  }
  try {
    // Somebody else may have been so quick that it is his that was moved: then he gets it back.
    const found = readFileSync(moved, "utf8");
    if (ownerOf(found) !== undefined) linkSync(moved, lock);
    refuseIfOwned(dataDir, found);
  } finally {
    rmSync(moved, { force: true });
  }
};

const refuseIfOwned = (path: string, lock: string): void => {
  const owner = ownerOf(lock);
  if (owner === undefined) return;
  throw new DataDirectoryRefused({
    path,
    detail: `another client (process ${owner}) runs in it; use that one, end it, or set another data_dir`,
  });
};

/** Makes the directory if it is not there, and refuses one that is not for its user alone to change. */
const prepare = (path: string): void => {
  mkdirSync(path, { recursive: true, mode: MODE });
  const { uid, mode } = statSync(path);
  const user = process.getuid?.();
  if (user !== undefined && uid !== user)
    throw new DataDirectoryRefused({ path, detail: `it belongs to another user (${uid})` });
  if ((mode & OTHERS_WRITE) !== 0)
    throw new DataDirectoryRefused({
      path,
      detail: `others can write into it (mode 0${(mode & 0o777).toString(8)}): chmod go-w`,
    });
};

/** Holds the data directory until the scope closes: two clients that keep their guards in one file would lose them. */
export const holdDataDirectory = (path: string): Effect.Effect<void, DataDirectoryRefused, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        prepare(path);
        take(path);
      },
      catch: (cause) => {
        if (cause instanceof DataDirectoryRefused) return cause;
        const { code = "UNKNOWN" } = cause as NodeJS.ErrnoException;
        return new DataDirectoryRefused({ path, detail: `${words[code] ?? "it cannot be used"} (${code})` });
      },
    }),
    () => Effect.sync(() => rmSync(join(path, LOCK), { force: true })),
  );
