import { createHmac } from "node:crypto";
import { asBuffer, equalBytes } from "../bytes.ts";
import { HandshakeError } from "../errors.ts";
import { kdfNtor } from "../kdf.ts";
import { type X25519KeyPair, X25519PublicKey, x25519KeyLength } from "../x25519.ts";
import {
  type ClientHandshake,
  findOnionKey,
  type HandshakeServerKeys,
  type HandshakeTarget,
  type ServerHandshake,
} from "./keys.ts";

const identityLength = 20;
const authLength = 32;
/** Bytes of a client's ntor message: identity, onion key, ephemeral key (tor-spec 5.1.4). */
export const ntorRequestLength = identityLength + 2 * x25519KeyLength;
/** Bytes of a server's ntor message: ephemeral key, authentication. */
export const ntorReplyLength = x25519KeyLength + authLength;

const protocol = Buffer.from("ntor-curve25519-sha256-1", "ascii");
const macKey = Buffer.from("ntor-curve25519-sha256-1:mac", "ascii");
const verifyKey = Buffer.from("ntor-curve25519-sha256-1:verify", "ascii");
const server = Buffer.from("Server", "ascii");

/** The public values of one run, in the names of tor-spec 5.1.4. */
interface Transcript {
  /** ID */
  readonly identity: Uint8Array;
  /** B */
  readonly onionKey: Uint8Array;
  /** X */
  readonly client: Uint8Array;
  /** Y */
  readonly server: Uint8Array;
}

const derive = (xy: Buffer, xb: Buffer, transcript: Transcript, length: number) => {
  const { identity, onionKey } = transcript;
  const secret = Buffer.concat([xy, xb, identity, onionKey, transcript.client, transcript.server, protocol]);
  const verify = createHmac("sha256", verifyKey).update(secret).digest();
  const input = Buffer.concat([verify, identity, onionKey, transcript.server, transcript.client, protocol, server]);
  return {
    auth: createHmac("sha256", macKey).update(input).digest(),
    material: kdfNtor(secret, length),
  };
};

const fail = (problem: HandshakeError["problem"]) => new HandshakeError("ntor", problem);

/** What a client keeps between its ntor message and the answer. Secret. */
export interface NtorClientState {
  readonly target: Pick<HandshakeTarget, "rsaIdentity" | "onionKey">;
  readonly ephemeral: X25519KeyPair;
}

/**
 * Begins an ntor handshake as a client (tor-spec 5.1.4).
 *
 * @param ephemeral a fresh key pair, never used again
 */
export const ntorClientBegin = (
  target: Pick<HandshakeTarget, "rsaIdentity" | "onionKey">,
  ephemeral: X25519KeyPair,
): ClientHandshake<NtorClientState> => ({
  request: Buffer.concat([target.rsaIdentity, target.onionKey, ephemeral.publicKey]),
  state: { target, ephemeral },
});

/**
 * Ends an ntor handshake as a client.
 *
 * @param length bytes of key material wanted, see `keyMaterialLength`
 * @returns the key material. Secret
 * @throws HandshakeError `bad-length`, `weak-key`, `bad-auth`
 */
export const ntorClientEnd = (state: NtorClientState, reply: Uint8Array, length: number): Buffer => {
  if (reply.length !== ntorReplyLength) throw fail("bad-length");
  const { target, ephemeral } = state;
  const theirs = asBuffer(reply).subarray(0, x25519KeyLength);
  const xy = ephemeral.sharedSecret(theirs);
  const xb = ephemeral.sharedSecret(target.onionKey);
  if (xy === undefined || xb === undefined) throw fail("weak-key");
  const transcript = {
    identity: target.rsaIdentity,
    onionKey: target.onionKey,
    client: ephemeral.publicKey,
    server: theirs,
  };
  const { auth, material } = derive(xy, xb, transcript, length);
  if (!equalBytes(auth, reply.subarray(x25519KeyLength))) throw fail("bad-auth");
  return material;
};

/**
 * Answers an ntor handshake as a relay (tor-spec 5.1.4).
 *
 * @param ephemeral a fresh key pair, never used again
 * @param length bytes of key material wanted, see `keyMaterialLength`
 * @throws HandshakeError `bad-length`, `unknown-key`, `weak-key`
 */
export const ntorServer = (
  keys: Omit<HandshakeServerKeys, "ed25519Identity">,
  request: Uint8Array,
  ephemeral: X25519KeyPair,
  length: number,
): ServerHandshake => {
  if (request.length !== ntorRequestLength) throw fail("bad-length");
  const message = asBuffer(request);
  const wanted = message.subarray(identityLength, identityLength + x25519KeyLength);
  const client = message.subarray(identityLength + x25519KeyLength);
  const onionKey = findOnionKey(keys.onionKeys, wanted);
  if (onionKey === undefined || !equalBytes(message.subarray(0, identityLength), keys.rsaIdentity))
    throw fail("unknown-key");
  const theirs = X25519PublicKey.fromBytes(client) as X25519PublicKey;
  const xy = ephemeral.sharedSecret(theirs);
  const xb = onionKey.sharedSecret(theirs);
  if (xy === undefined || xb === undefined) throw fail("weak-key");
  const transcript = { identity: keys.rsaIdentity, onionKey: wanted, client, server: ephemeral.publicKey };
  const { auth, material } = derive(xy, xb, transcript, length);
  return { reply: Buffer.concat([ephemeral.publicKey, auth]), material };
};
