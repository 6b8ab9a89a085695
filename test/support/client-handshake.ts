import { encodeRequestExtensions } from "@allium/cell";
import { beginNtor, beginNtorV3, type HopHandshake } from "@allium/circuit";
import type { HandshakeTarget } from "@allium/crypto";

/** Begins a handshake: by ntor-v3 if congestion control is asked for, by ntor if not. */
export const beginHandshake = (
  target: HandshakeTarget,
  secret: Buffer,
  congestionControl = false,
): HopHandshake<number> =>
  congestionControl
    ? beginNtorV3(target, secret, encodeRequestExtensions([{ _tag: "CC_REQUEST" }]))
    : beginNtor(target, secret);
