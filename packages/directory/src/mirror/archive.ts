import type { ConsensusFlavor, UnixMillis } from "@allium/netdoc";
import { Effect, FileSystem } from "effect";
import { readCacheFile, writeCacheFile } from "../cache/files.ts";
import { LIMITS } from "../download/resources.ts";
import { unpackBody } from "../http/body.ts";
import { encode } from "../http/encoding.ts";
import { MAX_ARCHIVED } from "./limits.ts";

/** An earlier consensus, on disk. */
interface Entry {
  readonly flavor: ConsensusFlavor;
  readonly validAfter: UnixMillis;
  /** What `consensusSignedDigest` answers. */
  readonly digest: string;
  readonly name: string;
}

const nameShape = /^(ns|microdesc)-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-([0-9A-F]{64})\.zst(\.new)?$/;

const nameOf = (flavor: ConsensusFlavor, validAfter: UnixMillis, digest: string): string =>
  `${flavor}-${new Date(validAfter).toISOString().replace(/[-:]|\.\d+/g, "")}-${digest}.zst`;

/** What a file's name says; undefined for names that are not ours. */
const entryOf = (name: string): (Entry & { readonly temporary: boolean }) | undefined => {
  const match = nameShape.exec(name);
  if (match === null) return undefined;
  const [, flavor, year, month, day, hours, minutes, seconds, digest = "", temporary] = match;
  const validAfter = Date.parse(`${year}-${month}-${day}T${hours}:${minutes}:${seconds}Z`);
  if (Number.isNaN(validAfter)) return undefined;
  return { flavor: flavor as ConsensusFlavor, validAfter, digest, name, temporary: temporary !== undefined };
};

/**
 * Earlier consensuses, kept on disk so that diffs can be made from them (dir-spec 4.5). What is in a file is believed by its
 * digest only, so a spoilt file costs a diff and nothing else.
 */
export class ConsensusArchive {
  readonly #directory: string;
  readonly #entries = new Map<string, Entry>();

  /** @param directory made if it is not there */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** How many there are. */
  get size(): number {
    return this.#entries.size;
  }

  /** Whether there is one of this flavour and digest. */
  has(flavor: ConsensusFlavor, digest: string): boolean {
    return this.#entries.has(keyOf(flavor, digest));
  }

  /** Finds out what is there. Files of other names are left alone. */
  get load(): Effect.Effect<void, never, FileSystem.FileSystem> {
    return Effect.gen({ self: this }, function* () {
      const fs = yield* FileSystem.FileSystem;
      yield* fs.makeDirectory(this.#directory, { recursive: true, mode: 0o700 });
      for (const name of yield* fs.readDirectory(this.#directory)) {
        const entry = entryOf(name);
        if (entry === undefined) continue;
        if (entry.temporary) yield* this.#remove(name);
        else this.#entries.set(keyOf(entry.flavor, entry.digest), entry);
      }
    }).pipe(Effect.catch((error) => Effect.logWarning(`earlier consensuses: ${error.message}`)));
  }

  /** Adds a consensus, packed. */
  add(
    flavor: ConsensusFlavor,
    validAfter: UnixMillis,
    digest: string,
    text: Buffer,
  ): Effect.Effect<void, never, FileSystem.FileSystem> {
    return Effect.gen({ self: this }, function* () {
      if (this.has(flavor, digest)) return;
      const name = nameOf(flavor, validAfter, digest);
      const packed = yield* Effect.promise(() => encode("x-zstd", text, "thorough"));
      yield* writeCacheFile(this.#path(name), [packed]);
      this.#entries.set(keyOf(flavor, digest), { flavor, validAfter, digest, name });
    }).pipe(Effect.catch((error) => Effect.logWarning(error.message)));
  }

  /** The text of a consensus; undefined if there is none. A file that cannot be read is removed. */
  read(flavor: ConsensusFlavor, digest: string): Effect.Effect<Buffer | undefined, never, FileSystem.FileSystem> {
    const entry = this.#entries.get(keyOf(flavor, digest));
    if (entry === undefined) return Effect.undefined;
    return readCacheFile(this.#path(entry.name), LIMITS.consensus).pipe(
      Effect.flatMap((packed) =>
        packed === undefined ? Effect.undefined : unpackBody("x-zstd", packed, LIMITS.consensus),
      ),
      Effect.catch((error) => Effect.as(Effect.logWarning(`${entry.name}: ${error.message}`), undefined)),
      Effect.tap((text) => (text === undefined ? this.drop(flavor, digest) : Effect.void)),
    );
  }

  /** Removes a consensus. */
  drop(flavor: ConsensusFlavor, digest: string): Effect.Effect<void, never, FileSystem.FileSystem> {
    const key = keyOf(flavor, digest);
    const entry = this.#entries.get(key);
    if (entry === undefined) return Effect.void;
    this.#entries.delete(key);
    return this.#remove(entry.name);
  }

  /** Removes what is older than it may be, and of each flavour the oldest above `MAX_ARCHIVED`. */
  prune(oldest: UnixMillis): Effect.Effect<void, never, FileSystem.FileSystem> {
    const flavors: ReadonlyArray<ConsensusFlavor> = ["ns", "microdesc"];
    const excess = flavors.flatMap((flavor) =>
      [...this.#entries.values()]
        .filter((entry) => entry.flavor === flavor)
        .sort((one, other) => other.validAfter - one.validAfter)
        .filter(({ validAfter }, index) => index >= MAX_ARCHIVED || validAfter < oldest),
    );
    return Effect.forEach(excess, ({ flavor, digest }) => this.drop(flavor, digest), { discard: true });
  }

  #path(name: string): string {
    return `${this.#directory}/${name}`;
  }

  #remove(name: string): Effect.Effect<void, never, FileSystem.FileSystem> {
    return Effect.flatMap(FileSystem.FileSystem, (fs) => fs.remove(this.#path(name), { force: true })).pipe(
      Effect.catch((error) => Effect.logWarning(`${name}: ${error.message}`)),
    );
  }
}

const keyOf = (flavor: ConsensusFlavor, digest: string): string => `${flavor} ${digest}`;
