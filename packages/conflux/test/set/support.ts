import { ConfluxUx } from "@allium/cell";
import type { ClientCircuit, OpenStream } from "@allium/circuit";
import type { OutgoingSet } from "@allium/conflux";
import { Effect, type Scope } from "effect";
import {
  echo,
  MemoryTorNetwork,
  makePlainClient,
  type PlainClient,
  whileTimePasses,
} from "../../../../test/memory-network/index.ts";
import { pattern, readBytes } from "../../../circuit/test/support/application.ts";
import { beginOf } from "../../../circuit/test/support/client-circuit.ts";

/** A client in a network, and a set of two legs to `exit0`: over `guard0` and `middle0`, and over `guard1` and `middle1`. */
export interface Linked {
  readonly network: MemoryTorNetwork.MemoryTorNetwork;
  readonly client: PlainClient;
  readonly legs: readonly [ClientCircuit, ClientCircuit];
  readonly set: OutgoingSet;
}

/** A network with a host at example.com that answers with what it is sent, and a client. */
export const makeNetwork = (
  options: MemoryTorNetwork.MemoryTorNetworkOptions = {},
): Effect.Effect<Pick<Linked, "network" | "client">, never, Scope.Scope> =>
  Effect.gen(function* () {
    const network = yield* MemoryTorNetwork.make(options);
    yield* network.internet.serve("example.com", "93.184.216.34", 80, echo);
    return { network, client: yield* makePlainClient(network) };
  });

/** The circuit `number` of a client to `exit0`, disjoint from those of other numbers up to 3. */
export const buildLeg = (client: PlainClient, number: number): Effect.Effect<ClientCircuit> =>
  Effect.orDie(whileTimePasses(client.build(`guard${number}`, `middle${number}`, "exit0")));

export const makeLinked = (
  options: MemoryTorNetwork.MemoryTorNetworkOptions = {},
  desiredUx: number = ConfluxUx.HIGH_THROUGHPUT,
  resumption = false,
): Effect.Effect<Linked, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { network, client } = yield* makeNetwork(options);
    const legs = [yield* buildLeg(client, 0), yield* buildLeg(client, 1)] as const;
    const set = client.conflux.begin({ desiredUx, resumption });
    yield* Effect.orDie(whileTimePasses(Effect.all(legs.map((leg) => set.link(leg, 2)))));
    return { network, client, legs, set };
  });

/** Lets those who have heard of something do what they have to. */
export const settle: Effect.Effect<void> = whileTimePasses(Effect.sleep("100 millis"));

/** Opens a stream to the host that answers with what it is sent. */
export const openEcho = (circuit: ClientCircuit): Effect.Effect<OpenStream> =>
  Effect.orDie(whileTimePasses(circuit.open(beginOf("example.com:80"))));

/** Sends bytes and reads them back. Whether they are the same. */
export const echoes = ({ connection }: OpenStream, length: number): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const sent = pattern(length, length);
    connection.write(sent);
    return Effect.map(whileTimePasses(readBytes(connection, length)), (bytes) => bytes.equals(sent));
  });
