import type { Entropy, Transport } from "@allium/channel";
import type { OpenedStream, StreamOrigin, StreamRefusal } from "@allium/circuit";
import {
  DirectoryMirror,
  DirectoryReactor,
  DirectoryServer,
  DirectoryView,
  layerAuthoritySources,
  layerDirectory,
  layerDirectoryMirror,
  layerDirectoryServer,
  layerDocumentWorker,
} from "@allium/directory";
import type { WiredReactor } from "@allium/kernel";
import { ExitPolicy } from "@allium/netdoc";
import { Context, Effect, type FileSystem, Layer, type Scope } from "effect";
import type { RelayConfig } from "./config.ts";

/** What a relay has of the directory. */
export interface RelayDirectory {
  readonly view: DirectoryView["Service"];
  readonly reactor: DirectoryReactor["Service"];
  /** What makes it a directory cache; undefined if it is none. */
  readonly cache:
    | {
        readonly mirror: WiredReactor;
        readonly server: DirectoryServer["Service"];
        /** Answers BEGIN_DIR. */
        readonly begin: (origin: StreamOrigin) => Effect.Effect<OpenedStream, StreamRefusal>;
      }
    | undefined;
}

/** Builds the directory of a relay, which lives until the scope closes. */
export const makeDirectory = (
  config: RelayConfig,
): Effect.Effect<RelayDirectory, never, Transport | Entropy | FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const { authorities, dataDir: dataDirectory, testNetwork, directory } = config;
    const network = { trusted: authorities.map(({ v3Identity }) => v3Identity), dataDirectory, testNetwork };
    const sources = layerAuthoritySources(authorities);
    const known = layerDirectory({ ...network, publishTo: authorities, forOthers: directory.cache });
    if (!directory.cache) {
      const context = yield* Layer.build(known.pipe(Layer.provide([layerDocumentWorker, sources])));
      return {
        view: Context.get(context, DirectoryView),
        reactor: Context.get(context, DirectoryReactor),
        cache: undefined,
      };
    }
    const { extraInfo } = directory;
    const context = yield* Layer.build(
      layerDirectoryServer().pipe(
        Layer.provideMerge(layerDirectoryMirror({ ...network, extraInfo })),
        Layer.provideMerge(known),
        Layer.provide([layerDocumentWorker, sources]),
      ),
    );
    const server = Context.get(context, DirectoryServer);
    return {
      view: Context.get(context, DirectoryView),
      reactor: Context.get(context, DirectoryReactor),
      cache: {
        mirror: Context.get(context, DirectoryMirror).mirror,
        server,
        // Only a public address is worth telling to a client: another may be that of a machine in between (`X-Your-Address-Is`).
        begin: ({ address }) => server.open(ExitPolicy.acceptPublic.permits(address, 443) ? { address } : {}),
      },
    };
  });
