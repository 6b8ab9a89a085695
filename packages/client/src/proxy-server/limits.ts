import type { Duration } from "effect";

// Every time and bound of a proxy port and a DNS port that is not configuration.
//
// | name | default | from |
// | --- | --- | --- |
// | PROXY_NEGOTIATION_TIMEOUT | 2 min | torrc `SocksTimeout` |
// | PROXY_HALF_CLOSED_MILLIS | 10 s | ours: `tor` ends the stream at once |
// | PROXY_FLUSH_MILLIS | 2 min | ours; `tor`: 15 s |
// | PROXY_CLOSE_MILLIS | 3 s | ours; `tor`: none |
// | PROXY_SWEEP_PERIOD | 1 s | ours: how exactly these three are kept |
// | PROXY_GATHER_MILLIS | 4 ms | ours |
// | PROXY_LOG_MILLIS | 10 min | ours: how often the log says again what happens often |
// | DNS_QUERY_TIMEOUT | 1 min | ours: whoever asks has given up by then |
// | MAX_PROXY_CONNECTIONS | 2000 | ours; `tor`: as many as there are descriptors |
// | MAX_PROXY_NEGOTIATIONS | 256 | ours |
// | PROXY_READ_BUFFER_BYTES | 64 KiB | ours |
// | PROXY_PENDING_BYTES | 64 KiB | ours |
// | PROXY_GATHER_BYTES | 32 KiB | ours |
// | MAX_DNS_QUERIES | 256 | ours |

/** How long an application may take to say what it wants. */
export const PROXY_NEGOTIATION_TIMEOUT: Duration.Input = "2 minutes";

/**
 * How long a stream stays open for an answer after its application has said that it sends no more, in milliseconds without a byte
 * either way. A stream cannot be closed one way: whoever ends it gives up what the other side still sends.
 */
export const PROXY_HALF_CLOSED_MILLIS = 10_000;

/** How long an application may take nothing of what waits for it although its stream is over, in milliseconds. */
export const PROXY_FLUSH_MILLIS = 120_000;

/** How long an application that has everything may take to close, in milliseconds. */
export const PROXY_CLOSE_MILLIS = 3_000;

/** How often connections that are about to end are looked at. */
export const PROXY_SWEEP_PERIOD: Duration.Input = "1 second";

/**
 * How long the bytes of a stream are gathered if others have just gone to its application, in milliseconds. A stream that brings something
 * after a pause does not wait.
 */
export const PROXY_GATHER_MILLIS = 4;

/** How often, at most, the log says of something that it has happened again, in milliseconds. */
export const PROXY_LOG_MILLIS = 600_000;

/** How long a question of the DNS port may take. */
export const DNS_QUERY_TIMEOUT: Duration.Input = "1 minute";

/** Applications that are connected at once, at all listeners. */
export const MAX_PROXY_CONNECTIONS = 2_000;

/** Applications that have not said yet what they want; for one more the oldest is given up. */
export const MAX_PROXY_NEGOTIATIONS = 256;

/** Bytes of an application that may wait unread. */
export const PROXY_READ_BUFFER_BYTES = 64 * 1024;

/** Bytes that wait to be taken by an application, or by its stream, before no more are handed over. */
export const PROXY_PENDING_BYTES = 64 * 1024;

/** Bytes of a stream that wait no longer. */
export const PROXY_GATHER_BYTES = 32 * 1024;

/** Questions of the DNS port that are under way at once; further ones are answered with SERVFAIL. */
export const MAX_DNS_QUERIES = 256;
