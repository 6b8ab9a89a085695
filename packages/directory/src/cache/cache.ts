import {
  type AuthorityCertificate,
  type Microdescriptor,
  parseAuthorityCertificatesSteps,
  parseConsensusSteps,
  parseMicrodescriptorsSteps,
} from "@allium/netdoc";
import { Clock, Effect, type FileSystem } from "effect";
import type { Holdings } from "../download/holdings.ts";
import { LIMITS } from "../download/resources.ts";
import { CacheFile } from "./cache-file.ts";
import { formatStored, readStored } from "./last-listed.ts";

const mebibyte = 1024 * 1024;

/**
 * The holdings on disk, so that a restart need not trouble the authorities. What is read is checked as if it had just been
 * fetched. The files are named as tor names its own.
 */
export class DirectoryCache {
  readonly #holdings: Holdings;
  readonly #late: number;
  readonly #certificates: CacheFile;
  readonly #consensus: CacheFile;
  readonly #microdescriptors: CacheFile;
  /** What was stored last, to be compared by identity. */
  #stored: {
    certificates?: ReadonlyArray<AuthorityCertificate>;
    consensus?: Buffer;
    microdescriptors?: ReadonlyMap<string, Microdescriptor>;
  } = {};

  /** @param late how long ago a consensus may have ended to be taken over, in milliseconds */
  constructor(directory: string, holdings: Holdings, late: number) {
    this.#holdings = holdings;
    this.#late = late;
    this.#certificates = new CacheFile(`${directory}/cached-certs`, LIMITS.certificates);
    this.#consensus = new CacheFile(`${directory}/cached-microdesc-consensus`, LIMITS.consensus);
    this.#microdescriptors = new CacheFile(`${directory}/cached-microdescs`, 64 * mebibyte);
  }

  /** Takes over what is stored and still good. */
  get load(): Effect.Effect<void, never, FileSystem.FileSystem> {
    const holdings = this.#holdings;
    return Effect.gen({ self: this }, function* () {
      const now = yield* Clock.currentTimeMillis;
      const sound = {
        certificates: yield* this.#certificates.load((text) =>
          Effect.gen({ self: this }, function* () {
            const batch = yield* this.#certificates.read(() => parseAuthorityCertificatesSteps(text));
            holdings.acceptCertificates(batch.documents, now);
            yield* this.#certificates.reject(batch.rejected);
          }),
        ),
        consensus: yield* this.#consensus.load((text) =>
          Effect.gen({ self: this }, function* () {
            const unverified = yield* this.#consensus.read(() => parseConsensusSteps(text));
            yield* this.#consensus.judge(() => {
              holdings.acceptConsensus(holdings.offer(unverified, text), now, this.#late);
            });
          }),
        ),
        microdescriptors: yield* this.#microdescriptors.load((text) =>
          Effect.gen({ self: this }, function* () {
            const batch = yield* this.#microdescriptors.read(() => parseMicrodescriptorsSteps(text));
            holdings.restoreMicrodescriptors(readStored(text, batch.documents), now);
            yield* this.#microdescriptors.reject(batch.rejected);
          }),
        ),
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
        if (yield* this.#certificates.save(certificates.map(({ bytes }) => bytes)))
          this.#stored.certificates = certificates;
      }
      if (held !== undefined && held.text !== this.#stored.consensus) {
        if (yield* this.#consensus.save([held.text])) this.#stored.consensus = held.text;
      }
      if (microdescriptors !== this.#stored.microdescriptors) {
        const parts = formatStored(this.#holdings.storedMicrodescriptors(microdescriptors));
        if (yield* this.#microdescriptors.save(parts)) this.#stored.microdescriptors = microdescriptors;
      }
    });
  }
}
