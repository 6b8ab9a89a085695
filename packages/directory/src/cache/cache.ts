import {
  type AuthorityCertificate,
  type Microdescriptor,
  NetdocError,
  parseMicrodescriptors,
  ValidityError,
  VerificationError,
} from "@allium/netdoc";
import { Clock, Effect, type FileSystem } from "effect";
import { type Accepted, type Holdings, REASONABLY_LIVE_MILLIS } from "../download/holdings.ts";
import { CacheFileError, readCacheFile, writeCacheFile } from "./files.ts";
import { formatStored, readStored } from "./last-listed.ts";

const mebibyte = 1024 * 1024;

/** The files, in the order in which they are read, and the most that each may have. Named as tor names its own. */
const FILES = {
  certificates: { name: "cached-certs", limit: mebibyte },
  consensus: { name: "cached-microdesc-consensus", limit: 16 * mebibyte },
  microdescriptors: { name: "cached-microdescs", limit: 64 * mebibyte },
} as const;

/**
 * The holdings on disk, so that a restart need not trouble the authorities. What is read is checked as if it had just been
 * fetched; what is wrong with it is told in the log, and mended by the next `save`.
 */
export class DirectoryCache {
  readonly #directory: string;
  readonly #holdings: Holdings;
  /** What was stored last, to be compared by identity. */
  #stored: {
    certificates?: ReadonlyArray<AuthorityCertificate>;
    consensus?: Buffer;
    microdescriptors?: ReadonlyMap<string, Microdescriptor>;
  } = {};

  constructor(directory: string, holdings: Holdings) {
    this.#directory = directory;
    this.#holdings = holdings;
  }

  /** Takes over what is stored and still good. */
  get load(): Effect.Effect<void, never, FileSystem.FileSystem> {
    const holdings = this.#holdings;
    return Effect.gen({ self: this }, function* () {
      const now = yield* Clock.currentTimeMillis;
      const sound = {
        certificates: yield* this.#loadOne("certificates", (file) =>
          this.#refuse("certificates", holdings.acceptCertificates(file, now)),
        ),
        consensus: yield* this.#loadOne("consensus", (file) => {
          holdings.acceptConsensus(holdings.readConsensus(file), now, REASONABLY_LIVE_MILLIS);
        }),
        microdescriptors: yield* this.#loadOne("microdescriptors", (file) => {
          const { documents, rejected } = parseMicrodescriptors(file);
          const count = holdings.restoreMicrodescriptors(readStored(file, documents), now);
          this.#refuse("microdescriptors", { count, rejected });
        }),
      };
      const { certificates, held, microdescriptors } = holdings.snapshot;
      if (sound.certificates) this.#stored.certificates = certificates;
      if (sound.consensus && held !== undefined) this.#stored.consensus = held.text;
      if (sound.microdescriptors) this.#stored.microdescriptors = microdescriptors;
    });
  }

  /** Stores what has changed since the last time. */
  get save(): Effect.Effect<void, never, FileSystem.FileSystem> {
    return Effect.gen({ self: this }, function* () {
      const { certificates, held, microdescriptors } = this.#holdings.snapshot;
      if (certificates !== this.#stored.certificates) {
        if (yield* this.#write("certificates", Buffer.concat(certificates.map(({ bytes }) => bytes))))
          this.#stored.certificates = certificates;
      }
      if (held !== undefined && held.text !== this.#stored.consensus) {
        if (yield* this.#write("consensus", held.text)) this.#stored.consensus = held.text;
      }
      if (microdescriptors !== this.#stored.microdescriptors) {
        if (yield* this.#write("microdescriptors", formatStored(this.#holdings.storedMicrodescriptors())))
          this.#stored.microdescriptors = microdescriptors;
      }
    });
  }

  #path(kind: keyof typeof FILES): string {
    return `${this.#directory}/${FILES[kind].name}`;
  }

  /** Some of a file's documents are wrong: the rest was taken. */
  #refuse(kind: keyof typeof FILES, { rejected }: Accepted): void {
    const [first] = rejected;
    if (first === undefined) return;
    throw new CacheFileError({
      path: this.#path(kind),
      problem: "corrupted",
      detail: `${rejected.length} documents refused, the first: ${first.error.message}`,
      cause: first.error,
    });
  }

  /** Whether the file holds what it should; it does not if it is not there. */
  #loadOne(
    kind: keyof typeof FILES,
    accept: (file: Buffer) => void,
  ): Effect.Effect<boolean, never, FileSystem.FileSystem> {
    const path = this.#path(kind);
    return readCacheFile(path, FILES[kind].limit).pipe(
      Effect.flatMap((file) => (file === undefined ? Effect.succeed(false) : attempt(path, () => accept(file)))),
      Effect.catch((error) => {
        const log = error.problem === "expired" ? Effect.logInfo : Effect.logWarning;
        return Effect.as(log(error.message), false);
      }),
    );
  }

  #write(kind: keyof typeof FILES, bytes: Buffer): Effect.Effect<boolean, never, FileSystem.FileSystem> {
    return writeCacheFile(this.#path(kind), bytes).pipe(
      Effect.as(true),
      Effect.catch((error) => Effect.as(Effect.logWarning(error.message), false)),
    );
  }
}

const attempt = (path: string, run: () => void): Effect.Effect<true, CacheFileError> =>
  Effect.suspend(() => {
    try {
      run();
      return Effect.succeed(true);
    } catch (cause) {
      if (cause instanceof CacheFileError) return Effect.fail(cause);
      if (cause instanceof ValidityError)
        return Effect.fail(new CacheFileError({ path, problem: "expired", detail: cause.message, cause }));
      if (cause instanceof NetdocError || cause instanceof VerificationError)
        return Effect.fail(new CacheFileError({ path, problem: "corrupted", detail: cause.message, cause }));
      return Effect.die(cause);
    }
  });
