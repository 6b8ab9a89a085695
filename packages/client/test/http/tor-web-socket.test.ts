import { assert, describe, it } from "@effect/vitest";
import { Effect, Layer } from "effect";
import { Socket } from "effect/socket";
import { until } from "../../../../test/support/event-loop.ts";
import { TorClient, TorWebSocket } from "../../src/index.ts";
import { TorStandIn } from "../support/stand-in.ts";
import { webSocketEcho } from "../support/websocket-server.ts";

/** Code that knows nothing of Tor. */
const ask = (question: string, options: Parameters<typeof Socket.makeWebSocket>[1] = {}) =>
  Effect.gen(function* () {
    const socket = yield* Socket.makeWebSocket("ws://echo.tld.invalid/", options);
    const { pull } = yield* socket.reader;
    const { write } = yield* socket.writer;
    yield* write(question);
    return yield* pull;
  }).pipe(Effect.scoped);

describe("Effect's WebSockets over Tor", () => {
  it.live("lead messages to a server and back, each identity's over streams of its own", () =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(Effect.promise(webSocketEcho), (server) =>
        Effect.promise(() => server[Symbol.asyncDispose]()),
      );
      const tor = new TorStandIn({ "echo.tld.invalid:80": server.port });
      const other = yield* tor.service.isolated;
      const asOther = ask("again", { headers: { "x-mine": "yes" }, protocols: "one" }).pipe(
        Effect.provide(TorWebSocket.layer),
        Effect.provideService(TorClient, other),
      );
      const answers = yield* Effect.all([ask("hello", { protocols: ["one", "two"] }), asOther]).pipe(
        Effect.provide(Layer.provideMerge(TorWebSocket.layer, tor.layer)),
      );
      assert.deepStrictEqual(answers, [["hello"], ["again"]]);
      assert.deepStrictEqual(
        tor.asked.map(({ identity }) => identity),
        [0, 1],
      );
      yield* until(() => tor.open === 0);
    }).pipe(Effect.scoped),
  );

  it.live("fail where there is no stream", () =>
    Effect.gen(function* () {
      const tor = new TorStandIn({});
      const error = yield* Effect.flip(ask("hello")).pipe(Effect.provide(Layer.provide(TorWebSocket.layer, tor.layer)));
      assert.isTrue(Socket.isSocketError(error));
    }),
  );
});
