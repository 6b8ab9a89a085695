import { Effect, Option, type Scope } from "effect";
import { TestClock } from "effect/testing";
import { makePlainClient, whileTimePasses } from "../client.ts";
import { echo } from "../internet.ts";
import * as MemoryTorNetwork from "../memory-tor-network.ts";
import type { CircuitStage, HostileCase } from "./case.ts";
import { startHostileRelay } from "./hostile-relay.ts";
import { IGNORED, outcomeOfEnd, outcomeOfHop, UNANSWERED } from "./outcome.ts";

/** The relay that is hostile, and the path that leads through it. */
const PATHS = {
  guard: { nickname: "guard0", path: ["guard0", "middle0", "exit0"] },
  middle: { nickname: "middle0", path: ["guard0", "middle0", "exit0"] },
  exit: { nickname: "exit0", path: ["guard0", "middle0", "exit0"] },
} as const;

/** What was seen of a case. */
export interface Played {
  readonly outcome: string;
  /** The reason in the DESTROY that the hostile relay was sent, if it was. */
  readonly destroyed: number | undefined;
  /** Circuits that the client still has, beside its neighbour's. */
  readonly left: number;
  /** A circuit of the same client that has nothing to do with that relay, to be used when all is over. */
  readonly neighbour: CircuitStage["circuit"];
}

/** Plays a case to a client. */
export const play = (hostileCase: HostileCase): Effect.Effect<Played, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { place, options = {}, instead, act, hop = (target) => target } = hostileCase;
    const network = yield* MemoryTorNetwork.make({
      seed: hostileCase.what,
      relays: { guards: 2, middles: 2, exits: 2 },
      authorities: 1,
    });
    yield* network.internet.serve("example.com", "93.184.216.34", 80, echo);
    const { nickname, path } = PATHS[place];
    const relay = network.relay(nickname);
    const client = yield* makePlainClient(network);
    const neighbour = yield* Effect.orDie(whileTimePasses(client.build("guard1", "middle1", "exit1")));
    if (instead !== undefined) {
      yield* relay.stop;
      yield* instead(network, relay);
    }
    const hostile =
      instead === undefined
        ? yield* startHostileRelay(network, relay, typeof options === "function" ? options() : options)
        : { circuits: [], connections: [] };

    const build = Effect.gen(function* () {
      const [first, ...rest] = path.map((name) =>
        name === nickname ? hop(network.relay(name).hop) : network.relay(name).hop,
      );
      const circuit = yield* client.circuits.create(first as NonNullable<typeof first>);
      for (const next of rest) yield* circuit.extend(next);
      return circuit;
    });
    const built = yield* build.pipe(
      Effect.map((circuit) => ({ circuit })),
      Effect.catch((error) => Effect.succeed({ failed: outcomeOfHop(error) })),
      Effect.timeoutOption("1 minute"),
      Effect.map(Option.getOrElse(() => ({ failed: UNANSWERED }))),
      whileTimePasses,
    );
    const finish = (outcome: string): Effect.Effect<Played> =>
      Effect.map(TestClock.adjust("1 second"), () => ({
        outcome,
        destroyed: hostile.circuits.at(-1)?.destroyed,
        left: client.circuits.circuits().length - 1,
        neighbour,
      }));
    if ("failed" in built) return yield* finish(built.failed);

    const { circuit } = built;
    const at = hostile.circuits.at(-1);
    if (at === undefined || act === undefined)
      return yield* Effect.die(new Error(`${hostileCase.what}: nothing happens`));
    const open = circuit.open(BEGIN).pipe(Effect.orDie, whileTimePasses);
    const sendRaw = (bytes: Buffer) => hostile.connections.at(-1)?.write(bytes);
    const acting = act({ network, client, hostile, circuit, at, channel: at.near.channel, sendRaw, open });
    if (acting !== undefined) yield* acting;
    yield* TestClock.adjust("2 seconds");
    const outcome = circuit.end === undefined ? IGNORED : outcomeOfEnd(circuit.end);
    circuit.stop("finished");
    return yield* finish(outcome);
  });

const BEGIN = {
  _tag: "BEGIN",
  destination: { family: "name", address: "example.com" },
  port: 80,
  flags: 0,
} as const;
