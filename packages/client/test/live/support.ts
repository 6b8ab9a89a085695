import type { ConnectError, StreamOptions, TorClientService, TorStream } from "@allium/client";
import { Effect, type Scope } from "effect";
import { TestClock } from "effect/testing";
import {
  echo,
  MemoryTorNetwork,
  startClient,
  type TorClientOptions,
  whileTimePasses,
} from "../../../../test/memory-network/index.ts";
import { readBytes } from "../../../circuit/test/support/application.ts";

/** Waits until a client has a tunnel of several circuits for whoever comes first. */
export const hasSet = (client: TorClientService): Effect.Effect<void> =>
  whileTimePasses(
    Effect.gen(function* () {
      while (!client.tunnels().some(({ state, legs }) => state === "open" && legs.length > 1))
        yield* Effect.sleep("10 millis");
    }),
    "1 minute",
  );

/**
 * A network with a host at example.com, and a client that has been ready for a second, until the scope closes: it has a conflux set by
 * then, if it can have one.
 */
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
    yield* TestClock.adjust("1 second");
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
