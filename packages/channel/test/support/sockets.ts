import { Context, Effect, Layer, Scope } from "effect";
import { until } from "../../../../test/support/event-loop.ts";
import { type Connection, NodeTransport, type TlsServerIdentity, Transport } from "../../src/index.ts";

/** The live transport. */
export const nodeTransport = Effect.map(Layer.build(NodeTransport.layer), (context) => Context.get(context, Transport));

/** Two connected sockets on loopback. */
export const openSockets = (readBufferBytes: number, identity?: TlsServerIdentity) =>
  Effect.gen(function* () {
    const transport = yield* nodeTransport;
    const accepted: Array<Connection> = [];
    const listening = yield* Scope.make();
    const listener = yield* transport
      .listen(
        { host: "127.0.0.1", port: 0 },
        {
          readBufferBytes,
          ...(identity === undefined ? {} : { tls: identity }),
          onConnection: (connection) => accepted.push(connection),
        },
      )
      .pipe(Scope.provide(listening));
    const client = yield* transport.connect(listener.endpoint, { tls: identity !== undefined, readBufferBytes });
    yield* until(() => accepted.length > 0);
    yield* Effect.addFinalizer((exit) => Scope.close(listening, exit));
    return [client, accepted[0] as Connection] as const;
  });
