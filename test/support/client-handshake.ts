import { encodeRequestExtensions, HandshakeType, type ResponseExtension, readResponseExtensions } from "@allium/cell";
import {
  type HandshakeTarget,
  keyMaterialLength,
  ntorClientBegin,
  ntorClientEnd,
  ntorV3ClientBegin,
  ntorV3ClientEnd,
  tor1,
  X25519KeyPair,
} from "@allium/crypto";

/** A client's half of the handshake that makes a relay a hop of its circuit. */
export interface HopHandshake {
  readonly type: number;
  /** What CREATE2 or EXTEND2 carries. */
  readonly request: Buffer;
  /** Takes the relay's half. @throws HandshakeError */
  readonly finish: (reply: Buffer) => ClientHop;
}

/** What a client has agreed on with a hop. */
export interface ClientHop {
  /** Keys for tor1, to be split. */
  readonly material: Buffer;
  /** Cells for each SENDME, if the relay has granted congestion control. */
  readonly sendmeInc: number | undefined;
  /** What the relay has granted; by ntor nothing. */
  readonly extensions: ReadonlyArray<ResponseExtension>;
}

const LENGTH = keyMaterialLength(tor1);

/** Begins a handshake by ntor. `secret` is 32 random bytes. */
export const beginNtor = (target: HandshakeTarget, secret: Buffer): HopHandshake => {
  const { request, state } = ntorClientBegin(target, X25519KeyPair.fromSecret(secret));
  return {
    type: HandshakeType.NTOR,
    request,
    finish: (reply) => ({ material: ntorClientEnd(state, reply, LENGTH), sendmeInc: undefined, extensions: [] }),
  };
};

/** Begins a handshake by ntor-v3, with the extensions in `message`. */
export const beginNtorV3 = (target: HandshakeTarget, secret: Buffer, message: Buffer): HopHandshake => {
  const { request, state } = ntorV3ClientBegin(target, X25519KeyPair.fromSecret(secret), message);
  return {
    type: HandshakeType.NTOR_V3,
    request,
    finish: (reply) => {
      const answer = ntorV3ClientEnd(state, reply, LENGTH);
      const extensions = readResponseExtensions(answer.message);
      const granted = extensions.find((extension) => extension._tag === "CC_RESPONSE");
      return { material: answer.material, sendmeInc: granted?.sendmeInc, extensions };
    },
  };
};

/** Begins a handshake: by ntor-v3 if congestion control is asked for, by ntor if not. */
export const beginHandshake = (target: HandshakeTarget, secret: Buffer, congestionControl = false): HopHandshake =>
  congestionControl
    ? beginNtorV3(target, secret, encodeRequestExtensions([{ _tag: "CC_REQUEST" }]))
    : beginNtor(target, secret);
