import type { Duration } from "effect";

// Every time and bound of the metrics page.
//
// | name | default | from |
// | --- | --- | --- |
// | METRICS_EXCHANGE_TIMEOUT | 10 s | ours: a scrape, from its connection to the last byte of the answer |
// | MAX_METRICS_CONNECTIONS | 8 | ours: whoever scrapes does so once in a while |
// | MAX_METRICS_REQUEST_BYTES | 8 KiB | ours: the head of a request; no scraper sends a tenth of it |

/** How long a scrape may take as a whole. */
export const METRICS_EXCHANGE_TIMEOUT: Duration.Input = "10 seconds";

/** Scrapes at once; more are refused at accept. */
export const MAX_METRICS_CONNECTIONS = 8;

/** The most that a request may have, its empty line included. */
export const MAX_METRICS_REQUEST_BYTES = 8 * 1024;
