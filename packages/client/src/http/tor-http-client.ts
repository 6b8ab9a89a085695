import { Effect, Layer } from "effect";
import type { HttpClient } from "effect/http";
import { plainOpener } from "../sockets/index.ts";
import { TorClient } from "../tor-client.ts";
import { createAgent, type TorAgentOptions } from "./agent.ts";

/** Loaded by whoever builds the layer: a client that only listens for others' requests does without. */
const nodeHttpClient = Effect.promise(() => import("@effect/platform-node/NodeHttpClient"));

/**
 * Effect's `HttpClient`, over Tor, with choices of its own. Each layer that is built has its own connections.
 *
 * A stream that is not to be had is an `HttpClientError` whose reason is a `TransportError`, whose cause is a `StreamOpenError`.
 * Interrupting a request gives its stream up.
 */
export const layerOptions = (options: TorAgentOptions): Layer.Layer<HttpClient.HttpClient, never, TorClient> =>
  // Not shared with a layer that was built for another identity further out.
  Layer.fresh(
    Layer.unwrap(
      Effect.gen(function* () {
        const { HttpAgent, layerNodeHttpNoAgent } = yield* nodeHttpClient;
        const opener = plainOpener(yield* TorClient, yield* Effect.context<never>());
        const agent = Effect.acquireRelease(
          Effect.sync(() => createAgent(opener, options)),
          ({ destroy }) => Effect.sync(destroy),
        );
        return Layer.provide(layerNodeHttpNoAgent, Layer.effect(HttpAgent, agent));
      }),
    ),
  );

/** Effect's `HttpClient`, over Tor: code that is written for `HttpClient` does not change. See {@link layerOptions}. */
export const layer: Layer.Layer<HttpClient.HttpClient, never, TorClient> = layerOptions({});
