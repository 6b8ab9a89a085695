import type { PeerIdentity } from "@allium/channel";
import { type DocumentWorker, type HeldConsensus, layerDocumentWorkerInline, ServedConsensus } from "@allium/directory";
import {
  type AuthorityCertificate,
  consensusSignedDigest,
  encodeHex,
  type Fingerprint,
  type Microdescriptor,
  parseAuthorityCertificates,
  parseConsensus,
  parseMicrodescriptors,
} from "@allium/netdoc";
import { Effect, type FileSystem, Layer } from "effect";
import type { AuthorityKeys } from "../../packages/directory/test/support/authority-keys.ts";
import { MemoryFiles } from "../../packages/directory/test/support/memory-files.ts";
import { type ConsensusDraft, writeConsensus } from "./consensus-draft.ts";
import { EarlierConsensuses } from "./earlier-consensuses.ts";

const DAY_MILLIS = 86_400_000;

/** How long a consensus is fresh and valid, and from what it is made. */
export interface PublisherOptions {
  readonly intervalMillis: number;
  readonly authorities: ReadonlyArray<AuthorityKeys>;
  /** The honest draft of a consensus. */
  readonly draft: (times: Pick<ConsensusDraft, "validAfter" | "freshUntil" | "validUntil">) => ConsensusDraft;
  /** When the authorities' certificates begin. */
  readonly start: number;
}

/** A consensus of the network, with its name in diffs. */
export interface PublishedConsensus extends HeldConsensus {
  readonly signedDigest: string;
}

/** What the authorities have agreed on so far: all directories of the network have the same. */
export class Publisher {
  readonly earlier = new EarlierConsensuses();
  readonly microdescriptors = new Map<string, Microdescriptor>();
  readonly certificates: ReadonlyArray<AuthorityCertificate>;
  /** Called with each draft before it is signed, in their order. */
  readonly changes = new Set<(draft: ConsensusDraft) => void>();
  private readonly options: PublisherOptions;
  private newest: Published | undefined;
  private pretended: Published | undefined;
  private readonly known = new Set<Fingerprint>();

  constructor(options: PublisherOptions) {
    this.options = options;
    const { authorities, start } = options;
    const text = authorities
      .map((keys) => keys.certificate(start - 30 * DAY_MILLIS, start + 365 * DAY_MILLIS))
      .join("");
    this.certificates = parseAuthorityCertificates(text).documents;
  }

  /** The newest consensus. */
  get held(): PublishedConsensus {
    if (this.newest === undefined) throw new Error("there is no consensus yet");
    return this.newest.held;
  }

  /** What directories serve. */
  get published(): Published | undefined {
    return this.pretended ?? this.newest;
  }

  /** Whether a consensus has listed a relay, as relays ask before they let a stream out. */
  knows({ rsaId }: PeerIdentity): boolean {
    return this.known.has(encodeHex(rsaId));
  }

  /** What the authorities would agree on for the time from `validAfter` on. */
  draft(validAfter: number): ConsensusDraft {
    const { intervalMillis } = this.options;
    const draft = this.options.draft({
      validAfter,
      freshUntil: validAfter + intervalMillis,
      validUntil: validAfter + 3 * intervalMillis,
    });
    for (const change of this.changes) change(draft);
    return draft;
  }

  /** Makes a consensus that becomes valid at a time. All directories have it at once. */
  publish(validAfter: number): void {
    const draft = this.draft(validAfter);
    const microdescriptors = parseMicrodescriptors(draft.relays.map((relay) => relay.microdescriptor).join(""));
    for (const one of microdescriptors.documents) this.microdescriptors.set(one.digest, one);
    this.newest = this.toServe(writeConsensus(draft));
    const { text, signedDigest, consensus } = this.newest.held;
    this.earlier.keep(signedDigest, text);
    for (const { fingerprint } of consensus.routers) this.known.add(fingerprint);
  }

  /** Has directories serve another consensus than that; `undefined`: not any more. The relays themselves do not believe it. */
  pretend(text: Buffer | undefined): void {
    this.pretended = text === undefined ? undefined : this.toServe(text);
  }

  private toServe(text: Buffer): Published {
    const unverified = parseConsensus(text);
    // Nobody believes it for that: who fetches it checks its signatures.
    const consensus = unverified.assumeVerified();
    const signedDigest = consensusSignedDigest(text);
    const { signers } = unverified;
    return {
      held: { consensus, text, signedDigest, signers },
      served: new ServedConsensus(
        { flavor: "microdesc", text, lifetime: consensus.lifetime, signers, signedDigest },
        { archive: this.earlier, fork: (effect) => Effect.provide(effect, platform) },
      ),
    };
  }
}

/** A consensus, and what is made of it to be sent. */
export interface Published {
  readonly held: PublishedConsensus;
  readonly served: ServedConsensus;
}

/** What making diffs takes. It takes no time. */
const platform: Layer.Layer<FileSystem.FileSystem | DocumentWorker> = Layer.merge(
  new MemoryFiles().layer,
  layerDocumentWorkerInline,
);
