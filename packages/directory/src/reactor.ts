import type { Entropy, Transport } from "@allium/channel";
import { type LinkEnded, Mailbox, Reactor, type WiredReactor } from "@allium/kernel";
import { Context, Effect, type FileSystem, Layer, type Stream, SubscriptionRef } from "effect";
import { DirectoryCache } from "./cache/cache.ts";
import { runFetcher } from "./download/fetcher.ts";
import { Holdings } from "./download/holdings.ts";
import { type NetworkConfig, timingOf } from "./network-config.ts";
import type { DescriptorSource } from "./publish/descriptor-source.ts";
import { type Publication, type PublishCommand, runPublisher } from "./publish/publisher.ts";
import { type DirectorySnapshot, DirectoryView } from "./view.ts";
import type { DocumentWorker } from "./worker/document-worker.ts";

/** How the directory reactor behaves. */
export interface DirectoryConfig extends NetworkConfig {
  /** Whether certificates are kept for others too: a directory cache has those of authorities that it does not trust. @default false */
  readonly forOthers?: boolean;
}

/**
 * Fetches what is to be known of the network, and publishes the relay's own documents. Its two reactors do nothing until a
 * supervisor or a reactor group starts them; a client starts the first only.
 */
export class DirectoryReactor extends Context.Service<
  DirectoryReactor,
  {
    /** Keeps the `DirectoryView` up to date. Never ends by itself. */
    readonly fetcher: WiredReactor;
    /** Publishes, from the first `publish` on. Never ends by itself. */
    readonly publisher: WiredReactor<LinkEnded, DescriptorSource>;
    /**
     * Has new documents built and published as soon as the rate limit allows. Commands that come together count as one.
     *
     * @param reason for logs, as in "the onion key has changed"
     */
    readonly publish: (reason: string) => Effect.Effect<void>;
    /** What was published last, and what became of it; undefined until something was. */
    readonly publication: () => Publication | undefined;
    /** The same, and each change from here on. */
    readonly publications: Stream.Stream<Publication | undefined>;
  }
>()("allium/directory/DirectoryReactor") {}

const make = Effect.fnUntraced(function* (config: DirectoryConfig) {
  const timing = timingOf(config);
  const { authorities } = config;
  const platform = yield* Effect.context<Transport | Entropy | FileSystem.FileSystem | DocumentWorker>();
  const holdings = new Holdings(authorities.map(({ v3Identity }) => v3Identity));
  const view = yield* SubscriptionRef.make<DirectorySnapshot>(holdings.snapshot);
  const publication = yield* SubscriptionRef.make<Publication | undefined>(undefined);
  const mailbox = yield* Mailbox.make<PublishCommand>()({
    name: "directory commands",
    capacity: 1,
    policies: { Publish: Mailbox.coalesce() },
  });

  const changed = Effect.suspend(() => SubscriptionRef.set(view, holdings.snapshot));
  const cache = new DirectoryCache(config.dataDirectory, holdings);
  // Only the first start has nothing yet; one after a failure goes on with what is there.
  const load = Effect.suspend(() =>
    holdings.snapshot.consensus === undefined ? Effect.andThen(cache.load, changed) : Effect.void,
  );
  const fetcher = Reactor.make({
    name: "directory-fetch",
    reads: {},
    writes: {},
    run: () =>
      Effect.andThen(
        load,
        runFetcher(
          { authorities, timing, holdings, strangers: config.forOthers ?? false },
          { changed, settled: Effect.provideContext(cache.save, platform) },
        ),
      ).pipe(Effect.provideContext(platform)),
  }).wire({});
  const publisher = Reactor.make({
    name: "directory-publish",
    reads: { commands: Reactor.port<PublishCommand>() },
    writes: {},
    run: ({ commands }) =>
      runPublisher({ authorities, timing, commands, publication, view: SubscriptionRef.changes(view) }).pipe(
        Effect.provideContext(platform),
      ),
  }).wire({ commands: mailbox.reader });

  return Context.make(
    DirectoryView,
    DirectoryView.of({
      current: () => SubscriptionRef.getUnsafe(view),
      changes: SubscriptionRef.changes(view),
    }),
  ).pipe(
    Context.add(
      DirectoryReactor,
      DirectoryReactor.of({
        fetcher,
        publisher,
        publish: (reason) => Effect.asVoid(mailbox.send({ _tag: "Publish", reason })),
        publication: () => SubscriptionRef.getUnsafe(publication),
        publications: SubscriptionRef.changes(publication),
      }),
    ),
  );
});

/** The directory of a process. */
export const layer = (
  config: DirectoryConfig,
): Layer.Layer<DirectoryReactor | DirectoryView, never, Transport | Entropy | FileSystem.FileSystem | DocumentWorker> =>
  Layer.effectContext(make(config));
