/** Bytes that a program may write ahead of what its stream has taken, before it is told to wait. */
export const WRITE_AHEAD_BYTES = 64 * 1024;
