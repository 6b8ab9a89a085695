import type { LinkIdentity } from "@allium/channel";
import { type HandshakeServerKeys, type RsaKeyPair, rsaIdentityDigest, X25519KeyPair } from "@allium/crypto";
import { encodeHex, type Fingerprint } from "@allium/netdoc";
import { makeIdentityParts } from "../support/link-identity.ts";
import { rsaKey } from "./rsa-key.ts";
import { bytesOf } from "./seeded-bytes.ts";

/** The TLS key of all relays: nothing depends on which it is, since TLS in memory is pretended. */
const TLS_KEY = 0;

/** Number of the first RSA key that is somebody's own. */
export const FIRST_OWN_KEY = 1;

/** How long its certificates are presented. */
export const DAY_MILLIS = 86_400_000;

/** Who a relay is: all its keys, and certificates that are renewed every day. */
export class RelayIdentity {
  readonly rsa: RsaKeyPair;
  readonly server: HandshakeServerKeys;
  readonly fingerprint: Fingerprint;
  private readonly name: string;
  private link: { readonly day: number; readonly identity: LinkIdentity } | undefined;

  /** @param name from which its keys are made, all but the RSA key */
  constructor(name: string, rsa: RsaKeyPair, now: number) {
    this.name = name;
    this.rsa = rsa;
    const { ed25519Id, rsaId } = this.current(now).peer;
    this.fingerprint = encodeHex(rsaIdentityDigest(rsa.publicKey));
    this.server = {
      rsaIdentity: rsaId,
      ed25519Identity: ed25519Id,
      onionKeys: [X25519KeyPair.fromSecret(bytesOf(`${name} onion key`)(32))],
    };
  }

  /** What it proves its identity with on channels at a time. */
  current(now: number): LinkIdentity {
    const day = Math.floor(now / DAY_MILLIS);
    if (this.link?.day !== day) {
      const keys = { rsa: this.rsa, tlsKey: rsaKey(TLS_KEY) };
      // The long-term keys are the same every day; what is made anew is not.
      const draw = (length: number, what: "master" | "signing" | "link"): Buffer =>
        bytesOf(what === "link" ? `${this.name} link ${day}` : `${this.name} ${what}`)(length);
      this.link = { day, identity: makeIdentityParts(keys, day * DAY_MILLIS, draw).link };
    }
    return this.link.identity;
  }

  /** The public half of its onion key. */
  get onionKey(): Buffer {
    return (this.server.onionKeys[0] as X25519KeyPair).publicKey as Buffer;
  }
}
