import { rsaVerifyUnprefixed } from "@allium/crypto";
import type { AuthorityCertificate } from "../authority-certificate.ts";
import { VerificationError } from "../errors.ts";
import type { Fingerprint } from "../values/fingerprint.ts";
import type { UnixMillis } from "../values/time.ts";
import type { Consensus } from "./consensus.ts";
import type { Lifetime } from "./lifetime.ts";
import type { ConsensusFlavor, DirectorySignature } from "./model.ts";

/** Whom to believe about a consensus. */
export interface ConsensusTrust {
  /** The identities of the authorities that one was configured with. */
  readonly authorities: ReadonlyArray<Fingerprint>;
  /** Certificates of their signing keys, as many as are at hand, in any order. */
  readonly certificates: ReadonlyArray<AuthorityCertificate>;
  /** Now, in milliseconds since 1970: a certificate that has expired proves nothing. */
  readonly now: UnixMillis;
}

/** What names a certificate that is wanted, as in a request for `/tor/keys/fp-sk/...`. */
export interface CertificateName {
  readonly identity: Fingerprint;
  readonly signingKey: Fingerprint;
}

/**
 * A consensus that was read, and whose signatures nobody has checked: it tells only what is needed to check them.
 */
export class UnverifiedConsensus {
  /** Its flavour. */
  readonly flavor: ConsensusFlavor;
  /** Its times, which may be lies yet. */
  readonly lifetime: Lifetime;
  /** The signatures that it came with. */
  readonly signatures: ReadonlyArray<DirectorySignature>;
  readonly #contents: Consensus;

  constructor(contents: Consensus, signatures: ReadonlyArray<DirectorySignature>) {
    this.flavor = contents.flavor;
    this.lifetime = contents.lifetime;
    this.signatures = signatures;
    this.#contents = contents;
  }

  /** Who has signed it, or pretends to have: the identities of authorities, each once. */
  get signers(): ReadonlyArray<Fingerprint> {
    return [...new Set(this.signatures.map(({ authority }) => authority))];
  }

  /** The certificates that it takes to check the signatures of trusted authorities, and that are not at hand. */
  missingCertificates(trust: ConsensusTrust): ReadonlyArray<CertificateName> {
    const trusted = new Set(trust.authorities);
    const known = certificatesByName(trust);
    return this.#relevantSignatures()
      .filter(({ authority }) => trusted.has(authority))
      .map(({ authority, signingKey }) => ({ identity: authority, signingKey }))
      .filter((name) => !known.has(nameOf(name)));
  }

  /**
   * The consensus, if more than half of the trusted authorities have signed it (dir-spec 3.4.1, 4.1). An authority counts once,
   * however often it signed. Only signatures of the digest that belongs to the flavour count: SHA-256 for `microdesc`, SHA-1
   * for `ns`.
   *
   * @throws VerificationError `too-few-signatures` if they have not, or too many certificates are missing
   */
  verify(trust: ConsensusTrust): Consensus {
    const trusted = new Set(trust.authorities);
    const certificates = certificatesByName(trust);
    const signers = new Set<Fingerprint>();
    let unknown = 0;
    for (const { authority, signingKey, signature } of this.#relevantSignatures()) {
      if (!trusted.has(authority) || signers.has(authority)) continue;
      const certificate = certificates.get(nameOf({ identity: authority, signingKey }));
      if (certificate === undefined) unknown++;
      else if (rsaVerifyUnprefixed(certificate.signingKey, this.#contents.digest, signature)) signers.add(authority);
    }
    if (signers.size * 2 <= trusted.size)
      throw new VerificationError(
        "consensus",
        "too-few-signatures",
        "directory-signature",
        `signed by ${signers.size} of ${trusted.size} trusted authorities, ${unknown} certificates missing`,
      );
    return this.#contents;
  }

  /**
   * The consensus as it is, for one that was verified before it was stored, and whose storage is trusted.
   */
  assumeVerified(): Consensus {
    return this.#contents;
  }

  #relevantSignatures(): ReadonlyArray<DirectorySignature> {
    const algorithm = this.flavor === "ns" ? "sha1" : "sha256";
    return this.signatures.filter((signature) => signature.algorithm === algorithm);
  }
}

const nameOf = ({ identity, signingKey }: CertificateName): string => `${identity}-${signingKey}`;

const certificatesByName = (trust: ConsensusTrust): ReadonlyMap<string, AuthorityCertificate> => {
  const named = new Map<string, AuthorityCertificate>();
  for (const certificate of trust.certificates) {
    if (certificate.isValidAt(trust.now))
      named.set(nameOf({ identity: certificate.identity, signingKey: certificate.signingKeyDigest }), certificate);
  }
  return named;
};
