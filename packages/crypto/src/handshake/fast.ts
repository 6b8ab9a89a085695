import { equalBytes } from "../bytes.ts";
import { HandshakeError } from "../errors.ts";
import { kdfTor } from "../kdf.ts";
import type { ServerHandshake } from "./keys.ts";

/** Bytes of X and Y, and of KH (tor-spec 5.1.5). */
export const fastRandomLength = 20;
/** Bytes of the payload of CREATED_FAST: Y and KH. */
export const fastReplyLength = 2 * fastRandomLength;

const fail = (problem: HandshakeError["problem"]) => new HandshakeError("fast", problem);

/**
 * KDF-TOR puts KH first; it goes to the end here, as the other handshakes have it, so that `splitKeyMaterial` serves all.
 */
const derive = (client: Uint8Array, server: Uint8Array, length: number) => {
  const stream = kdfTor(Buffer.concat([client, server]), length);
  const proof = stream.subarray(0, fastRandomLength);
  return { proof, material: Buffer.concat([stream.subarray(fastRandomLength), proof]) };
};

/**
 * Ends a CREATE_FAST handshake as a client (tor-spec 5.1.5). It gives no more secrecy than the channel does: only for the
 * first hop, when its onion key is not known.
 *
 * @param sent the 20 random bytes that CREATE_FAST carried
 * @param reply the payload of CREATED_FAST, 40 bytes
 * @param length bytes of key material wanted, see `keyMaterialLength`
 * @returns the key material. Secret
 * @throws HandshakeError `bad-length`, `bad-auth`
 */
export const fastClientEnd = (sent: Uint8Array, reply: Uint8Array, length: number): Buffer => {
  if (sent.length !== fastRandomLength || reply.length !== fastReplyLength) throw fail("bad-length");
  const { proof, material } = derive(sent, reply.subarray(0, fastRandomLength), length);
  if (!equalBytes(proof, reply.subarray(fastRandomLength))) throw fail("bad-auth");
  return material;
};

/**
 * Answers CREATE_FAST as a relay.
 *
 * @param request the 20 bytes of CREATE_FAST
 * @param random 20 fresh random bytes
 * @param length bytes of key material wanted, see `keyMaterialLength`
 * @throws HandshakeError `bad-length`
 */
export const fastServer = (request: Uint8Array, random: Uint8Array, length: number): ServerHandshake => {
  if (request.length !== fastRandomLength || random.length !== fastRandomLength) throw fail("bad-length");
  const { proof, material } = derive(request, random, length);
  return { reply: Buffer.concat([random, proof]), material };
};
