import { createHash, generateKeyPairSync, hash } from "node:crypto";
import {
  type RsaKeyPair,
  rsaIdentityDigest,
  rsaKeyPairFromKeyObject,
  rsaPublicKeyToPem,
  rsaSignUnprefixed,
} from "@allium/crypto";
import { encodeHex, type Fingerprint } from "@allium/netdoc";

const newRsaKey = (): RsaKeyPair =>
  rsaKeyPairFromKeyObject(generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey);

const digestOf = (key: RsaKeyPair): Fingerprint => encodeHex(rsaIdentityDigest(key.publicKey));

/** A time as documents write it. */
export const timeText = (millis: number): string => new Date(millis).toISOString().slice(0, 19).replace("T", " ");

const pem = (label: string, bytes: Buffer): string =>
  `-----BEGIN ${label}-----\n${bytes.toString("base64").replace(/.{1,64}/g, "$&\n")}-----END ${label}-----\n`;

/** The keys with which a pretended authority signs, so that tests can have any consensus that they need. */
export class AuthorityKeys {
  readonly nickname: string;
  readonly identityKey: RsaKeyPair;
  signingKey: RsaKeyPair;
  readonly identity: Fingerprint;
  private readonly newKey: () => RsaKeyPair;

  /** @param newKey where its keys come from, the identity first; any, if nothing depends on which they are */
  constructor(nickname: string, newKey: () => RsaKeyPair = newRsaKey) {
    this.nickname = nickname;
    this.newKey = newKey;
    this.identityKey = newKey();
    this.signingKey = newKey();
    this.identity = digestOf(this.identityKey);
  }

  get signingKeyDigest(): Fingerprint {
    return digestOf(this.signingKey);
  }

  /** Takes another signing key, as authorities do every few months. */
  rotate(): void {
    this.signingKey = this.newKey();
  }

  /** The certificate of the present signing key (dir-spec 3.1). */
  certificate(published: number, expires: number): string {
    const unsigned =
      "dir-key-certificate-version 3\n" +
      `fingerprint ${this.identity}\n` +
      `dir-key-published ${timeText(published)}\n` +
      `dir-key-expires ${timeText(expires)}\n` +
      `dir-identity-key\n${rsaPublicKeyToPem(this.identityKey.publicKey)}` +
      `dir-signing-key\n${rsaPublicKeyToPem(this.signingKey.publicKey)}` +
      `dir-key-crosscert\n${pem(
        "ID SIGNATURE",
        rsaSignUnprefixed(this.signingKey, rsaIdentityDigest(this.identityKey.publicKey)),
      )}` +
      "dir-key-certification\n";
    const digest = createHash("sha1").update(unsigned).digest();
    return unsigned + pem("SIGNATURE", rsaSignUnprefixed(this.identityKey, digest));
  }

  /** The signature of a microdesc consensus, whose text ends before it (dir-spec 3.4.1). */
  signature(consensus: string): string {
    const signed = hash("sha256", `${consensus}directory-signature `, "buffer");
    const object = pem("SIGNATURE", rsaSignUnprefixed(this.signingKey, signed));
    return `directory-signature sha256 ${this.identity} ${this.signingKeyDigest}\n${object}`;
  }
}
