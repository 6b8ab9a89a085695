import type { Fingerprint } from "../values/fingerprint.ts";
import type { UnixMillis } from "../values/time.ts";

/** The histories of traffic that an extra-info document may have (dir-spec 2.1.2). */
export const historyKeywords = [
  "write-history",
  "read-history",
  "ipv6-write-history",
  "ipv6-read-history",
  "dirreq-write-history",
  "dirreq-read-history",
] as const;

/** One of {@link historyKeywords}. */
export type HistoryKeyword = (typeof historyKeywords)[number];

/** How much was carried, interval by interval. */
export interface BandwidthHistory {
  /** The end of the last interval. */
  readonly end: UnixMillis;
  /** Seconds of one interval; `tor` takes 86400. */
  readonly interval: number;
  /** Bytes in each interval, the oldest first. */
  readonly bytes: ReadonlyArray<number>;
}

/** How often a relay ran into its own limits of bandwidth. */
export interface RateLimitOverload {
  /** When it happened last; whole seconds. */
  readonly at: UnixMillis;
  /** The limit in the long run, in bytes per second. */
  readonly rate: number;
  /** The limit for a moment. */
  readonly burst: number;
  /** Minutes in which reading was held up. */
  readonly reads: number;
  /** Minutes in which writing was held up. */
  readonly writes: number;
}

/** What a relay tells about its traffic, which nobody needs to use it (dir-spec 2.1.2). */
export interface ExtraInfoDescription {
  readonly nickname: string;
  /** When it was made: the time of the router descriptor that names it. */
  readonly published: UnixMillis;
  readonly histories: Partial<Readonly<Record<HistoryKeyword, BandwidthHistory>>>;
  readonly rateLimitOverload: RateLimitOverload | undefined;
  /** When the relay ran out of file descriptors, if that was in the last three days. */
  readonly outOfFilesAt: UnixMillis | undefined;
  /** Other statistics, line by line: a keyword, and what follows it. */
  readonly statistics: ReadonlyArray<readonly [keyword: string, rest: string]>;
}

/** An extra-info document that was read and verified. */
export interface ExtraInfo extends ExtraInfoDescription {
  /** The relay's RSA identity. */
  readonly fingerprint: Fingerprint;
  /** SHA-1 of the signed part, in hexadecimal. */
  readonly sha1: string;
  /** SHA-256 of the whole text, in base64 without padding. */
  readonly sha256: string;
  /** The document as it came: a view on the input. */
  readonly bytes: Buffer;
}
