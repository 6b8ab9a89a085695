import {
  type AuthorityCertificate,
  type CertificateName,
  type Consensus,
  type Fingerprint,
  type Microdescriptor,
  parseAuthorityCertificates,
  parseConsensus,
  parseMicrodescriptors,
  type Rejection,
  type UnixMillis,
  type UnverifiedConsensus,
  VerificationError,
} from "@allium/netdoc";
import type { StoredMicrodescriptor } from "../cache/last-listed.ts";
import { type DirectorySnapshot, emptySnapshot, type HeldConsensus } from "../view.ts";

/** How long a microdescriptor is kept after the last consensus that listed it (dir-spec 5.2). */
export const MICRODESCRIPTOR_LIFETIME_MILLIS = 7 * 24 * 3600 * 1000;

/** How long a consensus that has ended may still be used, if there is no newer one: "reasonably live" (dir-spec 5.1). */
export const REASONABLY_LIVE_MILLIS = 24 * 3600 * 1000;

/** A consensus that was read, and whose signatures are to be checked when the certificates are there. */
export interface OfferedConsensus {
  readonly unverified: UnverifiedConsensus;
  readonly text: Buffer;
}

/** What came of documents that were offered. */
export interface Accepted {
  readonly count: number;
  /** Those that were malformed, or proved nothing. */
  readonly rejected: ReadonlyArray<Rejection>;
}

/** A document that was there is as good as the one that was offered. */
export class NothingNewer extends Error {
  readonly _tag = "NothingNewer";
}

/**
 * What is known of the network, and the rules by which it grows: a consensus has to be signed by most of the trusted
 * authorities, of this time, and newer than the one that is held; a certificate has to be a trusted authority's; a microdescriptor
 * has to be wanted. What does not fit is refused, and changes nothing.
 */
export class Holdings {
  readonly #authorities: ReadonlyArray<Fingerprint>;
  #snapshot: DirectorySnapshot = emptySnapshot;
  /** When a consensus that listed the microdescriptor became valid, by digest. */
  #lastListed = new Map<string, UnixMillis>();

  /** @param authorities the identities of the trusted authorities */
  constructor(authorities: ReadonlyArray<Fingerprint>) {
    this.#authorities = authorities;
  }

  get snapshot(): DirectorySnapshot {
    return this.#snapshot;
  }

  /**
   * Reads a consensus.
   *
   * @throws NetdocError if it is none
   * @throws VerificationError if it is of another flavour
   * @throws NothingNewer if the one that is held is at least as new
   */
  readConsensus(text: Buffer): OfferedConsensus {
    const unverified = parseConsensus(text);
    if (unverified.flavor !== "microdesc")
      throw new VerificationError("consensus", "inconsistent", "network-status-version", "is of another flavour");
    const held = this.#snapshot.consensus?.lifetime.validAfter;
    const offered = unverified.lifetime.validAfter;
    if (held !== undefined && offered <= held)
      throw new NothingNewer(
        `offers the consensus of ${new Date(offered).toISOString()}, and that of ${new Date(held).toISOString()} is here`,
      );
    return { unverified, text };
  }

