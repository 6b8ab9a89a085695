import { ConsensusDiffError, type ConsensusFlavor, type Fingerprint, type Lifetime } from "@allium/netdoc";
import { Deferred, Effect, type FileSystem } from "effect";
import { type Encoding, encode } from "../http/encoding.ts";
import { DocumentWorker } from "../worker/document-worker.ts";
import type { ConsensusArchive } from "./archive.ts";
import { MAX_PREPARED_BYTES } from "./limits.ts";

/** A consensus that is handed on. */
export interface ConsensusToServe {
  readonly flavor: ConsensusFlavor;
  readonly text: Buffer;
  readonly lifetime: Lifetime;
  /** Who has signed it, or pretends to have. */
  readonly signers: ReadonlyArray<Fingerprint>;
  /** Its name in diffs. */
  readonly signedDigest: string | undefined;
}

/** What preparing bodies takes. */
export interface Preparation {
  readonly archive: ConsensusArchive;
  /** Runs what is prepared for whoever asks: none of them takes it along when they leave. */
  readonly fork: (effect: Effect.Effect<void, never, FileSystem.FileSystem | DocumentWorker>) => Effect.Effect<void>;
  /** @default MAX_PREPARED_BYTES */
  readonly maxBytes?: number;
}

/** What a diff may come to, as long as it is not known: that of three days in the public network, packed. */
const ROOM_FOR_DIFF = 1024 * 1024;

/**
 * The newest consensus of a flavour, and the bodies in which it and the diffs to it go out: each is made when somebody asks for
 * it first, once for all who ask, and goes with the consensus.
 */
export class ServedConsensus implements ConsensusToServe {
  readonly flavor: ConsensusFlavor;
  readonly text: Buffer;
  readonly lifetime: Lifetime;
  readonly signers: ReadonlyArray<Fingerprint>;
  readonly signedDigest: string | undefined;
  readonly #preparation: Preparation;
  readonly #bodies = new Map<string, Deferred.Deferred<Buffer | undefined>>();
  #bytes = 0;
  /** Bodies that are being made. */
  #making = 0;

  constructor(consensus: ConsensusToServe, preparation: Preparation) {
    this.flavor = consensus.flavor;
    this.text = consensus.text;
    this.lifetime = consensus.lifetime;
    this.signers = consensus.signers;
    this.signedDigest = consensus.signedDigest;
    this.#preparation = preparation;
  }

  /** Bytes of the bodies that are ready. */
  get preparedBytes(): number {
    return this.#bytes;
  }

  /** Whether a diff from a consensus may be had: that consensus is known, and there is room for the diff. */
  hasDiff(from: string): boolean {
    const { archive, maxBytes = MAX_PREPARED_BYTES } = this.#preparation;
    return archive.has(this.flavor, from) && this.#bytes + this.#making * ROOM_FOR_DIFF <= maxBytes;
  }

  /** The whole consensus. */
  body(encoding: Encoding): Effect.Effect<Buffer> {
    if (encoding === "identity") return Effect.succeed(this.text);
    const packed = Effect.promise(() => encode(encoding, this.text, "thorough"));
    return Effect.map(this.#once(encoding, packed), (body) => body as Buffer);
  }

  /** The diff from an earlier consensus; undefined if it cannot be had. */
  diff(from: string, encoding: Encoding): Effect.Effect<Buffer | undefined> {
    const key = `${from} ${encoding}`;
    return Effect.suspend(() =>
      this.#bodies.has(key) || this.hasDiff(from) ? this.#once(key, this.#makeDiff(from, encoding)) : Effect.undefined,
    );
  }

  #makeDiff(
    from: string,
    encoding: Encoding,
  ): Effect.Effect<Buffer | undefined, never, FileSystem.FileSystem | DocumentWorker> {
    const { archive } = this.#preparation;
    return Effect.gen({ self: this }, function* () {
      const worker = yield* DocumentWorker;
      const base = yield* archive.read(this.flavor, from);
      if (base === undefined) return undefined;
      const diff = yield* worker.makeDiff(from, base, this.text);
      return yield* Effect.promise(() => encode(encoding, diff, "thorough"));
    }).pipe(
      Effect.catch((error) =>
        Effect.gen({ self: this }, function* () {
          yield* Effect.logInfo(`no diff from ${from}: ${error.message}`);
          if (error instanceof ConsensusDiffError) yield* archive.drop(this.flavor, from);
          return undefined;
        }),
      ),
    );
  }

  /** A body that is there, or is being made, or made now. What came to nothing may be tried again. */
  #once(
    key: string,
    make: Effect.Effect<Buffer | undefined, never, FileSystem.FileSystem | DocumentWorker>,
  ): Effect.Effect<Buffer | undefined> {
    return Effect.suspend(() => {
      const known = this.#bodies.get(key);
      if (known !== undefined) return Deferred.await(known);
      const deferred = Deferred.makeUnsafe<Buffer | undefined>();
      this.#bodies.set(key, deferred);
      this.#making++;
      const noted = make.pipe(
        Effect.tap((body) =>
          Effect.sync(() => {
            if (body === undefined) this.#bodies.delete(key);
            else this.#bytes += body.length;
          }),
        ),
        Effect.ensuring(Effect.sync(() => this.#making--)),
      );
      return Effect.andThen(
        this.#preparation.fork(Effect.asVoid(Deferred.into(noted, deferred))),
        Deferred.await(deferred),
      );
    });
  }
}
