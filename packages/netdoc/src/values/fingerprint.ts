import { hexOf } from "./encodings.ts";

/**
 * The name of a relay or an authority: SHA-1 of its RSA identity key, as 40 hexadecimal digits in upper case. A string, since
 * it is a key of maps and a word of logs more often than it is bytes.
 */
export type Fingerprint = string;

const shape = /^[0-9A-F]{40}$/;
const anyCase = /^[0-9A-Fa-f]{40}$/;

/** A decoder of fingerprints as they stand in documents, in either case. */
export const fingerprint = (text: string): Fingerprint | undefined =>
  shape.test(text) ? text : anyCase.test(text) ? text.toUpperCase() : undefined;

/** The 20 bytes of a fingerprint, as a cell carries them. */
export const fingerprintBytes = (name: Fingerprint): Buffer => hexOf(20)(name) ?? Buffer.alloc(0);

/** The fingerprint with a space after every four digits, as the `fingerprint` line of a descriptor has it (dir-spec 2.1.1). */
export const spacedFingerprint = (name: Fingerprint): string => name.replace(/.{4}(?!$)/g, "$& ");

const nicknameShape = /^[A-Za-z0-9]{1,19}$/;

/** A decoder of nicknames: 1 to 19 letters and digits (dir-spec 2.1.3). */
export const nickname = (text: string): string | undefined => (nicknameShape.test(text) ? text : undefined);

const memberShape = /^(?:\$[0-9A-Fa-f]{40}(?:[=~][A-Za-z0-9]{1,19})?|[A-Za-z0-9]{1,19})$/;

/** A decoder of what a `family` line lists: a nickname, or `$` and a fingerprint with or without a nickname behind it. */
export const familyMember = (text: string): string | undefined => (memberShape.test(text) ? text : undefined);