  /** The certificates that are wanted to check the signatures of a consensus. */
  missingCertificates(offered: OfferedConsensus, now: UnixMillis): ReadonlyArray<CertificateName> {
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
    const consensus = unverified.verify(this.#trust(now));
    consensus.checkUsable(now, late);
    const signers = new Set(unverified.signatures.map(({ authority }) => authority));
    const held: HeldConsensus = { consensus, text, signers: [...signers] };
    this.#markListed(consensus);
    this.#update({ held, consensus, params: consensus.params, microdescriptors: this.#stillWanted(now) });
    return consensus;
  }

  /** Takes certificates of trusted authorities that have not expired; of one signing key the newest. */
  acceptCertificates(text: Buffer, now: UnixMillis): Accepted {
    const { documents, rejected } = parseAuthorityCertificates(text);
    const byKey = new Map(this.#snapshot.certificates.map((certificate) => [keyOf(certificate), certificate]));
    let count = 0;
    for (const certificate of documents) {
      const known = byKey.get(keyOf(certificate));
      if (!this.#authorities.includes(certificate.identity) || !certificate.isValidAt(now)) continue;
      if (known !== undefined && known.published >= certificate.published) continue;
      byKey.set(keyOf(certificate), certificate);
      count++;
    }
    const certificates = [...byKey.values()].filter((certificate) => certificate.isValidAt(now));
    if (count > 0) this.#update({ certificates });
    return { count, rejected };
  }

  /** The digests of microdescriptors that the consensus lists and that are not here. */
  missingMicrodescriptors(): ReadonlyArray<string> {
    const { consensus, microdescriptors } = this.#snapshot;
    return consensus === undefined ? [] : missing(consensus, microdescriptors);
  }

  /** Takes those microdescriptors of a text whose digests are wanted. */
  acceptMicrodescriptors(text: Buffer, wanted: ReadonlySet<string>): Accepted {
    const { documents, rejected } = parseMicrodescriptors(text);
    const fitting = documents.filter(({ digest }) => wanted.has(digest));
    if (fitting.length > 0) {
      const microdescriptors = new Map(this.#snapshot.microdescriptors);
      for (const one of fitting) microdescriptors.set(one.digest, one);
      this.#update({ microdescriptors });
    }
    return { count: fitting.length, rejected };
  }

  /** All microdescriptors, each with the time of the last consensus that listed it. */
  *storedMicrodescriptors(): IterableIterator<StoredMicrodescriptor> {
    for (const microdescriptor of this.#snapshot.microdescriptors.values())
      yield { microdescriptor, lastListed: this.#lastListed.get(microdescriptor.digest) };
  }

  /** Takes those microdescriptors of a cache that a consensus has listed not too long ago; answers with how many. */
  restoreMicrodescriptors(stored: ReadonlyArray<StoredMicrodescriptor>, now: UnixMillis): number {
    const microdescriptors = new Map(this.#snapshot.microdescriptors);
    let count = 0;
    for (const { microdescriptor, lastListed } of stored) {
      const { digest } = microdescriptor;
      const listed = this.#lastListed.get(digest) ?? lastListed;
      if (listed === undefined || isForgotten(listed, now)) continue;
      this.#lastListed.set(digest, listed);
      microdescriptors.set(digest, microdescriptor);
      count++;
    }
    if (count > 0) this.#update({ microdescriptors });
    return count;
  }

  #trust(now: UnixMillis) {
    return { authorities: this.#authorities, certificates: this.#snapshot.certificates, now };
  }

  #markListed({ routers, lifetime }: Consensus): void {
    for (const { descriptorDigest } of routers) this.#lastListed.set(descriptorDigest, lifetime.validAfter);
  }

  #stillWanted(now: UnixMillis): ReadonlyMap<string, Microdescriptor> {
    for (const [digest, listed] of this.#lastListed) {
      if (isForgotten(listed, now)) this.#lastListed.delete(digest);
    }
    return new Map([...this.#snapshot.microdescriptors].filter(([digest]) => this.#lastListed.has(digest)));
  }

  #update(changed: Partial<DirectorySnapshot>): void {
    const next = { ...this.#snapshot, ...changed };
    const missingMicrodescriptors =
      next.consensus === undefined ? 0 : missing(next.consensus, next.microdescriptors).length;
    this.#snapshot = { ...next, missingMicrodescriptors };
  }
}

const isForgotten = (lastListed: UnixMillis, now: UnixMillis): boolean =>
  now - lastListed > MICRODESCRIPTOR_LIFETIME_MILLIS;

const keyOf = ({ identity, signingKeyDigest }: AuthorityCertificate): string => `${identity}-${signingKeyDigest}`;

const missing = (consensus: Consensus, microdescriptors: ReadonlyMap<string, Microdescriptor>): ReadonlyArray<string> =>
  consensus.routers.map((router) => router.descriptorDigest).filter((digest) => !microdescriptors.has(digest));
