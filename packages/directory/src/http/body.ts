import { gunzipSync, inflateSync, type ZlibOptions, type ZstdOptions, zstdDecompressSync } from "node:zlib";

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

/** What a synchronous call of the platform answers when it is asked for its `info`. */
interface WithInfo {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

/** Unpacks one compressed document, and says how much of the input it took. */
type Step = (bytes: Buffer, maxOutputLength: number) => WithInfo;

const unpack = (run: (bytes: Buffer, options: ZlibOptions & ZstdOptions) => unknown): Step => {
  // The platform's types do not know what `info` changes.
  return (bytes, maxOutputLength) => run(bytes, { maxOutputLength, info: true }) as WithInfo;
};

const steps: Readonly<Record<string, Step>> = {
  deflate: unpack(inflateSync),
  gzip: unpack(gunzipSync),
  "x-zstd": unpack(zstdDecompressSync),
};

/**
 * Unpacks a body. Compressed documents that follow each other count as one that was compressed whole (dir-spec 6.1).
 *
 * @param encoding what `Content-Encoding` says; `identity` if there was none
 * @param limit how many bytes may come out
 * @throws BodyError
 */
export const decodeBody = (encoding: string, body: Buffer, limit: number): Buffer => {
  if (encoding === "identity") {
    if (body.length > limit) throw new BodyError("too-large", `is larger than ${limit} bytes`);
    return body;
  }
  const step = Object.hasOwn(steps, encoding) ? steps[encoding] : undefined;
  if (step === undefined) throw new BodyError("encoding", `has the unknown encoding "${encoding}"`);
  const parts: Array<Buffer> = [];
  let left = limit;
  for (let rest = body; rest.length > 0; ) {
    if (parts.length === maxParts) throw new BodyError("encoding", `has more than ${maxParts} compressed parts`);
    // The platform takes zero for "no limit".
    if (left === 0) throw new BodyError("too-large", `unpacks to more than ${limit} bytes`);
    const { buffer, engine } = runStep(step, encoding, rest, left, limit);
    if (engine.bytesWritten === 0) throw new BodyError("encoding", `cannot be unpacked as ${encoding}`);
    parts.push(buffer);
    left -= buffer.length;
    rest = rest.subarray(engine.bytesWritten);
  }
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
};

const runStep = (step: Step, encoding: string, bytes: Buffer, left: number, limit: number): WithInfo => {
  try {
    return step(bytes, left);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE")
      throw new BodyError("too-large", `unpacks to more than ${limit} bytes`, cause);
    throw new BodyError("encoding", `cannot be unpacked as ${encoding}`, cause);
  }
};

/** Each part costs a call of the platform, however small it is. A request names at most 92 documents. */
const maxParts = 128;
