import { type AuthorityCertificate, type ConsensusTrust, parseAuthorityCertificates } from "@allium/netdoc";
import { fixture } from "./fixtures.ts";

/** When the documents of `fixtures/tor` were current: 2026-11-21 10:45:20. */
export const validAfter = Date.UTC(2026, 10, 21, 10, 45, 20);

/** The authorities' certificates. */
export const certificates: ReadonlyArray<AuthorityCertificate> = parseAuthorityCertificates(
  fixture("tor/certificates"),
).documents;

/** Trust in all three authorities, with all certificates at hand. */
export const trust: ConsensusTrust = {
  authorities: certificates.map(({ identity }) => identity),
  certificates,
  now: validAfter,
};

/** A text with one thing in it replaced, which must be there. */
export const replaced = (text: string, what: string, by: string): string => {
  if (!text.includes(what)) throw new Error(`nothing to replace: ${what}`);
  return text.replace(what, () => by);
};
