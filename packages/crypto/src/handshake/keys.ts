import { equalBytes } from "../bytes.ts";
import type { X25519KeyPair } from "../x25519.ts";

/** What a client must know of a relay to do a circuit handshake with it (tor-spec 5.1): from its descriptor. */
export interface HandshakeTarget {
  /** The RSA identity, 20 bytes: who it is for ntor. */
  readonly rsaIdentity: Uint8Array;
  /** The Ed25519 identity, 32 bytes: who it is for ntor-v3. */
  readonly ed25519Identity: Uint8Array;
  /** The public onion key, 32 bytes. */
  readonly onionKey: Uint8Array;
}

/** What a relay answers circuit handshakes with. */
export interface HandshakeServerKeys {
  /** Its RSA identity, 20 bytes. */
  readonly rsaIdentity: Uint8Array;
  /** Its Ed25519 identity, 32 bytes. */
  readonly ed25519Identity: Uint8Array;
  /** Its onion keys: the current one, then those that clients with an older descriptor may still use. */
  readonly onionKeys: ReadonlyArray<X25519KeyPair>;
}

/** A client's first message of a handshake, and what it must keep. */
export interface ClientHandshake<State> {
  /** HDATA of CREATE2, or of an EXTEND2. */
  readonly request: Buffer;
  /** For the end of the handshake. */
  readonly state: State;
}

/** What a server's half of a handshake gives. */
export interface ServerHandshake {
  /** The server's message: HDATA of CREATED2, or the payload of CREATED_FAST. */
  readonly reply: Buffer;
  /** Key material for `splitKeyMaterial`. Secret. */
  readonly material: Buffer;
}

/** The onion key whose public half is `wanted`. All are compared, so that time does not tell which it was. */
export const findOnionKey = (
  onionKeys: ReadonlyArray<X25519KeyPair>,
  wanted: Uint8Array,
): X25519KeyPair | undefined => {
  let found: X25519KeyPair | undefined;
  for (const key of onionKeys) if (equalBytes(key.publicKey, wanted)) found = key;
  return found;
};
