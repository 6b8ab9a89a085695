import { Context, Effect, Layer } from "effect";
import {
  type Connection,
  type ConnectOptions,
  type Endpoint,
  type ListenOptions,
  type MemoryNetwork,
  Transport,
} from "../../src/index.ts";

/** A host's transport. */
export const transportOf = (network: MemoryNetwork.MemoryNetwork, host: string) =>
  Effect.map(Layer.build(network.host(host)), (context) => Context.get(context, Transport));

/** Where the listeners of the tests are. */
export const SERVER: Endpoint = { host: "10.0.0.2", port: 9001 };

/** The address of those who connect. */
export const CLIENT = "10.0.0.1";

/** A listener on the server's host that keeps what it accepts. */
export const listenOn = (network: MemoryNetwork.MemoryNetwork, options: Partial<ListenOptions> = {}) =>
  Effect.gen(function* () {
    const accepted: Array<Connection> = [];
    const transport = yield* transportOf(network, SERVER.host);
    const listener = yield* transport.listen(SERVER, {
      onConnection: (connection) => accepted.push(connection),
      ...options,
    });
    return { accepted, listener };
  });

/** Connects from one host to the server. */
export const connectFrom = (
  network: MemoryNetwork.MemoryNetwork,
  host: string = CLIENT,
  options: ConnectOptions = { tls: false },
) => Effect.flatMap(transportOf(network, host), (transport) => transport.connect(SERVER, options));

/** Two connected ends on a network. */
export const openPair = (network: MemoryNetwork.MemoryNetwork, host: string = CLIENT, readBufferBytes?: number) =>
  Effect.gen(function* () {
    const bound = readBufferBytes === undefined ? {} : { readBufferBytes };
    const { accepted } = yield* listenOn(network, bound);
    const client = yield* connectFrom(network, host, { tls: false, ...bound });
    return [client, accepted[0] as Connection] as const;
  });
