import { encodeRequestExtensions, HandshakeType, readResponseExtensions } from "@allium/cell";
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
}

const LENGTH = keyMaterialLength(tor1);

/** Begins a handshake: by ntor-v3 if congestion control is asked for, by ntor if not. `secret` is 32 random bytes. */
export const beginHandshake = (target: HandshakeTarget, secret: Buffer, congestionControl = false): HopHandshake => {
  const ephemeral = X25519KeyPair.fromSecret(secret);
  if (!congestionControl) {
    const { request, state } = ntorClientBegin(target, ephemeral);
    return {
      type: HandshakeType.NTOR,
      request,
      finish: (reply) => ({ material: ntorClientEnd(state, reply, LENGTH), sendmeInc: undefined }),
    };
  }
  const { request, state } = ntorV3ClientBegin(target, ephemeral, encodeRequestExtensions([{ _tag: "CC_REQUEST" }]));
  return {
    type: HandshakeType.NTOR_V3,
    request,
    finish: (reply) => {
      const { message, material } = ntorV3ClientEnd(state, reply, LENGTH);
      const granted = readResponseExtensions(message).find((extension) => extension._tag === "CC_RESPONSE");
      return { material, sendmeInc: granted?.sendmeInc };
    },
  };
};
