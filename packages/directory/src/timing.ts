import { Duration } from "effect";

/**
 * Every time of this package, by name. What the consensus says (its fresh and valid intervals) is not here: see
 * `nextCacheFetch` and `nextClientFetch`.
 */
export interface DirectoryTiming {
  /** How long a connection to a directory may take to come about. */
  readonly connectTimeout: Duration.Duration;
  /** How long an answer may stand still (tor's `DirConnectionMaxStall` is 5 minutes, 30 seconds in a test network). */
  readonly stallTimeout: Duration.Duration;
  /** How long a whole exchange may take. */
  readonly exchangeTimeout: Duration.Duration;
  /**
   * How long a client without a usable consensus asks only the directories that are there for that, before others may be asked too
   * (dir-spec 5.5, tor's `ClientBootstrapConsensusAuthorityDownloadInitialDelay`).
   */
  readonly urgentAfter: Duration.Duration;
  /** The longest delay between retries of a fetch (dir-spec 5.5 has no such cap). */
  readonly fetchRetryCap: Duration.Duration;
  /** How long commands to publish are gathered before the documents are built. */
  readonly publishGrace: Duration.Duration;
  /** The least time between two descriptors. */
  readonly publishInterval: Duration.Duration;
  /** The age at which a descriptor is made anew (dir-spec 2.1). */
  readonly republishAge: Duration.Duration;
  /** Not sooner than this after a descriptor is another made because a consensus does not list the relay. */
  readonly unlistedRepublishAge: Duration.Duration;
  /** The longest delay between attempts to reach an authority with a descriptor. */
  readonly uploadRetryCap: Duration.Duration;
  /** The first delay after an authority has refused a descriptor; it grows as others do. */
  readonly refusedRetry: Duration.Duration;
}

/** In the public network. */
export const publicTiming: DirectoryTiming = {
  connectTimeout: Duration.seconds(30),
  stallTimeout: Duration.minutes(1),
  exchangeTimeout: Duration.minutes(10),
  urgentAfter: Duration.seconds(6),
  fetchRetryCap: Duration.minutes(10),
  publishGrace: Duration.seconds(2),
  publishInterval: Duration.minutes(1),
  republishAge: Duration.hours(18),
  unlistedRepublishAge: Duration.minutes(90),
  uploadRetryCap: Duration.minutes(30),
  refusedRetry: Duration.minutes(10),
};

/** In a test network, where a voting round lasts seconds (tor's `TestingTorNetwork`). */
export const testTiming: DirectoryTiming = {
  connectTimeout: Duration.seconds(5),
  stallTimeout: Duration.seconds(10),
  exchangeTimeout: Duration.minutes(1),
  urgentAfter: Duration.zero,
  fetchRetryCap: Duration.seconds(5),
  publishGrace: Duration.millis(100),
  publishInterval: Duration.seconds(10),
  republishAge: Duration.hours(18),
  unlistedRepublishAge: Duration.seconds(30),
  uploadRetryCap: Duration.seconds(5),
  refusedRetry: Duration.seconds(10),
};

/** The times of the directory server. */
export interface ServerTiming {
  /** How long a request may take to be complete. */
  readonly requestTimeout: Duration.Duration;
  /** How long whoever asked may take nothing of the answer. */
  readonly stallTimeout: Duration.Duration;
}

/** In every network. */
export const serverTiming: ServerTiming = {
  requestTimeout: Duration.minutes(1),
  stallTimeout: Duration.minutes(1),
};
