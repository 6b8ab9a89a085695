import { ed25519SignatureLength, ed25519Verify, equalBytes } from "@allium/crypto";
import type { TlsBinding } from "./transport.ts";

/** One side as an AUTHENTICATE cell names it. */
interface Party {
  readonly ed25519Id: Buffer;
  readonly rsaId256: Buffer;
}

/** SHA-256 of what each side has sent: SLOG and CLOG. */
export interface Transcript {
  readonly responder: Buffer;
  readonly initiator: Buffer;
}

/** What an AUTHENTICATE cell of type 3 is made of. */
interface AuthenticateInput {
  readonly initiator: Party;
  readonly responder: Party;
  readonly transcript: Transcript;
  readonly responderCertificateDigest: Buffer;
  readonly tls: TlsBinding;
}

/**
 * All fields of an Ed25519-SHA256-RFC5705 authentication that both sides can compute, TYPE to TLSSECRETS (tor-spec,
 * "Link authentication type 3"). RAND and SIG follow them.
 */
export const authenticateBody = (input: AuthenticateInput): Buffer =>
  Buffer.concat([
    Buffer.from("AUTH0003", "latin1"),
    input.initiator.rsaId256,
    input.responder.rsaId256,
    input.initiator.ed25519Id,
    input.responder.ed25519Id,
    input.transcript.responder,
    input.transcript.initiator,
    input.responderCertificateDigest,
    // The context was meant to be the Ed25519 identity, and older texts of the specification say so. It is CID that `tor`
    // has always used, and that the specification names now.
    input.tls.exporter("EXPORTER FOR TOR TLS CLIENT BINDING AUTH0003", input.initiator.rsaId256, 32),
  ]);

/**
 * Checks a received authentication against what it has to be. Bytes between RAND and SIG are allowed, and signed.
 *
 * @returns what is wrong with it, or `undefined`
 */
export const checkAuthenticate = (received: Buffer, expected: Buffer, key: Buffer): string | undefined => {
  if (received.length < expected.length + RAND_BYTES + ed25519SignatureLength) return "too short";
  if (!equalBytes(received.subarray(0, expected.length), expected)) return "it speaks of another session";
  const signed = received.subarray(0, received.length - ed25519SignatureLength);
  return ed25519Verify(key, signed, received.subarray(signed.length)) ? undefined : "the signature is not good";
};

/** RAND of an AUTHENTICATE cell. */
export const RAND_BYTES = 24;
