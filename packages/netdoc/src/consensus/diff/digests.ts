import { hash } from "node:crypto";
import { ConsensusDiffError } from "../../errors.ts";
import { encodeHex } from "../../values/encodings.ts";

const startKeyword = "network-status-version ";
const signatureLine = "\ndirectory-signature ";

/** Where a consensus's signatures begin: the offset of the first line of them. */
export const signaturesStart = (consensus: Buffer): number => {
  if (!consensus.subarray(0, startKeyword.length).equals(Buffer.from(startKeyword)))
    throw new ConsensusDiffError("no-consensus", "the document does not begin as a consensus does");
  const at = consensus.indexOf(signatureLine);
  if (at < 0) throw new ConsensusDiffError("no-consensus", "the consensus bears no signature");
  return at + 1;
};

/**
 * The name of a consensus in diffs and requests for them: SHA3-256 of its signed part, which is up to the space after the first
 * `directory-signature` (dir-spec 4.5.1, 3.4.1), in hexadecimal. Copies with other signatures have the same.
 *
 * @throws ConsensusDiffError `no-consensus`
 */
export const consensusSignedDigest = (consensus: Buffer): string => {
  const end = signaturesStart(consensus) + signatureLine.length - 1;
  return encodeHex(hash("sha3-256", consensus.subarray(0, end), "buffer"));
};

/** SHA3-256 of a whole consensus, signatures and all, in hexadecimal. */
export const consensusDigest = (consensus: Buffer): string => encodeHex(hash("sha3-256", consensus, "buffer"));
