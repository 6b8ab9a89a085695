import { EndReason } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber, Layer, Stream } from "effect";
import { HttpBody, HttpClient, HttpClientRequest } from "effect/http";
import { eventLoopTurn, until } from "../../../../test/support/event-loop.ts";
import { ConnectError, StreamOpenError, TorClient, TorHttpClient } from "../../src/index.ts";
import { CERTIFICATE, httpServer, httpsServer, type TestServer } from "../support/servers.ts";
import { type Route, TorStandIn } from "../support/stand-in.ts";

const serve = (make: () => Promise<TestServer>) =>
  Effect.acquireRelease(Effect.promise(make), (server) => Effect.promise(() => server[Symbol.asyncDispose]()));

/** Code that knows nothing of Tor. */
const page = (url: string) => Effect.flatMap(HttpClient.get(url), (response) => response.text);

const through = (routes: Readonly<Record<string, Route>>, layer = TorHttpClient.layer) => {
  const tor = new TorStandIn(routes);
  return { tor, layer: Layer.provide(layer, tor.layer) };
};

describe("Effect's HttpClient over Tor", () => {
  it.live("brings a page, over TLS too", () =>
    Effect.gen(function* () {
      const plain = yield* serve(() =>
        httpServer((request, response) => response.end(`hello ${request.headers.host}`)),
      );
      const secure = yield* serve(() => httpsServer((_, response) => response.end("secret")));
      const { tor, layer } = through(
        { "site.tld.invalid:80": plain.port, "secure.tld.invalid:443": secure.port },
        TorHttpClient.layerOptions({ isolation: "mine", agent: { ca: CERTIFICATE } }),
      );
      const pages = yield* Effect.all([page("http://site.tld.invalid/"), page("https://secure.tld.invalid/")]).pipe(
        Effect.provide(layer),
      );
      assert.deepStrictEqual(pages, ["hello site.tld.invalid", "secret"]);
      assert.deepStrictEqual(
        tor.asked.map(({ isolation }) => isolation),
        ["mine", "mine"],
      );
      // With the layer its connections are gone.
      yield* until(() => tor.open === 0);
    }).pipe(Effect.scoped),
  );

  it.live("sends a stream", () =>
    Effect.gen(function* () {
      const server = yield* serve(() =>
        httpServer(async (request, response) => {
          let length = 0;
          for await (const chunk of request) length += (chunk as Buffer).length;
          response.end(`${length}`);
        }),
      );
      const { layer } = through({ "site.tld.invalid:80": server.port });
      const body = HttpBody.stream(Stream.fromIterable(Array.from({ length: 100 }, () => Buffer.alloc(10_000))));
      const request = HttpClientRequest.put("http://site.tld.invalid/").pipe(HttpClientRequest.setBody(body));
      const length = yield* Effect.flatMap(HttpClient.execute(request), (response) => response.text).pipe(
        Effect.provide(layer),
      );
      assert.strictEqual(length, "1000000");
    }).pipe(Effect.scoped),
  );

  it.live("tells why there is no stream, in the cause", () =>
    Effect.gen(function* () {
      const { layer } = through({ "shut.tld.invalid:80": { fails: { end: EndReason.CONNECTREFUSED } } });
      const { reason } = yield* Effect.flip(page("http://shut.tld.invalid/")).pipe(Effect.provide(layer));
      assert.strictEqual(reason._tag, "TransportError");
      const { cause } = reason as { readonly cause?: unknown };
      assert.instanceOf(cause, StreamOpenError);
      assert.strictEqual(cause.code, "ECONNREFUSED");
      assert.instanceOf(cause.cause, ConnectError);
    }),
  );

  it.live("gives up what is interrupted", () =>
    Effect.gen(function* () {
      const server = yield* serve(() =>
        httpServer((_, response) => {
          response.write("the beginning");
        }),
      );
      const { tor, layer } = through({ "silent.tld.invalid:80": "silence", "site.tld.invalid:80": server.port });
      yield* Effect.gen(function* () {
        const opening = yield* Effect.forkChild(page("http://silent.tld.invalid/"));
        yield* until(() => tor.asked.length === 1);
        yield* Fiber.interrupt(opening);
        yield* until(() => tor.givenUp === 1);
        const reading = yield* Effect.forkChild(page("http://site.tld.invalid/"));
        yield* until(() => tor.open === 1);
        yield* Effect.repeat(eventLoopTurn, { times: 20 });
        yield* Fiber.interrupt(reading);
        yield* until(() => tor.open === 0 && server.connections() === 0);
      }).pipe(Effect.provide(layer));
    }).pipe(Effect.scoped),
  );

  it.live("leads another identity's requests over other streams", () =>
    Effect.gen(function* () {
      const server = yield* serve(() => httpServer((_, response) => response.end("ok")));
      const { tor } = through({ "site.tld.invalid:80": server.port });
      const other = yield* tor.service.isolated;
      const asOther = page("http://site.tld.invalid/").pipe(
        Effect.provide(TorHttpClient.layer),
        Effect.provideService(TorClient, other),
      );
      yield* page("http://site.tld.invalid/").pipe(
        Effect.andThen(asOther),
        Effect.andThen(page("http://site.tld.invalid/")),
        Effect.provide(Layer.provideMerge(TorHttpClient.layer, tor.layer)),
      );
      // The third over the first one's connection.
      assert.deepStrictEqual(
        tor.asked.map(({ identity }) => identity),
        [0, 1],
      );
    }).pipe(Effect.scoped),
  );
});
