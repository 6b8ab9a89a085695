/** For how long what a program wrote may take to leave after it is done with its socket. */
export const SOCKET_LINGER_MILLIS = 30_000;

/**
 * For how long a stream stays open after its program has said that it sends no more, without a byte from the other side. Over Tor to say
 * so ends the stream both ways (tor-spec 6.3), and the answer would be lost.
 */
export const HALF_CLOSED_MILLIS = 10_000;
