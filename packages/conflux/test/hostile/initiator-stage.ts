import { type ConfluxLinked, ConfluxUx, type RelayMessage } from "@allium/cell";
import type { ClientCircuit, OpenStream } from "@allium/circuit";
import { type ConfluxSet, type OutgoingSet, SendSequence } from "@allium/conflux";
import { Effect, type Scope } from "effect";
import {
  type HostileCircuit,
  type HostileOptions,
  startHostileRelay,
} from "../../../../test/memory-network/hostile/hostile-relay.ts";
import {
  echo,
  MemoryTorNetwork,
  makePlainClient,
  type PlainClient,
  whileTimePasses,
} from "../../../../test/memory-network/index.ts";
import { beginOf } from "../../../circuit/test/support/client-circuit.ts";

/** Which relay of the first leg is hostile; an exit is that of both legs. */
export interface InitiatorOptions {
  /** @default "exit" */
  readonly place?: "guard" | "middle" | "exit";
  /** Whether the client offers to resume. @default false */
  readonly resumption?: boolean;
  /** What an exit says to LINK. @default what it should */
  readonly linked?: (answer: ConfluxLinked, leg: HostileCircuit, number: number) => ReadonlyArray<RelayMessage>;
  /** What it does instead of that, and of opening a stream; true if it has. */
  readonly onMessage?: HostileOptions["onMessage"];
  /** Changes what a relay before the exit hands on to the client. */
  readonly backward?: HostileOptions["backward"];
}

/** A client with two circuits that are to be legs of one set, and a relay that keeps no rules. */
export interface InitiatorStage {
  readonly network: MemoryTorNetwork.MemoryTorNetwork;
  readonly client: PlainClient;
  readonly circuits: readonly [ClientCircuit, ClientCircuit];
  /** The circuits as the hostile relay has them; but for an exit, that is the first one. */
  readonly at: readonly [HostileCircuit, HostileCircuit];
  readonly set: OutgoingSet;
  /** The circuits that were to be linked. */
  readonly asked: ReadonlyArray<ClientCircuit>;
  /** The client's end of the set. */
  readonly state: ConfluxSet;
  /** Links a circuit; false if it cannot be. */
  readonly link: (circuit: ClientCircuit) => Effect.Effect<boolean>;
  /** Links both. */
  readonly linked: Effect.Effect<void>;
  /** Opens a stream over the set. */
  readonly open: Effect.Effect<OpenStream>;
  /** What an exit that numbers its cells as it should says on a stream. */
  readonly say: (leg: HostileCircuit, streamId: number, message: RelayMessage) => void;
}

/** How long LINKED may take. */
export const LINK_SECONDS = 10;

const PATHS = [
  ["guard0", "middle0", "exit0"],
  ["guard1", "middle1", "exit0"],
] as const;

export const makeInitiatorStage = (
  name: string,
  { place = "exit", linked: onLink, onMessage, backward, resumption = false }: InitiatorOptions = {},
): Effect.Effect<InitiatorStage, never, Scope.Scope> =>
  Effect.gen(function* () {
    const network = yield* MemoryTorNetwork.make({
      seed: name,
      relays: { guards: 4, middles: 4, exits: 2 },
      authorities: 1,
    });
    yield* network.internet.serve("example.com", "93.184.216.34", 80, echo);
    const client = yield* makePlainClient(network);
    const sending = new SendSequence();
    const legs: Array<HostileCircuit> = [];
    const say = (leg: HostileCircuit, streamId: number, message: RelayMessage): void => {
      const relativeSeqno = sending.send(legs.indexOf(leg), 1);
      if (relativeSeqno > 0) leg.send(0, { _tag: "CONFLUX_SWITCH", relativeSeqno });
      leg.send(streamId, message);
    };
    const relay = network.relay(`${place}0`);
    const hostile = yield* startHostileRelay(network, relay, {
      ...(backward === undefined ? {} : { backward }),
      onMessage: (leg, streamId, message) => {
        if (onMessage?.(leg, streamId, message) === true) return true;
        if (message._tag === "CONFLUX_LINK") {
          const number = legs.push(leg) - 1;
          sending.addLeg(number, 0);
          const answer = { ...message, _tag: "CONFLUX_LINKED" as const };
          for (const said of onLink?.(answer, leg, number) ?? [answer]) leg.send(0, said);
          return true;
        }
        if (message._tag !== "BEGIN" || !legs.includes(leg)) return false;
        say(leg, streamId, CONNECTED);
        return true;
      },
    });
    const build = (path: ReadonlyArray<string>) => Effect.orDie(whileTimePasses(client.build(...path)));
    const circuits = [yield* build(PATHS[0]), yield* build(PATHS[1])] as const;
    const first = hostile.circuits[0] as HostileCircuit;
    const set = client.conflux.begin({
      desiredUx: ConfluxUx.HIGH_THROUGHPUT,
      timeoutUs: LINK_SECONDS * 1_000_000,
      resumption,
    });
    const state = client.conflux.sets()[0] as ConfluxSet;
    const asked: Array<ClientCircuit> = [];
    const link = (circuit: ClientCircuit) =>
      Effect.suspend(() => {
        asked.push(circuit);
        return set.link(circuit, 2);
      }).pipe(
        Effect.as(true),
        Effect.catch(() => Effect.succeed(false)),
        whileTimePasses,
      );
    return {
      network,
      client,
      circuits,
      at: [first, hostile.circuits[1] ?? first],
      set,
      asked,
      state,
      link,
      linked: Effect.forEach(
        circuits,
        (circuit) =>
          Effect.flatMap(link(circuit), (isLinked) => (isLinked ? Effect.void : Effect.die(new Error("not linked")))),
        { discard: true },
      ),
      open: Effect.suspend(() => {
        const circuit = circuits.find(({ end }) => end === undefined);
        return circuit === undefined
          ? Effect.die(new Error("no leg is left"))
          : Effect.orDie(whileTimePasses(circuit.open(beginOf("example.com:80"))));
      }),
      say,
    };
  });

export const CONNECTED = { _tag: "CONNECTED", resolved: undefined } as const;
