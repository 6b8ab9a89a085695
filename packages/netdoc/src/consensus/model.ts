import type { PortPolicy } from "../policy/port-policy.ts";
import type { Protocols } from "../protocols.ts";
import type { AddressAndPort } from "../values/address.ts";
import type { Fingerprint } from "../values/fingerprint.ts";
import type { UnixMillis } from "../values/time.ts";

/** The kind of consensus: with digests of microdescriptors, or of router descriptors (dir-spec 3.9). */
export type ConsensusFlavor = "microdesc" | "ns";

/** The flags that the specification documents (dir-spec 3.4.1). A consensus may use others. */
export type RelayFlag =
  | "Authority"
  | "BadExit"
  | "Exit"
  | "Fast"
  | "Guard"
  | "HSDir"
  | "MiddleOnly"
  | "NoEdConsensus"
  | "Running"
  | "Stable"
  | "StaleDesc"
  | "Sybil"
  | "V2Dir"
  | "Valid";

/** A relay's flags. One object serves all relays that have the same. */
export interface RelayFlags {
  /** Whether a flag is set. */
  has(flag: RelayFlag): boolean;
  /** How many are set. */
  readonly size: number;
  [Symbol.iterator](): IterableIterator<string>;
}

/** What a consensus says about one relay (dir-spec 3.4.1, router status entry). */
export interface RouterStatus {
  readonly nickname: string;
  /** The relay's RSA identity. */
  readonly fingerprint: Fingerprint;
  /**
   * The name of its descriptor, as a request for it has it: in the `microdesc` flavour SHA-256 of the microdescriptor, in base64
   * without padding; in the `ns` flavour SHA-1 of the router descriptor, in hexadecimal.
   */
  readonly descriptorDigest: string;
  /** When its descriptor was made. Fixed to a date far away in the `microdesc` flavour. */
  readonly published: UnixMillis;
  /** Its IPv4 address. */
  readonly address: string;
  readonly orPort: number;
  /** Zero if there is none. */
  readonly dirPort: number;
  /** Further addresses: one of IPv6, or none. */
  readonly orAddresses: ReadonlyArray<AddressAndPort>;
  readonly flags: RelayFlags;
  /** What it runs, as in `Tor 0.4.9.11`: the relay's words, with any characters that it likes. */
  readonly version: string | undefined;
  /** What it speaks; nothing, if the relay's words make no sense. */
  readonly protocols: Protocols;
  /** Its weight for path selection, in kilobytes per second. Zero if the consensus does not say. */
  readonly bandwidth: number;
  /** Whether the weight was measured by enough authorities, rather than claimed. */
  readonly measured: boolean;
  /** The summary of its exit policy; only in the `ns` flavour. */
  readonly policy: PortPolicy | undefined;
}

/** An authority whose vote went into a consensus (dir-spec 3.4.1, `dir-source`). */
export interface VotingAuthority {
  readonly nickname: string;
  /** Its authority identity (not that of the relay that it also is). */
  readonly identity: Fingerprint;
  readonly hostname: string;
  readonly address: string;
  readonly dirPort: number;
  readonly orPort: number;
  /** Absent for the second entry of an authority under an older key. */
  readonly contact: string | undefined;
  /** SHA-1 of its vote, in hexadecimal; absent as `contact` is. */
  readonly voteDigest: string | undefined;
}

/** A shared random value (srv-spec). */
export interface SharedRandomValue {
  /** How many authorities took part. */
  readonly reveals: number;
  /** The value, 32 bytes. */
  readonly value: Buffer;
}

/** The subprotocols that one role should or must speak. */
export interface ProtocolRequirements {
  readonly client: Protocols;
  readonly relay: Protocols;
}

/** One authority's signature of a consensus (dir-spec 3.4.1, `directory-signature`). */
export interface DirectorySignature {
  /** The digest that was signed. Signatures with others are skipped when the document is read. */
  readonly algorithm: "sha1" | "sha256";
  /** The authority's identity. */
  readonly authority: Fingerprint;
  /** SHA-1 of the signing key that was used. */
  readonly signingKey: Fingerprint;
  readonly signature: Buffer;
}
