import type {
  AuthorityCertificate,
  CertificateName,
  Consensus,
  Fingerprint,
  Microdescriptor,
  UnixMillis,
  UnverifiedConsensus,
} from "@allium/netdoc";
import type { Stored } from "../cache/last-listed.ts";
import { type DirectorySnapshot, emptySnapshot, type HeldConsensus } from "../view.ts";
import { checkOffered, type OfferedConsensus } from "./consensus.ts";

/** How long a microdescriptor is kept after the last consensus that listed it (dir-spec 5.2). */
export const MICRODESCRIPTOR_LIFETIME_MILLIS = 7 * 24 * 3600 * 1000;

/** How long a consensus that has ended may still be used, if there is no newer one: "reasonably live" (dir-spec 5.1). */
export const REASONABLY_LIVE_MILLIS = 24 * 3600 * 1000;

/** Signers that are not trusted here, and whose certificates are kept for others, at most. */
export const MAX_STRANGERS = 32;

/**
 * What is known of the network, and the rules by which it grows: a consensus has to be signed by most of the trusted
 * authorities, of this time, and newer than the one that is held; a certificate has to be a trusted authority's; a microdescriptor
 * has to be wanted. What does not fit is refused, and changes nothing.
 */
export class Holdings {
  readonly #authorities: ReadonlyArray<Fingerprint>;
  #snapshot: DirectorySnapshot = emptySnapshot;
  /** Keys of others that have signed the consensus. Anybody can add such a signature, so they are believed nothing. */
  #strangers: ReadonlyArray<CertificateName> = [];
  /** Microdescriptors that are what the consensus names, and are no microdescriptors that can be read. Nobody is asked again. */
  #unreadable = new Set<string>();
  /** When a consensus that listed the microdescriptor became valid, by digest. */
  #lastListed = new Map<string, UnixMillis>();

  /** @param authorities the identities of the trusted authorities */
  constructor(authorities: ReadonlyArray<Fingerprint>) {
    this.#authorities = authorities;
  }

  /** What is known now; another object after each change. */
  get snapshot(): DirectorySnapshot {
    return this.#snapshot;
  }

