/** What is wrong with a certificate; see {@link CertificateError}. */
export type CertificateProblem =
  | "truncated"
  | "trailing-bytes"
  | "unknown-version"
  | "duplicate-extension"
  | "bad-extension-length"
  | "unknown-critical-extension"
  | "not-der"
  | "wrong-type"
  | "wrong-key"
  | "missing-signing-key"
  | "expired"
  | "not-yet-valid"
  | "bad-signature";

/** Which format of certificate an error speaks of: cert-spec 2.1, cert-spec 2.3 or X.509. */
export type CertificateFormat = "ed25519" | "rsa-ed25519-cross" | "x509";

/**
 * A certificate that cannot be parsed or must not be believed. Everything in a certificate is the peer's choice, so each
 * of these is a protocol violation of the peer, except `expired` and `not-yet-valid`, which may also be a wrong clock.
 */
export class CertificateError extends Error {
  readonly _tag = "CertificateError";
  /** The format in which it was read. */
  readonly format: CertificateFormat;
  /** What was wrong. */
  readonly problem: CertificateProblem;
  /** The field of the specification where it was seen. */
  readonly field: string;
  /** Where in the certificate, in bytes from its beginning; absent if the whole is wrong. */
  readonly offset: number | undefined;

  constructor(format: CertificateFormat, problem: CertificateProblem, field: string, offset?: number) {
    super(`${format} certificate: ${problem} (${field}${offset === undefined ? "" : ` at byte ${offset}`})`);
    this.name = "CertificateError";
    this.format = format;
    this.problem = problem;
    this.field = field;
    this.offset = offset;
  }
}

/** What is wrong with key material; see {@link KeyError}. */
export type KeyProblem = "bad-length" | "bad-encoding" | "bad-exponent" | "bad-size" | "not-on-curve";

/**
 * Key material that is not what it claims to be. The message names the kind of key and the problem, never any of its bytes.
 */
export class KeyError extends Error {
  readonly _tag = "KeyError";
  /** The kind of key that was expected. */
  readonly key: "ed25519" | "x25519" | "rsa";
  /** What was wrong. */
  readonly problem: KeyProblem;

  constructor(key: "ed25519" | "x25519" | "rsa", problem: KeyProblem) {
    super(`${key} key: ${problem}`);
    this.name = "KeyError";
    this.key = key;
    this.problem = problem;
  }
}

/** The circuit handshakes of tor-spec 5.1. */
export type HandshakeName = "ntor" | "ntor-v3" | "fast";

/** Why a circuit handshake ended; see {@link HandshakeError}. */
export type HandshakeProblem =
  /** The message has the wrong length. */
  | "bad-length"
  /** It is meant for an identity or an onion key that is not ours (any more). */
  | "unknown-key"
  /** A public key of small order: the shared secret would be known to everybody. */
  | "weak-key"
  /** The message authentication code of the client's encrypted part does not fit (ntor-v3). */
  | "bad-mac"
  /** The server's proof does not fit: it is not who it should be, or somebody changed the message. */
  | "bad-auth"
  /** The server will not do what the client asked for (ntor-v3). */
  | "refused";

/** A circuit handshake that must not go on. Carries no key material and nothing derived from it. */
export class HandshakeError extends Error {
  readonly _tag = "HandshakeError";
  /** The handshake that failed. */
  readonly handshake: HandshakeName;
  /** Why. */
  readonly problem: HandshakeProblem;

  constructor(handshake: HandshakeName, problem: HandshakeProblem) {
    super(`${handshake} handshake: ${problem}`);
    this.name = "HandshakeError";
    this.handshake = handshake;
    this.problem = problem;
  }
}
