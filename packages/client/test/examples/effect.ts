import { layerTorClientNode, TorClient, TorHttpClient } from "@allium/client";
import { Effect, Layer, Stream } from "effect";
import { HttpClient } from "effect/http";

/** Knows nothing of Tor. */
export const page = Effect.gen(function* () {
  const response = yield* HttpClient.get("http://example.com/");
  return yield* response.text;
});

/** `Effect.runPromise(main)` starts a client, brings the page, and ends the client. */
export const main = page.pipe(
  Effect.provide(TorHttpClient.layer.pipe(Layer.provide(layerTorClientNode({ dataDir: "tor-data" })))),
);

export const ask = Effect.gen(function* () {
  const tor = yield* TorClient;
  const socket = tor.connect({ host: "whois.example", port: 43 });
  const { pull } = yield* socket.reader; // opens the stream
  const { write } = yield* socket.writer;
  yield* write("example.com\r\n");
  return yield* pull;
}).pipe(Effect.scoped);

export const asSomebodyElse = Effect.gen(function* () {
  const tor = yield* TorClient;
  const other = yield* tor.isolated;
  return yield* page.pipe(Effect.provide(TorHttpClient.layer), Effect.provideService(TorClient, other));
});

export const watch = (tell: (line: string) => void) =>
  Effect.gen(function* () {
    const tor = yield* TorClient;
    yield* Stream.runForEach(tor.events, (event) =>
      Effect.sync(() => {
        if (event._tag === "Bootstrap") tell(event.status.waitsFor);
        else tell(`tunnel ${event.tunnel.id} is ${event.tunnel.state}`);
      }),
    );
  });
