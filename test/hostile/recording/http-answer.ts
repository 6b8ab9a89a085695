import { createHash } from "node:crypto";
import { gunzipSync, inflateSync, zstdDecompressSync } from "node:zlib";

const sha256 = (bytes: string): string => createHash("sha256").update(bytes, "latin1").digest("hex").slice(0, 16);

/** Those of a directory's encodings that can be read here. */
const decoders: ReadonlyMap<string, (bytes: Buffer) => Buffer> = new Map([
  ["identity", (bytes: Buffer) => bytes],
  ["deflate", inflateSync],
  ["gzip", gunzipSync],
  ["x-zstd", zstdDecompressSync],
]);

const count = (text: string, line: RegExp): number => [...text.matchAll(line)].length;

/**
 * What documents are, without what is of one moment: a relay may have the next consensus a little before another. The order of
 * microdescriptors is nobody's business.
 */
const describeDocuments = (text: string): string => {
  const [first = ""] = text.split("\n", 1);
  if (first === "onion-key") {
    const documents = text.split(/^(?=onion-key$)/m).sort();
    return `${documents.length} microdescriptors ${sha256(documents.join(""))}`;
  }
  if (first.startsWith("dir-key-certificate-version")) {
    const documents = text.split(/^(?=dir-key-certificate-version )/m).sort();
    return `${documents.length} certificates ${sha256(documents.join(""))}`;
  }
  const routers = count(text, /^r /gm);
  return `${first}, ${routers} relays, ${count(text, /^directory-signature /gm)} signatures`;
};

/** A directory's answer as reports have it: status, encoding, and what the documents are. */
export const describeHttp = (answer: Buffer): string => {
  const end = answer.indexOf("\r\n\r\n");
  if (end < 0) return `no HTTP answer in ${answer.length} bytes`;
  const [status = "", ...headers] = answer.toString("latin1", 0, end).split("\r\n");
  const encoding =
    headers.map((header) => /^content-encoding: *(\S+)$/i.exec(header)?.[1]).find((found) => found !== undefined) ??
    "identity";
  const body = answer.subarray(end + 4);
  const decode = decoders.get(encoding);
  if (body.length === 0) return `${status}, nothing`;
  if (decode === undefined) return `${status}, ${encoding}`;
  return `${status}, ${encoding}: ${describeDocuments(decode(body).toString("latin1"))}`;
};
