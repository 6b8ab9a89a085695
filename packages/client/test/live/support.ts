import type { ConnectError, StreamOptions, TorClientService, TorStream } from "@allium/client";
import { Effect, type Scope } from "effect";
import {
  echo,
  MemoryTorNetwork,
  startClient,
  type TorClientOptions,
  whileTimePasses,
} from "../../../../test/memory-network/index.ts";
import { readBytes } from "../../../circuit/test/support/application.ts";

/** A network with a host at example.com, and a client that is ready, until the scope closes. */
export const readyClient = (
  network: MemoryTorNetwork.MemoryTorNetworkOptions = {},
  client: TorClientOptions = {},
): Effect.Effect<
  { readonly network: MemoryTorNetwork.MemoryTorNetwork; readonly client: TorClientService },
  never,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const made = yield* MemoryTorNetwork.make(network);
    yield* made.internet.serve("example.com", "93.184.216.34", 80, echo);
    const started = yield* startClient(made, client);
    yield* whileTimePasses(Effect.orDie(started.ready));
    return { network: made, client: started };
  });

/** Opens a stream to a host of the network's, at port 80. */
export const open = (
  client: TorClientService,
  isolation = "",
  host = "example.com",
): Effect.Effect<TorStream, ConnectError> =>
  whileTimePasses(client.open({ host, port: 80 }, { isolation } satisfies StreamOptions));

/** Sends something, and answers with what comes back. */
export const say = ({ connection }: TorStream, text: string): Effect.Effect<string> =>
  Effect.suspend(() => {
    connection.write(Buffer.from(text));
    return Effect.map(whileTimePasses(readBytes(connection, text.length)), (bytes) => bytes.toString());
  });

/** The failure of a stream that is not to be had. */
export const failureOf = (attempt: Effect.Effect<unknown, ConnectError>): Effect.Effect<ConnectError["failure"]> =>
  Effect.map(Effect.orDie(Effect.flip(attempt)), ({ failure }) => failure);

/** The nicknames of a tunnel's relays. */
export const pathOf = (client: TorClientService, id: number): ReadonlyArray<string> =>
  client
    .tunnels()
    .filter((tunnel) => tunnel.id === id)
    .flatMap(({ legs: [leg] }) => leg?.hops.map(({ nickname }) => nickname) ?? []);
