import type { Microdescriptor, UnixMillis } from "@allium/netdoc";

/** A microdescriptor with the time of the last consensus that listed it. */
export interface StoredMicrodescriptor {
  readonly microdescriptor: Microdescriptor;
  /** Undefined if the file does not say. */
  readonly lastListed: UnixMillis | undefined;
}

/** The text of a file of microdescriptors: each after an annotation that says when a consensus last listed it. */
export const formatStored = (stored: Iterable<StoredMicrodescriptor>): Buffer => {
  const parts: Array<Buffer> = [];
  for (const { microdescriptor, lastListed } of stored) {
    if (lastListed !== undefined) {
      const time = new Date(lastListed).toISOString().slice(0, 19).replace("T", " ");
      parts.push(Buffer.from(`@last-listed ${time}\n`));
    }
    parts.push(microdescriptor.bytes);
  }
  return Buffer.concat(parts);
};

const annotation = /(?:^|\n)@last-listed (\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})\n/;

/**
 * Finds the annotations of microdescriptors that were read from a file.
 *
 * @param file the file's content, on which `bytes` of each microdescriptor is a view
 * @param microdescriptors in the order of the file
 */
export const readStored = (
  file: Buffer,
  microdescriptors: ReadonlyArray<Microdescriptor>,
): ReadonlyArray<StoredMicrodescriptor> => {
  let before = 0;
  return microdescriptors.map((microdescriptor) => {
    const start = microdescriptor.bytes.byteOffset - file.byteOffset;
    const match = annotation.exec(file.toString("latin1", before, start));
    before = start + microdescriptor.bytes.length;
    const time = match === null ? Number.NaN : Date.parse(`${match[1]}T${match[2]}Z`);
    return { microdescriptor, lastListed: Number.isNaN(time) ? undefined : time };
  });
};
