import { generateLinkKey, generateRsaIdentity, type RsaKeyPair } from "@allium/crypto";
import { type IdentityParts, makeIdentityParts } from "../support/link-identity.ts";

/** A relay that no consensus knows, with all of its secret keys. */
export type HostileIdentity = IdentityParts;

/** Fresh random bytes. */
export const randomBytes = (length: number): Buffer => crypto.getRandomValues(Buffer.alloc(length));

/** Making one takes a tenth of a second; all identities of a process share it. */
let tlsKeyOfAll: Promise<RsaKeyPair> | undefined;

/** Makes a new identity. */
export const makeIdentity = async (): Promise<HostileIdentity> => {
  tlsKeyOfAll ??= generateLinkKey();
  const [rsa, tlsKey] = await Promise.all([generateRsaIdentity(), tlsKeyOfAll]);
  return makeIdentityParts({ rsa, tlsKey }, Date.now(), randomBytes);
};
