import { formatTime, parseTime, type UnixMillis } from "@allium/netdoc";

/** A document with the time of the last consensus that listed it. */
export interface Stored<A> {
  readonly document: A;
  /** Undefined if the file does not say. */
  readonly lastListed: UnixMillis | undefined;
}

/** The text of a file of documents, in parts: each after an annotation that says when a consensus last listed it. */
export function* formatStored(stored: Iterable<Stored<{ readonly bytes: Buffer }>>): Generator<Buffer> {
  // Most were listed by the same consensus.
  let last: UnixMillis | undefined;
  let line: Buffer = Buffer.alloc(0);
  for (const { document, lastListed } of stored) {
    if (lastListed !== undefined) {
      if (lastListed !== last) {
        line = Buffer.from(`@last-listed ${formatTime(lastListed)}\n`);
        last = lastListed;
      }
      yield line;
    }
    yield document.bytes;
  }
}

const annotation = /(?:^|\n)@last-listed (\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})\n/;

/**
 * Finds the annotations of documents that were read from a file.
 *
 * @param file the file's content, on which `bytes` of each document is a view
 * @param documents in the order of the file
 */
export const readStored = <A extends { readonly bytes: Buffer }>(
  file: Buffer,
  documents: ReadonlyArray<A>,
): ReadonlyArray<Stored<A>> => {
  let before = 0;
  return documents.map((document) => {
    const start = document.bytes.byteOffset - file.byteOffset;
    const match = annotation.exec(file.toString("latin1", before, start));
    before = start + document.bytes.length;
    return { document, lastListed: match === null ? undefined : parseTime(match[1] ?? "", match[2] ?? "") };
  });
};
