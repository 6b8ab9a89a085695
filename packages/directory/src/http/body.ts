import {
  gunzip,
  gunzipSync,
  inflate,
  inflateSync,
  type ZlibOptions,
  type ZstdOptions,
  zstdDecompress,
  zstdDecompressSync,
} from "node:zlib";
import { Effect } from "effect";

/** A body that cannot be unpacked, or is larger than allowed when it is. */
export class BodyError extends Error {
  readonly _tag = "BodyError";
  readonly problem: "encoding" | "too-large";

  constructor(problem: "encoding" | "too-large", detail: string, cause?: unknown) {
    super(detail, cause === undefined ? undefined : { cause });
    this.name = "BodyError";
    this.problem = problem;
  }
}

/** What we can unpack, as a request says it (dir-spec 6.1). */
export const acceptEncoding = "deflate, gzip, x-zstd, identity";

/** What a call of the platform answers when it is asked for its `info`. */
interface WithInfo {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

type Options = ZlibOptions & ZstdOptions;

/** Unpacks one compressed document, and says how much of the input it took. */
interface Step {
  readonly now: (bytes: Buffer, maxOutputLength: number) => WithInfo;
  readonly later: (bytes: Buffer, maxOutputLength: number) => Promise<WithInfo>;
}

/** The platform's types do not know what `info` changes. */
const step = (
  now: (bytes: Buffer, options: Options) => unknown,
  later: (bytes: Buffer, options: Options, done: (error: Error | null, result: unknown) => void) => void,
): Step => ({
  now: (bytes, maxOutputLength) => now(bytes, { maxOutputLength, info: true }) as WithInfo,
  later: (bytes, maxOutputLength) =>
    new Promise((resolve, reject) =>
      later(bytes, { maxOutputLength, info: true }, (error, result) =>
        error === null ? resolve(result as WithInfo) : reject(error),
      ),
    ),
});

const steps: Readonly<Record<string, Step>> = {
  deflate: step(inflateSync, inflate),
  gzip: step(gunzipSync, gunzip),
  "x-zstd": step(zstdDecompressSync, zstdDecompress),
};

/** Each part costs a call of the platform, however small it is. A request names at most 96 documents. */
const maxParts = 128;

/** What is unpacked of a body; compressed documents that follow each other count as one (dir-spec 6.1). */
class Unpacking {
  readonly step: Step;
  readonly #encoding: string;
  readonly #limit: number;
  readonly #parts: Array<Buffer> = [];
  rest: Buffer;
  left: number;

  constructor(encoding: string, body: Buffer, limit: number) {
    const known = Object.hasOwn(steps, encoding) ? steps[encoding] : undefined;
    if (known === undefined) throw new BodyError("encoding", `has the unknown encoding "${encoding}"`);
    this.step = known;
    this.#encoding = encoding;
    this.#limit = limit;
    this.rest = body;
    this.left = limit;
  }

  /** Whether there is a further part. */
  get more(): boolean {
    if (this.rest.length === 0) return false;
    if (this.#parts.length === maxParts) throw new BodyError("encoding", `has more than ${maxParts} compressed parts`);
    // The platform takes zero for "no limit".
    if (this.left === 0) throw this.#tooLarge();
    return true;
  }

  take({ buffer, engine }: WithInfo): void {
    if (engine.bytesWritten === 0) throw this.fault(undefined);
    this.#parts.push(buffer);
    this.left -= buffer.length;
    this.rest = this.rest.subarray(engine.bytesWritten);
  }

  result(): Buffer {
    return this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts);
  }

  /** What an error of the platform means. */
  fault(cause: unknown): BodyError {
    if (cause instanceof BodyError) return cause;
    if ((cause as NodeJS.ErrnoException | undefined)?.code === "ERR_BUFFER_TOO_LARGE") return this.#tooLarge(cause);
    return new BodyError("encoding", `cannot be unpacked as ${this.#encoding}`, cause);
  }

  #tooLarge(cause?: unknown): BodyError {
    return new BodyError("too-large", `unpacks to more than ${this.#limit} bytes`, cause);
  }
}

/** The body itself, if it is not packed. */
const unpacked = (encoding: string, body: Buffer, limit: number): Buffer | undefined => {
  if (encoding !== "identity") return undefined;
  if (body.length > limit) throw new BodyError("too-large", `is larger than ${limit} bytes`);
  return body;
};

/**
 * Unpacks a body at once.
 *
 * @param encoding what `Content-Encoding` says; `identity` if there was none
 * @param limit how many bytes may come out
 * @throws BodyError
 */
export const decodeBody = (encoding: string, body: Buffer, limit: number): Buffer => {
  const plain = unpacked(encoding, body, limit);
  if (plain !== undefined) return plain;
  const unpacking = new Unpacking(encoding, body, limit);
  while (unpacking.more) {
    try {
      unpacking.take(unpacking.step.now(unpacking.rest, unpacking.left));
    } catch (cause) {
      throw unpacking.fault(cause);
    }
  }
  return unpacking.result();
};

/** The same on the platform's threads. */
const decodeLater = async (encoding: string, body: Buffer, limit: number): Promise<Buffer> => {
  const unpacking = new Unpacking(encoding, body, limit);
  while (unpacking.more) {
    try {
      unpacking.take(await unpacking.step.later(unpacking.rest, unpacking.left));
    } catch (cause) {
      throw unpacking.fault(cause);
    }
  }
  return unpacking.result();
};

/** What may come out of a body that is unpacked where it is: a millisecond's work. */
const SMALL_BYTES = 256 * 1024;

/**
 * Unpacks a body: a small one at once, a large one on the platform's threads, so that nobody is held up. Then it takes real
 * time, of which a test clock knows nothing.
 */
export const unpackBody = (encoding: string, body: Buffer, limit: number): Effect.Effect<Buffer, BodyError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(decodeBody(encoding, body, encoding === "identity" ? limit : Math.min(limit, SMALL_BYTES)));
    } catch (cause) {
      if (!(cause instanceof BodyError)) throw cause;
      if (cause.problem !== "too-large" || limit <= SMALL_BYTES) return Effect.fail(cause);
    }
    return Effect.tryPromise({
      try: () => decodeLater(encoding, body, limit),
      catch: (cause) => {
        if (cause instanceof BodyError) return cause;
        throw cause;
      },
    });
  });
