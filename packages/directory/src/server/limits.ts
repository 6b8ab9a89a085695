const mebibyte = 1024 * 1024;

/** Streams of BEGIN_DIR that are served at a time. */
export const MAX_STREAMS = 1000;

/** The most that a request may have, in bytes. `tor` asks for up to 500 microdescriptors at a time. */
export const MAX_REQUEST_BYTES = 50_000;

/** Bodies that were packed for one request each and have not left yet, all together, in bytes. */
export const MAX_BODY_BYTES = 32 * mebibyte;

/** The largest body that is packed for one request. Larger ones, such as everybody's descriptors, go out as they are. */
export const MAX_PACKED_BYTES = 4 * mebibyte;

/** Bodies that are packed at a time. */
export const MAX_PACKING = 2;

/** The answer goes out in pieces of this size, each when the one before it has been taken. */
export const PIECE_BYTES = 32 * 1024;
