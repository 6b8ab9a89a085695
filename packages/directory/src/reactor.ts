import type { Entropy, Transport } from "@allium/channel";
import { type LinkEnded, Mailbox, Reactor, Signal, type WiredReactor } from "@allium/kernel";
import { Context, Effect, type FileSystem, Layer, type Stream, SubscriptionRef } from "effect";
import type { Authority } from "./authorities.ts";
import { DirectoryCache } from "./cache/cache.ts";
import { ActivityLog, type DirectoryActivity } from "./download/activity.ts";
import { runFetcher } from "./download/fetcher.ts";
import { Holdings, REASONABLY_LIVE_MILLIS } from "./download/holdings.ts";
import { type DirectoryRole, policies } from "./download/policy.ts";
import { type NetworkConfig, timingOf } from "./network-config.ts";
import type { DescriptorSource } from "./publish/descriptor-source.ts";
import { type Publication, type PublishCommand, runPublisher } from "./publish/publisher.ts";
import type { DirectorySources } from "./sources/source.ts";
import { type DirectorySnapshot, DirectoryView } from "./view.ts";
import type { DocumentWorker } from "./worker/document-worker.ts";

/** How the directory reactor behaves. */
export interface DirectoryConfig extends NetworkConfig {
  /** When the next consensus is fetched, and how much in a hurry. @default "relay" */
  readonly role?: DirectoryRole;
  /** Whether a consensus that ended within the last 24 hours is taken from the disk: it is "reasonably live" (dir-spec 5.1). @default true */
  readonly reasonablyLive?: boolean;
  /** Whether certificates are kept for others too: a directory cache has those of authorities that it does not trust. @default false */
  readonly forOthers?: boolean;
  /** To whom a relay's own documents are posted. @default nobody */
  readonly publishTo?: ReadonlyArray<Authority>;
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
    /** What the fetcher is at. Cheap; may be called anywhere. */
    readonly activity: () => DirectoryActivity;
    /** The same, and each change from here on. A reader that is slow misses what is no longer so. */
    readonly activities: Stream.Stream<DirectoryActivity>;
    /** What has failed, and waits for its next attempt, is tried now: something has changed, such as the way to the network. */
    readonly retryNow: Effect.Effect<void>;
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

/** What the reactors stand on. The transport is that of the publisher: to fetch, sources are asked. */
type Platform = DirectorySources | Transport | Entropy | FileSystem.FileSystem | DocumentWorker;

const make = Effect.fnUntraced(function* (config: DirectoryConfig) {
  const timing = timingOf(config);
  const { trusted, publishTo: authorities = [] } = config;
  const platform = yield* Effect.context<Platform>();
  const holdings = new Holdings(trusted);
  const view = yield* SubscriptionRef.make<DirectorySnapshot>(holdings.snapshot);
  const publication = yield* SubscriptionRef.make<Publication | undefined>(undefined);
  const activity = yield* ActivityLog.make;
  const hurried = Signal.make();
  const mailbox = yield* Mailbox.make<PublishCommand>()({
    name: "directory commands",
    capacity: 1,
    policies: { Publish: Mailbox.coalesce() },
  });

  const changed = Effect.suspend(() => SubscriptionRef.set(view, holdings.snapshot));
  const cache = new DirectoryCache(
    config.dataDirectory,
    holdings,
    config.reasonablyLive === false ? 0 : REASONABLY_LIVE_MILLIS,
  );
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
          {
            trusted,
            timing,
            holdings,
            activity,
            policy: policies[config.role ?? "relay"],
            strangers: config.forOthers ?? false,
          },
          { changed, settled: Effect.provideContext(cache.save, platform), hurried },
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
        activity: () => activity.current,
        activities: activity.changes,
        retryNow: Effect.sync(() => hurried.notify()),
        publisher,
        publish: (reason) => Effect.asVoid(mailbox.send({ _tag: "Publish", reason })),
        publication: () => SubscriptionRef.getUnsafe(publication),
        publications: SubscriptionRef.changes(publication),
      }),
    ),
  );
});

/** The directory of a process. */
export const layer = (config: DirectoryConfig): Layer.Layer<DirectoryReactor | DirectoryView, never, Platform> =>
  Layer.effectContext(make(config));
