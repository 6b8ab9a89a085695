import type { Entropy } from "@allium/channel";
import { Reactor, Signal, type WiredReactor } from "@allium/kernel";
import type { ConsensusFlavor } from "@allium/netdoc";
import { Context, Effect, FiberSet, type FileSystem, Layer, Stream } from "effect";
import { type NetworkConfig, timingOf } from "../network-config.ts";
import type { DirectorySources } from "../sources/source.ts";
import { DirectoryView } from "../view.ts";
import type { DocumentWorker } from "../worker/document-worker.ts";
import { ConsensusArchive } from "./archive.ts";
import { type DescriptorLookup, DescriptorStore } from "./descriptor-store.ts";
import { MirrorFiles } from "./mirror-files.ts";
import { runMirror } from "./run-mirror.ts";
import { type ConsensusToServe, ServedConsensus } from "./served-consensus.ts";

/** How a directory mirror behaves. */
export interface MirrorConfig extends NetworkConfig {
  /** Whether extra-info documents are kept too, as with tor's `DownloadExtraInfo`. @default false */
  readonly extraInfo?: boolean;
}

/**
 * What a directory cache has for others, beyond what the `DirectoryView` shows: both flavours of the consensus, diffs to them from
 * earlier ones, and everybody's descriptors. Its reactor does nothing until a supervisor or a reactor group starts it.
 */
export class DirectoryMirror extends Context.Service<
  DirectoryMirror,
  {
    /** Keeps what is served up to date. Never ends by itself. */
    readonly mirror: WiredReactor;
    /** The newest consensus of a flavour; undefined until there was one. */
    readonly consensus: (flavor: ConsensusFlavor) => ServedConsensus | undefined;
    readonly descriptors: DescriptorLookup;
  }
>()("allium/directory/DirectoryMirror") {}

const make = Effect.fnUntraced(function* (config: MirrorConfig) {
  const timing = timingOf(config);
  const platform = yield* Effect.context<DirectorySources | Entropy | FileSystem.FileSystem | DocumentWorker>();
  const view = yield* DirectoryView;
  const bodies = yield* FiberSet.make<void>();
  const archive = new ConsensusArchive(`${config.dataDirectory}/earlier-consensuses`);
  const store = new DescriptorStore({ extraInfo: config.extraInfo ?? false });
  const served = new Map<ConsensusFlavor, ServedConsensus>();
  const preparation = {
    archive,
    fork: (effect: Effect.Effect<void, never, FileSystem.FileSystem | DocumentWorker>) =>
      Effect.asVoid(FiberSet.run(bodies, Effect.provideContext(effect, platform))),
  };
  /** Hands a consensus on from now, and keeps it for diffs from it. */
  const serve = (consensus: ConsensusToServe): Effect.Effect<void, never, FileSystem.FileSystem> => {
    const { flavor, lifetime, signedDigest, text } = consensus;
    served.set(flavor, new ServedConsensus(consensus, preparation));
    return signedDigest === undefined ? Effect.void : archive.add(flavor, lifetime.validAfter, signedDigest, text);
  };

  const mirror = Reactor.make({
    name: "directory-mirror",
    reads: {},
    writes: {},
    run: () =>
      Effect.scoped(
        Effect.gen(function* () {
          const changed = Signal.make();
          yield* Effect.forkScoped(Stream.runForEach(view.changes, () => Effect.sync(() => changed.notify())));
          return yield* runMirror({
            trusted: config.trusted,
            timing,
            current: view.current,
            changed,
            archive,
            store,
            files: new MirrorFiles(config.dataDirectory),
            served: (flavor) => served.get(flavor),
            serve,
          });
        }),
      ).pipe(Effect.provideContext(platform)),
  }).wire({});

  return DirectoryMirror.of({ mirror, consensus: (flavor) => served.get(flavor), descriptors: store });
});

/** The directory mirror of a relay. */
export const layer = (
  config: MirrorConfig,
): Layer.Layer<
  DirectoryMirror,
  never,
  DirectoryView | DirectorySources | Entropy | FileSystem.FileSystem | DocumentWorker
> => Layer.effect(DirectoryMirror, make(config));
