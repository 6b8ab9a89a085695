import { createHash } from "node:crypto";
import { generateLinkKey, generateRsaIdentity, type RsaKeyPair } from "@allium/crypto";
import { type IdentityParts, makeIdentityParts } from "../../../../test/support/link-identity.ts";
import type { LinkIdentity } from "../../src/index.ts";

/** The time at which the tests begin. */
export const NOW = Date.UTC(2026, 0, 1, 12);

/** No test depends on which they are: made once for each test file. */
export const rsaKeys: ReadonlyArray<RsaKeyPair> = await Promise.all([
  generateRsaIdentity(),
  generateRsaIdentity(),
  generateRsaIdentity(),
]);

/** The TLS key that all relays of the tests share. */
const tlsKey: RsaKeyPair = await generateLinkKey();

/** The same bytes for the same seed. */
export const seeded = (seed: string, length: number): Buffer =>
  createHash("shake256", { outputLength: length }).update(seed).digest();

/** Everything that a relay's link identity is made of, so that a test can bend a part of it; `index` picks its RSA key. */
export const makeParts = (name: string, index: number, now: number = NOW): IdentityParts => {
  const rsa = rsaKeys[index % rsaKeys.length] as RsaKeyPair;
  return makeIdentityParts({ rsa, tlsKey }, now, (length, what) => seeded(`${what} ${name}`, length));
};

/** The link identity of a relay. */
export const makeIdentity = (name: string, index: number, now: number = NOW): LinkIdentity =>
  makeParts(name, index, now).link;
