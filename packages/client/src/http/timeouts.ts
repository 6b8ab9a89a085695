/** For how long an idle connection is kept for the next request to its server: less than the 5 s after which common servers close it. */
export const KEEP_ALIVE_MILLIS = 4_000;

/** For how long the TLS handshake of a dispatcher's connection may take, once its stream is open. */
export const DISPATCHER_TLS_TIMEOUT_MILLIS = 60_000;
