/** The most guards that are kept in one sample, whatever the consensus allows (`guard-max-sample-size` goes up to 2³¹ - 1). */
export const SAMPLE_LIMIT = 512;

/** The most circuits and requests whose guards are remembered at once. Where there are as many, no guard is given out. */
export const GUARD_CIRCUIT_LIMIT = 8_192;

/** The most bytes that the text of a stored state may have. Two full samples take a quarter of it. */
export const GUARD_STATE_LIMIT_BYTES = 1_048_576;

/** The most faults of a stored state that are told one by one. */
export const GUARD_FAULT_LIMIT = 32;

/** The most characters of the name of the version that took a guard into the sample. */
export const ADDED_BY_LIMIT = 64;

/** Once every guard is down, all are tried again after this time... */
export const EXHAUSTED_RETRY_MIN_MILLIS = 10_000;

/** ...and after twice the time each time that follows, up to this: a primary guard's first retry. */
export const EXHAUSTED_RETRY_MAX_MILLIS = 600_000;
