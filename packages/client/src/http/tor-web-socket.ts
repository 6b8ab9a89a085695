import { Effect, Layer } from "effect";
import { Socket } from "effect/socket";
import { plainOpener } from "../sockets/index.ts";
import { TorClient } from "../tor-client.ts";
import { createDispatcher, type TorDispatcherOptions } from "./dispatcher.ts";

/**
 * What Effect's WebSockets are made with, over Tor, with choices of its own. Each layer that is built has its own connections.
 *
 * The platform's `WebSocket` cannot be made to wait: what comes is kept until it is read, up to the socket's `highWaterMark` if it has one.
 */
export const layerOptions = (
  options: TorDispatcherOptions,
): Layer.Layer<Socket.WebSocketConstructor, never, TorClient> =>
  // Not shared with a layer that was built for another identity further out.
  Layer.fresh(
    Layer.effect(
      Socket.WebSocketConstructor,
      Effect.gen(function* () {
        const opener = plainOpener(yield* TorClient, yield* Effect.context<never>());
        const dispatcher = yield* Effect.acquireRelease(
          Effect.sync(() => createDispatcher(opener, options)),
          (dispatcher) => Effect.promise(() => dispatcher.destroy()),
        );
        return (url, settings) => {
          const { protocols, headers } =
            typeof settings === "string" || Array.isArray(settings)
              ? { protocols: settings, headers: undefined }
              : (settings ?? {});
          return new WebSocket(url, {
            dispatcher,
            ...(protocols === undefined ? {} : { protocols }),
            ...(headers === undefined ? {} : { headers: { ...headers } }),
          });
        };
      }),
    ),
  );

/** What Effect's WebSockets are made with, over Tor: code that is written for them does not change. See {@link layerOptions}. */
export const layer: Layer.Layer<Socket.WebSocketConstructor, never, TorClient> = layerOptions({});
