import { promisify } from "node:util";
import { constants, deflate, gzip, zstdCompress } from "node:zlib";
import type { Headers } from "./head.ts";

/** How a body can be packed (dir-spec 6.1). `x-tor-lzma` is not offered: the platform does not have it. */
export type Encoding = "identity" | "deflate" | "gzip" | "x-zstd";

/** The best first. */
const preferred: ReadonlyArray<Encoding> = ["x-zstd", "deflate", "gzip", "identity"];

/**
 * The encoding for an answer: the best that the request accepts. The suffix `.z` is as good as naming `deflate`, also beside
 * an `Accept-Encoding`, as with `tor`.
 */
export const chooseEncoding = (headers: Headers, suffix: boolean): Encoding => {
  const accepted = new Set(acceptedEncodings(headers.get("accept-encoding") ?? ""));
  if (suffix) accepted.add("deflate");
  return preferred.find((encoding) => accepted.has(encoding)) ?? "identity";
};

/** The names in the value of `Accept-Encoding`, without those that it rules out. */
const acceptedEncodings = (text: string): ReadonlyArray<string> =>
  text.split(",").flatMap((entry) => {
    const [name = "", ...parameters] = entry.split(";").map((part) => part.trim().toLowerCase());
    return parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter)) ? [] : [name];
  });

/** How much work packing is worth: much for what many ask for, little for what is packed for one. */
export type Effort = "thorough" | "quick";

const zlibLevel = { thorough: 9, quick: constants.Z_DEFAULT_COMPRESSION } as const;
const zstdLevel = { thorough: 9, quick: 3 } as const;
const [deflateAsync, gzipAsync, zstdAsync] = [promisify(deflate), promisify(gzip), promisify(zstdCompress)];

/** Packs bytes on the platform's threads. It takes real time, of which no clock of ours knows. */
export const encode = async (encoding: Encoding, bytes: Buffer, effort: Effort): Promise<Buffer> => {
  switch (encoding) {
    case "identity":
      return bytes;
    case "deflate":
      return await deflateAsync(bytes, { level: zlibLevel[effort] });
    case "gzip":
      return await gzipAsync(bytes, { level: zlibLevel[effort] });
    case "x-zstd":
      return await zstdAsync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: zstdLevel[effort] } });
  }
};
