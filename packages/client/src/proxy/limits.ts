/** Longest SOCKS4 request with its user id and its name, in bytes; `tor` has the same bound. */
export const MAX_SOCKS4_REQUEST_BYTES = 512;

/** Longest head of an HTTP request, its empty line included; `tor` has the same bound. */
export const MAX_PROXY_HEAD_BYTES = 8192;

/** Most header fields of an HTTP request. */
export const MAX_PROXY_HEAD_FIELDS = 64;

/** Longest host name, in bytes and without the dot that may stand at its end (RFC 1035, 2.3.4: 255 on the wire). */
export const MAX_HOST_NAME_BYTES = 253;

/** Longest DNS query that is looked at, and longest answer, in bytes (RFC 1035, 4.2.1). */
export const MAX_DNS_MESSAGE_BYTES = 512;

/** The least seconds that an answer of the DNS port may be kept. As `tor`: a look-up through circuits is dear. */
export const MIN_DNS_ANSWER_TTL = 60;

/** The most seconds that an answer of the DNS port may be kept: it is what one exit said. */
export const MAX_DNS_ANSWER_TTL = 3600;