  /**
   * Checks that a consensus is worth more than the one that is held.
   *
   * @throws VerificationError if it is of another flavour
   * @throws NothingNewer if the one that is held is at least as new
   */
  offer(unverified: UnverifiedConsensus, text: Buffer): OfferedConsensus {
    checkOffered(unverified, "microdesc", this.#snapshot.consensus?.lifetime.validAfter);
    return { unverified, text };
  }

  /** The certificates that are wanted to check the signatures of a consensus. */
  missingCertificates(offered: Pick<OfferedConsensus, "unverified">, now: UnixMillis): ReadonlyArray<CertificateName> {
    return offered.unverified.missingCertificates(this.#trust(now));
  }

  /**
   * Checks a consensus and takes it.
   *
   * @param late how long ago it may have ended, in milliseconds
   * @throws VerificationError if too few trusted authorities have signed it
   * @throws ValidityError if it is not of this time
   */
  acceptConsensus({ unverified, text }: OfferedConsensus, now: UnixMillis, late = 0): Consensus {
    const consensus = this.#verify(unverified, now, late);
    consensus.checkUsable(now, late);
    const held: HeldConsensus = { consensus, text, signers: unverified.signers };
    this.#strangers = unverified.signatures
      .filter(({ authority }) => !this.#authorities.includes(authority))
      .map(({ authority, signingKey }) => ({ identity: authority, signingKey }))
      .slice(0, MAX_STRANGERS);
    this.#markListed(consensus);
    this.#update({ held, consensus, params: consensus.params, microdescriptors: this.#stillWanted(now) });
    return consensus;
  }

  /** The certificates of other signers of the consensus, which a cache hands on to clients that trust them. */
  missingStrangers(now: UnixMillis): ReadonlyArray<CertificateName> {
    const known = new Set(this.#snapshot.certificates.filter((one) => one.isValidAt(now)).map(keyOf));
    return this.#strangers.filter(({ identity, signingKey }) => !known.has(`${identity}-${signingKey}`));
  }

  /**
   * Takes certificates of authorities that are trusted, or have signed the consensus, and that have not expired; of one signing
   * key the newest. Answers with how many.
   */
  acceptCertificates(certificates: ReadonlyArray<AuthorityCertificate>, now: UnixMillis): number {
    const byKey = new Map(this.#snapshot.certificates.map((certificate) => [keyOf(certificate), certificate]));
    let count = 0;
    for (const certificate of certificates) {
      const known = byKey.get(keyOf(certificate));
      if (!this.#isWanted(certificate) || !certificate.isValidAt(now)) continue;
      if (known !== undefined && known.published >= certificate.published) continue;
      byKey.set(keyOf(certificate), certificate);
      count++;
    }
    if (count > 0) {
      const kept = [...byKey.values()].filter((one) => this.#isWanted(one) && one.isValidAt(now));
      this.#update({ certificates: kept });
    }
    return count;
  }

  /** The digests of microdescriptors that the consensus lists and that are not here. */
  missingMicrodescriptors(): ReadonlyArray<string> {
    return this.#missing(this.#snapshot);
  }

  /** Those of some microdescriptors that are to be fetched still. */
  missingOf(digests: ReadonlyArray<string>): ReadonlyArray<string> {
    const { microdescriptors } = this.#snapshot;
    return digests.filter((digest) => !microdescriptors.has(digest) && !this.#unreadable.has(digest));
  }

  /** There is no use in fetching a microdescriptor of the consensus: it came, and cannot be read. */
  markUnreadable(digest: string): void {
    this.#unreadable.add(digest);
    this.#update({});
  }

  /** Takes those microdescriptors whose digests are wanted; answers with how many. */
  acceptMicrodescriptors(offered: ReadonlyArray<Microdescriptor>, wanted: ReadonlySet<string>): number {
    const fitting = offered.filter(({ digest }) => wanted.has(digest));
    if (fitting.length > 0) {
      const microdescriptors = new Map(this.#snapshot.microdescriptors);
      for (const one of fitting) microdescriptors.set(one.digest, one);
      this.#update({ microdescriptors });
    }
    return fitting.length;
  }

  /** Microdescriptors, each with the time of the last consensus that listed it. */
  *storedMicrodescriptors(
    microdescriptors: ReadonlyMap<string, Microdescriptor>,
  ): IterableIterator<Stored<Microdescriptor>> {
    for (const document of microdescriptors.values())
      yield { document, lastListed: this.#lastListed.get(document.digest) };
  }

  /** Takes those microdescriptors of a cache that a consensus has listed not too long ago; answers with how many. */
  restoreMicrodescriptors(stored: ReadonlyArray<Stored<Microdescriptor>>, now: UnixMillis): number {
    const microdescriptors = new Map(this.#snapshot.microdescriptors);
    let count = 0;
    for (const { document, lastListed } of stored) {
      const { digest } = document;
      const listed = this.#lastListed.get(digest) ?? lastListed;
      if (listed === undefined || isForgotten(listed, now)) continue;
      this.#lastListed.set(digest, listed);
      microdescriptors.set(digest, document);
      count++;
    }
    if (count > 0) this.#update({ microdescriptors });
    return count;
  }

  #isWanted({ identity, signingKeyDigest }: AuthorityCertificate): boolean {
    if (this.#authorities.includes(identity)) return true;
    return this.#strangers.some((one) => one.identity === identity && one.signingKey === signingKeyDigest);
  }

  #verify(unverified: UnverifiedConsensus, now: UnixMillis, late: number): Consensus {
    const trust = this.#trust(now);
    try {
      return unverified.verify(trust);
    } catch (error) {
      // To a clock that is years ahead the certificates have expired too: that it is of another time says more.
      if (unverified.missingCertificates(trust).length > 0) unverified.lifetime.check(now, 0, late);
      throw error;
    }
  }

  #trust(now: UnixMillis) {
    return { authorities: this.#authorities, certificates: this.#snapshot.certificates, now };
  }

  #markListed({ routers, lifetime }: Consensus): void {
    for (const { descriptorDigest } of routers) this.#lastListed.set(descriptorDigest, lifetime.validAfter);
    const listed = new Set(routers.map(({ descriptorDigest }) => descriptorDigest));
    this.#unreadable = new Set([...this.#unreadable].filter((digest) => listed.has(digest)));
  }

  #stillWanted(now: UnixMillis): ReadonlyMap<string, Microdescriptor> {
    for (const [digest, listed] of this.#lastListed) {
      if (isForgotten(listed, now)) this.#lastListed.delete(digest);
    }
    return new Map([...this.#snapshot.microdescriptors].filter(([digest]) => this.#lastListed.has(digest)));
  }

  #update(changed: Partial<DirectorySnapshot>): void {
    const next = { ...this.#snapshot, ...changed };
    this.#snapshot = { ...next, missingMicrodescriptors: this.#missing(next).length };
  }

  #missing({ consensus, microdescriptors }: DirectorySnapshot): ReadonlyArray<string> {
    if (consensus === undefined) return [];
    return consensus.routers
      .map((router) => router.descriptorDigest)
      .filter((digest) => !microdescriptors.has(digest) && !this.#unreadable.has(digest));
  }
}

const isForgotten = (lastListed: UnixMillis, now: UnixMillis): boolean =>
  now - lastListed > MICRODESCRIPTOR_LIFETIME_MILLIS;

const keyOf = ({ identity, signingKeyDigest }: AuthorityCertificate): string => `${identity}-${signingKeyDigest}`;
