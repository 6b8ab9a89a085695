import { Effect, Semaphore } from "effect";
import { type Encoding, encode } from "../http/encoding.ts";
import { MAX_BODY_BYTES, MAX_PACKED_BYTES, MAX_PACKING } from "./limits.ts";
import { type Answer, busy, notFound, type Refusal } from "./model.ts";

/** An answer that is ready to be sent. */
export interface Prepared {
  readonly status: number;
  readonly reason: string;
  /** Parts that follow each other; none for a refusal. */
  readonly body: ReadonlyArray<Buffer>;
  readonly encoding: Encoding;
  /** How long others may keep the body, in seconds. */
  readonly lifetime: number;
  /** Whether it is a consensus, whose body depends on which diffs the client takes. */
  readonly varies: boolean;
  readonly isDiff: boolean;
  /** To be called when the body has left, or will not. */
  readonly release: () => void;
}

const none = (): void => {};

const refused = ({ status, reason }: Refusal): Prepared => ({
  status,
  reason,
  body: [],
  encoding: "identity",
  lifetime: 0,
  varies: false,
  isDiff: false,
  release: none,
});

/** Packs bodies, within bounds on how many at a time, and on the bytes of those that are on their way. */
export class Bodies {
  readonly #packing = Semaphore.makeUnsafe(MAX_PACKING);
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes = MAX_BODY_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of bodies that were packed for one request each and have not left. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Makes an answer ready. */
  prepare(answer: Answer): Effect.Effect<Prepared> {
    switch (answer._tag) {
      case "Refusal":
        return Effect.succeed(refused(answer));
      case "Documents":
        return this.#documents(answer);
      case "Consensus":
        return consensus(answer);
    }
  }

  #documents({ parts, encoding, lifetime }: Answer & { _tag: "Documents" }): Effect.Effect<Prepared> {
    return Effect.suspend(() => {
      const ready = { status: 200, reason: "OK", lifetime, varies: false, isDiff: false };
      const total = parts.reduce((sum, part) => sum + part.length, 0);
      if (encoding === "identity" || total > MAX_PACKED_BYTES)
        return Effect.succeed({ ...ready, body: parts, encoding: "identity", release: none } as const);
      if (this.#bytes + total > this.#maxBytes) return Effect.succeed(refused(busy));
      let held = total;
      this.#bytes += held;
      const release = (): void => {
        this.#bytes -= held;
        held = 0;
      };
      const packed = Effect.promise(() => encode(encoding, Buffer.concat(parts), "quick"));
      return this.#packing.withPermit(packed).pipe(
        Effect.map((body) => {
          this.#bytes += body.length - held;
          held = body.length;
          return { ...ready, body: [body], encoding, release };
        }),
        Effect.onError(() => Effect.sync(release)),
      );
    });
  }
}

const consensus = (answer: Answer & { _tag: "Consensus" }): Effect.Effect<Prepared> =>
  Effect.gen(function* () {
    const { encoding, lifetime } = answer;
    const ready = { status: 200, reason: "OK", encoding, lifetime, varies: true, release: none };
    for (const from of answer.diffFrom) {
      const diff = yield* answer.consensus.diff(from, encoding);
      if (diff !== undefined) return { ...ready, body: [diff], isDiff: true };
    }
    if (answer.diffOnly) return refused(notFound("No such diff available"));
    return { ...ready, body: [yield* answer.consensus.body(encoding)], isDiff: false };
  });
