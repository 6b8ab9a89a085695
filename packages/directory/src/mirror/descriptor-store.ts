import type { Fingerprint, RouterStatus, SignedExtraInfo, SignedRouter, UnixMillis } from "@allium/netdoc";
import { VerificationError } from "@allium/netdoc";
import type { Stored } from "../cache/last-listed.ts";
import { DESCRIPTOR_LIFETIME_MILLIS, MAX_DESCRIPTOR_BYTES } from "./limits.ts";

/** What a cache has of the descriptors of others, for whoever asks. Digests and fingerprints in capital hexadecimal. */
export interface DescriptorLookup {
  readonly router: (digest: string) => SignedRouter | undefined;
  /** The newest of a relay. */
  readonly routerOf: (fingerprint: Fingerprint) => SignedRouter | undefined;
  /** The newest of each relay. */
  readonly routers: () => Iterable<SignedRouter>;
  readonly extraInfo: (digest: string) => SignedExtraInfo | undefined;
  readonly extraInfos: () => Iterable<SignedExtraInfo>;
}

interface Held {
  readonly document: SignedRouter;
  lastListed: UnixMillis;
}

/** How a store behaves. */
export interface DescriptorStoreOptions {
  /** Whether extra-info documents are kept too. */
  readonly extraInfo: boolean;
  /** @default MAX_DESCRIPTOR_BYTES */
  readonly maxBytes?: number;
}

/**
 * The router descriptors of the network, and perhaps their extra-info documents: those that the newest `ns` consensus lists, and
 * for a day those that an earlier one did. Pure: told of consensuses and documents.
 */
export class DescriptorStore implements DescriptorLookup {
  readonly #options: Required<DescriptorStoreOptions>;
  /** What the newest consensus lists. */
  #listed: ReadonlySet<string> = new Set();
  readonly #routers = new Map<string, Held>();
  readonly #newest = new Map<Fingerprint, SignedRouter>();
  readonly #extraInfos = new Map<string, SignedExtraInfo>();
  #bytes = 0;
  #full = false;

  constructor(options: DescriptorStoreOptions) {
    this.#options = { maxBytes: MAX_DESCRIPTOR_BYTES, ...options };
  }

  /** Bytes of all documents. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether something was left out for want of room since the last consensus. */
  get full(): boolean {
    return this.#full;
  }

  router(digest: string): SignedRouter | undefined {
    return this.#routers.get(digest)?.document;
  }

  routerOf(fingerprint: Fingerprint): SignedRouter | undefined {
    return this.#newest.get(fingerprint);
  }

  routers(): Iterable<SignedRouter> {
    return this.#newest.values();
  }

  extraInfo(digest: string): SignedExtraInfo | undefined {
    return this.#extraInfos.get(digest);
  }

