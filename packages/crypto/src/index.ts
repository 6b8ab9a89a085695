export * from "./bytes.ts";
export * from "./cert-types.ts";
export { ClientCrypto } from "./client-crypto.ts";
export * from "./ed25519.ts";
export * from "./ed25519-cert.ts";
export { Ed25519ExpandedKey, ed25519ExpandedLength } from "./ed25519-expanded.ts";
export * from "./errors.ts";
export * from "./generate.ts";
export * from "./handshake/fast.ts";
export type { ClientHandshake, HandshakeServerKeys, HandshakeTarget, ServerHandshake } from "./handshake/keys.ts";
export * from "./handshake/ntor.ts";
export * from "./handshake/ntor-v3.ts";
export * from "./kdf.ts";
export * from "./onion-key-cross-cert.ts";
export {
  type InboundCrypto,
  type OutboundCrypto,
  type RelayCrypto,
  relayCrypto,
} from "./relay-crypto.ts";
export * from "./relay-keys.ts";
export * from "./rsa.ts";
export * from "./rsa-cross-cert.ts";
export * from "./x509.ts";
export * from "./x25519.ts";
