import { type Connection, type MemoryNetwork, Transport } from "@allium/channel";
import { MemoryResolver, Resolver } from "@allium/relay";
import { Effect, Layer, Scope } from "effect";
import type { Trace } from "./trace.ts";

/** What a host does with a connection, from when it has accepted it. `reset` breaks all that it has with that exit. */
export type Serve = (connection: Connection, reset: () => void) => void;

/** The hosts behind the exits, and the name servers that exits ask. */
export interface Internet {
  /** Has a host listen. `name` leads to `address` from then on, for those who ask an exit. Several ports are several calls. */
  readonly serve: (name: string, address: string, port: number, serve: Serve) => Effect.Effect<void>;
  /** The names: addresses, failures, silence. */
  readonly names: Pick<
    MemoryResolver.MemoryResolver,
    "setAddresses" | "setHostName" | "setFailure" | "setSilent" | "setLatency" | "questions"
  >;
  /** The resolver of an exit: what it asks is in the trace. */
  readonly resolver: (nickname: string) => Layer.Layer<Resolver>;
}

/** @param onHost told of each address that has a host */
export const makeInternet = (
  memory: MemoryNetwork.MemoryNetwork,
  trace: Trace,
  onHost: (address: string) => void,
): Effect.Effect<Internet, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope;
    const names = MemoryResolver.make();
    const serve: Internet["serve"] = (name, address, port, handle) =>
      Effect.gen(function* () {
        const transport = yield* Transport;
        onHost(address);
        names.setAddresses(name, [address]);
        yield* transport.listen(
          { host: address, port },
          {
            onConnection: (connection) => {
              trace.note(name, `connection from ${connection.remote.host} to port ${port}`);
              handle(connection, () => void memory.cut(address, connection.remote.host));
            },
          },
        );
      }).pipe(Effect.provide(memory.host(address)), Scope.provide(scope), Effect.orDie);
    const resolver: Internet["resolver"] = (nickname) =>
      Layer.effect(
        Resolver,
        Effect.map(Resolver, ({ resolve, reverse }) =>
          Resolver.of({
            resolve: (name, family) => {
              trace.note(nickname, `asks for the IPv${family} address of ${name}`);
              return resolve(name, family);
            },
            reverse: (address) => {
              trace.note(nickname, `asks for the name of ${address.address}`);
              return reverse(address);
            },
          }),
        ),
      ).pipe(Layer.provide(names.layer));
    return { serve, names, resolver };
  });

/** Sends back whatever comes. */
export const echo: Serve = (connection) => {
  connection.onChange(() => {
    for (let bytes = connection.read(); bytes !== undefined; bytes = connection.read()) connection.write(bytes);
    if (connection.status === "ended") connection.end();
  });
};

/** Sends bytes at once, and ends. */
export const sends =
  (bytes: Buffer): Serve =>
  (connection) => {
    connection.onChange(() => {
      while (connection.read() !== undefined);
    });
    connection.write(bytes);
    connection.end();
  };

/** Accepts, reads, and never says a word. */
export const silent: Serve = (connection) => {
  connection.onChange(() => {
    while (connection.read() !== undefined);
  });
};

/** Accepts, and reads nothing. */
export const stuck: Serve = () => {};

/** Hangs up at once. */
export const hangsUp: Serve = (connection) => connection.destroy();

/** Breaks the connection as soon as something comes. */
export const resets: Serve = (connection, reset) => {
  connection.onChange(() => {
    if (connection.read() !== undefined) reset();
  });
};
