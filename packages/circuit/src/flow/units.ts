import { Brand } from "effect";

/** A rate in bytes per second. `Infinity` where there is no limit. */
export type BytesPerSecond = number & Brand.Brand<"BytesPerSecond">;

/** Takes a number of bytes per second for what it is. */
export const BytesPerSecond = Brand.nominal<BytesPerSecond>();

/**
 * The `kbps_ewma` of an XON: *kilobytes* (1000 bytes) per second, whatever the name suggests; zero means "no advice, no
 * limit" (proposal 324, 4.1). An unsigned 32-bit integer.
 */
export type XonRate = number & Brand.Brand<"XonRate">;

/** Takes the number of an XON's `kbps_ewma` field for what it is. */
export const XonRate = Brand.nominal<XonRate>();
