// Every time of the bandwidth limits.
//
// | name | default | from |
// | --- | --- | --- |
// | REFILL_PERIOD_MILLIS | 100 ms | torrc `TokenBucketRefillInterval`: how often those who wait for tokens have a turn |

/** How often connections that wait for tokens have a turn, in milliseconds. */
export const REFILL_PERIOD_MILLIS = 100;
