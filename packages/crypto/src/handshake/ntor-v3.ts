import { createCipheriv, hash } from "node:crypto";
import { asBuffer, equalBytes, joined } from "../bytes.ts";
import { HandshakeError } from "../errors.ts";
import { type X25519KeyPair, X25519PublicKey, x25519KeyLength } from "../x25519.ts";
import {
  type ClientHandshake,
  findOnionKey,
  type HandshakeServerKeys,
  type HandshakeTarget,
  type ServerHandshake,
} from "./keys.ts";

const identityLength = 32;
/** DIGEST_LEN, MAC_LEN, MAC_KEY_LEN and ENC_KEY_LEN of proposal 332. */
const digestLength = 32;
const clientHeadLength = identityLength + 2 * x25519KeyLength;
const serverHeadLength = x25519KeyLength + digestLength;
const zeroCounter = Buffer.alloc(16);

/** The verification string of circuit handshakes (proposal 332, section 5.1): what this use of ntor-v3 is for. */
export const circuitVerification: Buffer = Buffer.from("circuit extend", "ascii");

/** ENCAP of proposal 332: the bytes behind their length. */
const encapsulated = (bytes: Uint8Array): Buffer => {
  const out = Buffer.alloc(8 + bytes.length);
  out.writeUInt32BE(bytes.length, 4);
  out.set(bytes, 8);
  return out;
};

const protocol = Buffer.from("ntor3-curve25519-sha3_256-1", "ascii");
const tweak = (name: string): Buffer => encapsulated(Buffer.from(`${protocol.toString("ascii")}:${name}`, "ascii"));
const messageMac = tweak("msg_mac");
const messageKdf = tweak("kdf_phase1");
const keySeed = tweak("key_seed");
const verify = tweak("verify");
const finalKdf = tweak("kdf_final");
const finalAuth = tweak("auth_final");
const server = Buffer.from("Server", "ascii");

type Parts = ReadonlyArray<Uint8Array>;
const sha3 = (parts: Parts): Buffer => joined(parts, (bytes) => hash("sha3-256", bytes, "buffer"));
const shake = (parts: Parts, outputLength: number): Buffer =>
  joined(parts, (bytes) => hash("shake256", bytes, { outputEncoding: "buffer", outputLength }));

/** ENC and DEC: each key is used for one message only. */
const applyKeyStream = (key: Buffer, message: Uint8Array): Buffer =>
  createCipheriv("aes-256-ctr", key, zeroCounter).update(message);

/** The public values of one run, in the names of proposal 332. */
interface Transcript {
  /** ID */
  readonly identity: Uint8Array;
  /** B */
  readonly onionKey: Uint8Array;
  /** X */
  readonly client: Uint8Array;
  /** VER */
  readonly verification: Uint8Array;
}

/** The keys for the client's message, from the secret that its sender and the owner of the onion key share. */
const messageKeys = (bx: Buffer, { identity, onionKey, client, verification }: Transcript) => {
  const keys = shake(
    [messageKdf, bx, identity, client, onionKey, protocol, encapsulated(verification)],
    2 * digestLength,
  );
  return {
    encryption: keys.subarray(0, digestLength),
    mac: (encrypted: Uint8Array): Buffer =>
      sha3([messageMac, encapsulated(keys.subarray(digestLength)), identity, onionKey, client, encrypted]),
  };
};

/** Everything that both sides derive once both ephemeral keys are known. */
const finish = (xy: Buffer, xb: Buffer, transcript: Transcript, theirs: Uint8Array, length: number) => {
  const { identity, onionKey, client, verification } = transcript;
  const secret = Buffer.concat([xy, xb, identity, onionKey, client, theirs, protocol, encapsulated(verification)]);
  const stream = shake([finalKdf, sha3([keySeed, secret])], digestLength + length);
  const proof = sha3([verify, secret]);
  return {
    encryption: stream.subarray(0, digestLength),
    material: stream.subarray(digestLength),
    auth: (mac: Uint8Array, encrypted: Uint8Array): Buffer =>
      sha3([finalAuth, proof, identity, onionKey, theirs, client, mac, encapsulated(encrypted), protocol, server]),
  };
};

const fail = (problem: HandshakeError["problem"]) => new HandshakeError("ntor-v3", problem);

/** What a client keeps between its ntor-v3 message and the answer. Secret. */
export interface NtorV3ClientState {
  readonly transcript: Transcript;
  readonly ephemeral: X25519KeyPair;
  /** Bx */
  readonly shared: Buffer;
  /** MSG_MAC */
  readonly mac: Buffer;
}

/**
 * Begins an ntor-v3 handshake as a client (proposal 332).
 *
 * @param ephemeral a fresh key pair, never used again
 * @param message what only the relay shall read: for circuits, the encoded list of circuit extensions
 * @param verification what the handshake is for; circuits if not said
 * @throws HandshakeError `weak-key` if the relay's onion key is none
 */
