import type { CertificateName, ConsensusFlavor, Fingerprint } from "@allium/netdoc";

/** How many microdescriptors are asked for at once: some proxies take no longer URL (dir-spec 4.3). */
export const MICRODESCRIPTORS_PER_REQUEST = 92;

/** How many are asked for at once where there is no such proxy: on a stream of a circuit (as tor does). */
export const MICRODESCRIPTORS_PER_LONG_REQUEST = 500;

/** How many router descriptors or extra-info documents are asked for at once (dir-spec, appendix B). */
export const DESCRIPTORS_PER_REQUEST = 96;

const mebibyte = 1024 * 1024;

/** How large an answer may be, as it comes and unpacked, in bytes. The consensus of the public network has 2.5 MiB. */
export const LIMITS = {
  consensus: 16 * mebibyte,
  certificates: mebibyte,
  microdescriptors: 4 * mebibyte,
  descriptors: 4 * mebibyte,
  upload: 64 * 1024,
} as const;

/** The consensus of a flavour, if most of these authorities have signed it (dir-spec 3.4.1, 3.9). */
export const consensusPath = (flavor: ConsensusFlavor, authorities: ReadonlyArray<Fingerprint>): string =>
  `/tor/status-vote/current/consensus${flavor === "ns" ? "" : `-${flavor}`}/${[...authorities].sort().join("+")}`;

/** Certificates, by authority and signing key (dir-spec 3.1). */
export const certificatesPath = (names: ReadonlyArray<CertificateName>): string =>
  `/tor/keys/fp-sk/${names.map(({ identity, signingKey }) => `${identity}-${signingKey}`).join("+")}`;

/** Microdescriptors, by digest (dir-spec 4.3). */
export const microdescriptorsPath = (digests: ReadonlyArray<string>): string => `/tor/micro/d/${digests.join("-")}`;

/** Router descriptors or extra-info documents, by the SHA-1 digests of their signed parts (dir-spec, appendix B). */
export const descriptorsPath = (kind: "server" | "extra", digests: ReadonlyArray<string>): string =>
  `/tor/${kind}/d/${digests.join("+")}`;

/** Where descriptors are posted (dir-spec 2.1). */
export const uploadPath = "/tor/";