  /** Takes over what a new `ns` consensus lists, and forgets what none has listed for a day. */
  list(routers: ReadonlyArray<RouterStatus>, validAfter: UnixMillis, now: UnixMillis): void {
    this.#listed = new Set(routers.map(({ descriptorDigest }) => descriptorDigest));
    this.#full = false;
    for (const [digest, held] of this.#routers) {
      if (this.#listed.has(digest)) held.lastListed = Math.max(held.lastListed, validAfter);
      else if (now - held.lastListed > DESCRIPTOR_LIFETIME_MILLIS) this.#forget(digest, held);
    }
  }

  /** The digests of descriptors that the consensus lists and that are not here. */
  missingRouters(): ReadonlyArray<string> {
    return this.#full ? [] : [...this.#listed].filter((digest) => !this.#routers.has(digest));
  }

  /** The digests of extra-info documents that listed descriptors name and that are not here. */
  missingExtraInfos(): ReadonlyArray<string> {
    if (!this.#options.extraInfo || this.#full) return [];
    const missing: Array<string> = [];
    for (const digest of this.#listed) {
      const named = this.router(digest)?.extraInfo;
      if (named !== undefined && !this.#extraInfos.has(named)) missing.push(named);
    }
    return missing;
  }

  /** Takes those descriptors whose digests are wanted; answers with how many. */
  acceptRouters(offered: ReadonlyArray<SignedRouter>, wanted: ReadonlySet<string>, listed: UnixMillis): number {
    let count = 0;
    for (const one of offered) if (wanted.has(one.digest) && this.#add(one, listed)) count++;
    return count;
  }

  /** Takes those extra-info documents that are wanted and fit their descriptors. */
  acceptExtraInfos(
    offered: ReadonlyArray<SignedExtraInfo>,
    wanted: ReadonlySet<string>,
  ): { readonly count: number; readonly refused: ReadonlyArray<VerificationError> } {
    const owners = new Map<string | undefined, SignedRouter>();
    for (const { document } of this.#routers.values()) owners.set(document.extraInfo, document);
    const refused: Array<VerificationError> = [];
    let count = 0;
    for (const one of offered) {
      const owner = owners.get(one.digest);
      if (owner === undefined || !wanted.has(one.digest) || this.#extraInfos.has(one.digest)) continue;
      try {
        one.verify(owner);
      } catch (error) {
        if (!(error instanceof VerificationError)) throw error;
        refused.push(error);
        continue;
      }
      if (!this.#hasRoom(one.bytes.length)) continue;
      this.#extraInfos.set(one.digest, { ...one, bytes: copyOf(one.bytes) });
      this.#bytes += one.bytes.length;
      count++;
    }
    return { count, refused };
  }

  /** All descriptors, each with the time of the last consensus that listed it. */
  *storedRouters(): IterableIterator<Stored<SignedRouter>> {
    for (const { document, lastListed } of this.#routers.values()) yield { document, lastListed };
  }

  /** All extra-info documents. */
  extraInfos(): ReadonlyArray<SignedExtraInfo> {
    return [...this.#extraInfos.values()];
  }

  /** Takes those descriptors of a file that a consensus has listed not too long ago; answers with how many. */
  restoreRouters(stored: ReadonlyArray<Stored<SignedRouter>>, now: UnixMillis): number {
    let count = 0;
    for (const { document, lastListed = 0 } of stored)
      if (now - lastListed <= DESCRIPTOR_LIFETIME_MILLIS && this.#add(document, lastListed)) count++;
    return count;
  }

  #add(document: SignedRouter, lastListed: UnixMillis): boolean {
    const { digest, fingerprint, bytes } = document;
    if (this.#routers.has(digest) || !this.#hasRoom(bytes.length)) return false;
    const own = { ...document, bytes: copyOf(bytes) };
    this.#routers.set(digest, { document: own, lastListed });
    this.#bytes += bytes.length;
    const newest = this.#newest.get(fingerprint);
    if (newest === undefined || newest.published < own.published) this.#newest.set(fingerprint, own);
    return true;
  }

  /** Whether there is room for so many bytes: what no consensus lists any more makes room, the longest unlisted first. */
  #hasRoom(bytes: number): boolean {
    const { maxBytes } = this.#options;
    if (this.#bytes + bytes > maxBytes) {
      const unlisted = [...this.#routers].filter(([digest]) => !this.#listed.has(digest));
      unlisted.sort(([, one], [, other]) => other.lastListed - one.lastListed);
      while (this.#bytes + bytes > maxBytes) {
        const last = unlisted.pop();
        if (last === undefined) break;
        this.#forget(...last);
      }
    }
    const fits = this.#bytes + bytes <= maxBytes;
    if (!fits) this.#full = true;
    return fits;
  }

  #forget(digest: string, { document }: Held): void {
    this.#routers.delete(digest);
    this.#bytes -= document.bytes.length;
    const { fingerprint, extraInfo } = document;
    if (extraInfo !== undefined) {
      this.#bytes -= this.#extraInfos.get(extraInfo)?.bytes.length ?? 0;
      this.#extraInfos.delete(extraInfo);
    }
    // A relay's older descriptors go before its newer ones.
    if (this.#newest.get(fingerprint) === document) this.#newest.delete(fingerprint);
  }
}

/** The bytes in memory of their own, so that one document does not keep all that came with it. */
const copyOf = (bytes: Buffer): Buffer => {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
};
