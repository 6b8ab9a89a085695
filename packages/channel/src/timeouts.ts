import type { Duration } from "effect";

// Every time of this package that is not a consensus parameter.
//
// | name | default | from |
// | --- | --- | --- |
// | CONNECT_TIMEOUT | 30 s | TCP and TLS of an outgoing channel, one address |
// | TLS_HANDSHAKE_TIMEOUT_MILLIS | 20 s | TLS of an incoming connection, before anything of Tor's |
// | HANDSHAKE_TIMEOUT | 30 s | link handshake, either role; `tor` gives up half-open connections after 60 s |
// | KEEPALIVE_PERIOD_MILLIS | 5 min | `KeepalivePeriod` of `tor`: an idle channel sends a padding cell, so that the line stays open |
// | STUCK_TIMEOUT_MILLIS | 50 min | ten of them: a channel whose peer takes no bytes for that long is closed |
// | KEEPER_PERIOD_MILLIS | 10 s | the longest time between two looks at a channel's deadlines |
// | BUSY_KEEPER_PERIOD_MILLIS | 1 s | the same while cells wait to be written: it must see the channel fall idle |
//
// Padding and idle times are consensus parameters: see `PaddingParams` and `ChannelConfig.idleTimeoutMillis`.

/** How long one address of a peer may take for TCP and TLS. */
export const CONNECT_TIMEOUT: Duration.Input = "30 seconds";

/** How long a link handshake may take. */
export const HANDSHAKE_TIMEOUT: Duration.Input = "30 seconds";

/** How long the TLS handshake of an incoming connection may take; timed by the platform. */
export const TLS_HANDSHAKE_TIMEOUT_MILLIS = 20_000;

/** A channel that has sent nothing for this long sends a padding cell. */
export const KEEPALIVE_PERIOD_MILLIS = 5 * 60_000;

/** A channel whose bytes were not accepted for this long is closed. */
export const STUCK_TIMEOUT_MILLIS = 10 * KEEPALIVE_PERIOD_MILLIS;

/** The channel's keeper looks again at least this often: parameters may have changed, the last circuit may have gone. */
export const KEEPER_PERIOD_MILLIS = 10_000;

/** How often it looks while cells wait to be written, so that the time until padding is counted from the right moment. */
export const BUSY_KEEPER_PERIOD_MILLIS = 1_000;