export const ntorV3ClientBegin = (
  target: Pick<HandshakeTarget, "ed25519Identity" | "onionKey">,
  ephemeral: X25519KeyPair,
  message: Uint8Array,
  verification: Uint8Array = circuitVerification,
): ClientHandshake<NtorV3ClientState> => {
  const { ed25519Identity: identity, onionKey } = target;
  const transcript = { identity, onionKey, client: ephemeral.publicKey, verification };
  const shared = ephemeral.sharedSecret(onionKey);
  if (shared === undefined) throw fail("weak-key");
  const keys = messageKeys(shared, transcript);
  const encrypted = applyKeyStream(keys.encryption, message);
  const mac = keys.mac(encrypted);
  return {
    request: Buffer.concat([identity, onionKey, ephemeral.publicKey, encrypted, mac]),
    state: { transcript, ephemeral, shared, mac },
  };
};

/** What a client has at the end of an ntor-v3 handshake. */
export interface NtorV3ClientResult {
  /** What the relay answered to the client's message: for circuits, the encoded list of circuit extensions. */
  readonly message: Buffer;
  /** Key material for `splitKeyMaterial`. Secret. */
  readonly material: Buffer;
}

/**
 * Ends an ntor-v3 handshake as a client.
 *
 * @param length bytes of key material wanted, see `keyMaterialLength`
 * @throws HandshakeError `bad-length`, `weak-key`, `bad-auth`
 */
export const ntorV3ClientEnd = (state: NtorV3ClientState, reply: Uint8Array, length: number): NtorV3ClientResult => {
  if (reply.length < serverHeadLength) throw fail("bad-length");
  const bytes = asBuffer(reply);
  const theirs = bytes.subarray(0, x25519KeyLength);
  const encrypted = bytes.subarray(serverHeadLength);
  const xy = state.ephemeral.sharedSecret(theirs);
  if (xy === undefined) throw fail("weak-key");
  const keys = finish(xy, state.shared, state.transcript, theirs, length);
  if (!equalBytes(keys.auth(state.mac, encrypted), bytes.subarray(x25519KeyLength, serverHeadLength)))
    throw fail("bad-auth");
  return { message: applyKeyStream(keys.encryption, encrypted), material: keys.material };
};

/**
 * A relay's answer to the message in a client's handshake, or undefined to refuse. Called once the message is shown to come
 * from whoever made the handshake. For circuits, both are encoded lists of circuit extensions.
 */
export type NtorV3Responder = (message: Buffer) => Uint8Array | undefined;

/**
 * Answers an ntor-v3 handshake as a relay (proposal 332).
 *
 * @param ephemeral a fresh key pair, never used again
 * @param length bytes of key material wanted, see `keyMaterialLength`
 * @param verification what the handshake is for; circuits if not said
 * @throws HandshakeError `bad-length`, `unknown-key`, `weak-key`, `bad-mac`, `refused`, and what `respond` throws
 */
export const ntorV3Server = (
  keys: Omit<HandshakeServerKeys, "rsaIdentity">,
  request: Uint8Array,
  ephemeral: X25519KeyPair,
  respond: NtorV3Responder,
  length: number,
  verification: Uint8Array = circuitVerification,
): ServerHandshake => {
  if (request.length < clientHeadLength + digestLength) throw fail("bad-length");
  const bytes = asBuffer(request);
  const identity = bytes.subarray(0, identityLength);
  const wanted = bytes.subarray(identityLength, identityLength + x25519KeyLength);
  const client = bytes.subarray(identityLength + x25519KeyLength, clientHeadLength);
  const encrypted = bytes.subarray(clientHeadLength, bytes.length - digestLength);
  const mac = bytes.subarray(bytes.length - digestLength);

  const onionKey = findOnionKey(keys.onionKeys, wanted);
  if (onionKey === undefined || !equalBytes(identity, keys.ed25519Identity)) throw fail("unknown-key");
  const transcript = { identity, onionKey: wanted, client, verification };
  const theirs = X25519PublicKey.fromBytes(client) as X25519PublicKey;
  const xb = onionKey.sharedSecret(theirs);
  if (xb === undefined) throw fail("weak-key");
  const message = messageKeys(xb, transcript);
  if (!equalBytes(message.mac(encrypted), mac)) throw fail("bad-mac");
  const answer = respond(applyKeyStream(message.encryption, encrypted));
  if (answer === undefined) throw fail("refused");

  const xy = ephemeral.sharedSecret(theirs);
  if (xy === undefined) throw fail("weak-key");
  const final = finish(xy, xb, transcript, ephemeral.publicKey, length);
  const sealed = applyKeyStream(final.encryption, answer);
  return {
    reply: Buffer.concat([ephemeral.publicKey, final.auth(mac, sealed), sealed]),
    material: final.material,
  };
};
