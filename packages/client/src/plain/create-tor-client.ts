import { layerEntropy, NodeTransport } from "@allium/channel";
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem";
import { Layer, Logger, ManagedRuntime } from "effect";
import type { TorClientConfig } from "../config.ts";
import type { DataDirError } from "../errors.ts";
import { layerTorClient } from "../live/index.ts";
import { TorClient } from "../tor-client.ts";
import { type PlainClient, plainClient } from "./plain-client.ts";

/** A client on this computer's sockets, files and randomness, from when the layer is built until its scope closes. */
export const layerTorClientNode = (config: TorClientConfig): Layer.Layer<TorClient, DataDirError> =>
  layerTorClient(config).pipe(Layer.provide([NodeTransport.layer, NodeFileSystem.layer, layerEntropy]));

/** A client that whoever made it has to close. */
export interface OwnTorClient extends PlainClient, AsyncDisposable {
  /** Ends its streams and circuits, keeps what was learned, and lets go of everything. */
  readonly close: () => Promise<void>;
}

/**
 * Starts a Tor client in this process. It connects by itself; what is asked of it before it is `ready` waits.
 *
 * Rejects with a `DataDirError` if its directory cannot be used. It logs nothing: `status` and `events` tell.
 */
export const createTorClient = async (config: TorClientConfig): Promise<OwnTorClient> => {
  const runtime = ManagedRuntime.make(Layer.provideMerge(layerTorClientNode(config), Logger.layer([])));
  const close = () => runtime.dispose();
  try {
    const client = plainClient(await runtime.runPromise(TorClient), await runtime.context());
    return { ...client, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
};
