/** Bytes of one gathered write: four full TLS records. */
export const WRITE_BUFFER_BYTES = 64 * 1024;

/** Buffers that wait for their next use; an idle channel holds none. */
const free: Array<Buffer> = [];

/** Most buffers kept for later. */
const KEEP = 32;

/** A buffer for one gathered write. Its content is whatever was there. */
export const takeWriteBuffer = (): Buffer => free.pop() ?? Buffer.allocUnsafeSlow(WRITE_BUFFER_BYTES);

/** Gives a buffer back, once the transport has no use for it any more. */
export const releaseWriteBuffer = (buffer: Buffer): void => {
  if (free.length < KEEP) free.push(buffer);
};
