import type { Duration } from "effect";

// Every time and bound of the exit that is not configuration.
//
// | name | default | from |
// | --- | --- | --- |
// | CONNECT_TIMEOUT | 127 s | `tor` leaves it to the platform: Linux gives up after six SYNs sent again, at 127 s |
// | MAX_STREAMS_PER_CIRCUIT | 4096 | ours: streams of one circuit |
// | MAX_EXIT_STREAMS | 32768 | ours: streams of all circuits; each of an exit holds a descriptor |
// | MAX_LOOKUPS | 4096 | ours: names waited for; each is two questions at most, and MAX_QUERIES may be under way |
// | MAX_CONNECTING | 8192 | ours: attempts to connect under way |
// | QUERY_TIMEOUT_MILLIS | 1 s | consensus parameter exit_dns_timeout, param-spec 1 |
// | QUERY_ATTEMPTS | 2 | consensus parameter exit_dns_num_attempts, param-spec 1 |
// | RESOLVE_TIMEOUT | 30 s | ours: above all attempts at all name servers; `tor` waits up to 300 s |
// | MAX_QUERIES | 8192 | `tor`'s bound of DNS questions under way |
// | MAX_CACHED_NAMES | 32768 | ours: `tor` bounds its cache by memory pressure alone |
// | CACHE_SWEEP_MILLIS | 60 s | ours: how often answers that expired are looked for when new ones come |
// | LINGER_FLUSH_MILLIS | 30 s | ours: how long what is pending may take to leave (`tor`: 15 s without progress, which our platform does not show) |
// | LINGER_CLOSE_MILLIS | 3 s | ours: how long the other side may take to close once it has everything |
// | LINGER_ENDLESS_MILLIS | 250 ms | ours: the same for one that has sent more than LINGER_DISCARD_BYTES meanwhile (`tor`: none) |
// | LINGER_TICK | 250 ms | ours: how exactly all three are kept |
// | LINGER_DISCARD_BYTES | 256 KiB | ours: what is read from the other side, and thrown away, to see its end |
// | MAX_LINGERING | 4096 | ours: connections that linger; the oldest makes room |
// | MAX_LINGERING_BYTES | 64 MiB | ours: bytes pending on all of them; the oldest makes room |
//
// The times to live are in ttl.ts.

/** How long the attempt to connect to one destination may take. */
export const CONNECT_TIMEOUT: Duration.Input = "127 seconds";

/** Streams of one circuit. */
export const MAX_STREAMS_PER_CIRCUIT = 4_096;

/** Streams of all circuits together. Of these, and of what follows, a circuit may have as many as are left for all. */
export const MAX_EXIT_STREAMS = 32_768;

/** Streams and look-ups that wait for a name. */
export const MAX_LOOKUPS = 4_096;

/** Attempts to connect under way at once. */
export const MAX_CONNECTING = 8_192;

/** How long a name server may take to answer one attempt, in milliseconds. */
export const QUERY_TIMEOUT_MILLIS = 1_000;

/** How often each name server is asked. */
export const QUERY_ATTEMPTS = 2;

/** How long a question may take as a whole. */
export const RESOLVE_TIMEOUT: Duration.Input = "30 seconds";

/** Questions to name servers under way at once. */
export const MAX_QUERIES = 8_192;

/** Names whose answers are kept. */
export const MAX_CACHED_NAMES = 32_768;

/** How often expired answers are swept out when new ones come, in milliseconds. */
export const CACHE_SWEEP_MILLIS = 60_000;

/** How long the rest of an ended stream's bytes may take to leave, in milliseconds. */
export const LINGER_FLUSH_MILLIS = 30_000;

/** How long the other side may take to close once it has everything, in milliseconds. */
export const LINGER_CLOSE_MILLIS = 3_000;

/**
 * How long the other side may take to close, in milliseconds, if it has everything and goes on sending more than its share:
 * it does not look for our end, and only the reset that a closed socket answers with will stop it.
 */
export const LINGER_ENDLESS_MILLIS = 250;

/** How often the deadlines of lingering connections are looked at. */
export const LINGER_TICK: Duration.Input = "250 millis";

/** Bytes read, and thrown away, from a connection whose stream has ended. */
export const LINGER_DISCARD_BYTES = 256 * 1024;

/** Connections that linger at once. */
export const MAX_LINGERING = 4_096;

/** Bytes pending on all connections that linger. */
export const MAX_LINGERING_BYTES = 64 * 1024 * 1024;
