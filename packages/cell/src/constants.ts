/** Payload bytes of a fixed-length cell, and the stride of a train's slab. tor-spec 3: PAYLOAD_LEN. */
export const CELL_BODY_LEN = 509;

/** Bytes of a circuit ID on the wire: 2 before VERSIONS and up to link protocol 3, 4 from link protocol 4. tor-spec 3. */
export type CircIdLen = 2 | 4;

/** Link protocols that this package can frame. Versions 1 and 2 predate the in-protocol handshake. tor-spec 4.1. */
export const LINK_PROTOCOL_MIN = 3;
/** @see LINK_PROTOCOL_MIN */
export const LINK_PROTOCOL_MAX = 5;

/** Header bytes of a fixed-length cell: circuit ID and command. tor-spec 3. */
export const fixedHeaderLength = (circIdLen: CircIdLen): number => circIdLen + 1;

/** Header bytes of a variable-length cell: circuit ID, command and a two-byte length. tor-spec 3. */
export const variableHeaderLength = (circIdLen: CircIdLen): number => circIdLen + 3;

/** Bytes of a whole fixed-length cell: 514 with wide circuit IDs, 512 with narrow ones. tor-spec 3. */
export const fixedCellLength = (circIdLen: CircIdLen): number => circIdLen + 1 + CELL_BODY_LEN;

/** TAP_C_HANDSHAKE_LEN of tor-spec 0.3: bytes of a client's TAP handshake. */
export const TAP_CLIENT_LENGTH = 186;

/** TAP_S_HANDSHAKE_LEN of tor-spec 0.3: bytes of a server's TAP handshake. */
export const TAP_SERVER_LENGTH = 148;

/** HASH_LEN of tor-spec 0.3: bytes of SHA-1. */
export const HASH_LENGTH = 20;
