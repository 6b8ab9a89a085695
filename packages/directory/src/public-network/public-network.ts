import { type Authority, parseAuthorities } from "../authorities.ts";
import { type FallbackDirectory, parseFallbacks } from "../fallbacks.ts";
import { AUTHORITY_LINES } from "./authority-lines.ts";
import { FALLBACK_LINES } from "./fallback-lines.ts";

/** The directory authorities of the public Tor network, read anew each time. */
export const publicAuthorities = (): ReadonlyArray<Authority> => parseAuthorities(AUTHORITY_LINES);

/** Its fallback directories, read anew each time. */
export const publicFallbacks = (): ReadonlyArray<FallbackDirectory> => parseFallbacks(FALLBACK_LINES);
