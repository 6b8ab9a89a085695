import type { Fingerprint, UnixMillis } from "@allium/netdoc";
import { Context, Data, type Effect } from "effect";

/** A relay's own documents, signed, of one and the same time. */
export interface OwnDocuments {
  /** The router descriptor, which names the digests of `extraInfo`. */
  readonly descriptor: string;
  readonly extraInfo: string;
}

/** There is nothing to publish yet: a key, an address or a proof of reachability is missing. */
export class DescriptorNotReady extends Data.TaggedError("DescriptorNotReady")<{ readonly reason: string }> {
  override get message(): string {
    return `no descriptor yet: ${this.reason}`;
  }
}

/** Makes the documents that the directory reactor publishes. Whoever provides it knows keys, addresses, policy and history. */
export class DescriptorSource extends Context.Service<
  DescriptorSource,
  {
    /** The relay's RSA identity, under which the consensus lists it. */
    readonly fingerprint: Fingerprint;
    /** Builds and signs both documents, dated `now`. Called only when they are going to be published. */
    readonly build: (now: UnixMillis) => Effect.Effect<OwnDocuments, DescriptorNotReady>;
  }
>()("allium/directory/DescriptorSource") {}
