import type { Duration } from "effect";

// Every time of this package that is not a consensus parameter.
//
// | name | default | from |
// | --- | --- | --- |
// | CONNECT_TIMEOUT | 30 s | TCP and TLS of an outgoing channel, one address |
// | TLS_HANDSHAKE_TIMEOUT_MILLIS | 20 s | TLS of an incoming connection, before anything of Tor's |
// | HANDSHAKE_TIMEOUT | 30 s | link handshake, either role; `tor` gives up half-open connections after 60 s |
//
// Padding and idle times are consensus parameters: see `PaddingParams` and `ChannelConfig.idleTimeoutMillis`.

/** How long one address of a peer may take for TCP and TLS. */
export const CONNECT_TIMEOUT: Duration.Input = "30 seconds";

/** How long a link handshake may take. */
export const HANDSHAKE_TIMEOUT: Duration.Input = "30 seconds";

/** How long the TLS handshake of an incoming connection may take; timed by the platform. */
export const TLS_HANDSHAKE_TIMEOUT_MILLIS = 20_000;
