import { ChannelCommand, DestroyReason } from "@allium/cell";
import { type Channel, type ChannelCircuit, ChannelManager, type ControlCell, type Entropy } from "@allium/channel";
import { fastReplyLength } from "@allium/crypto";
import { Memory, type MemoryQuota } from "@allium/kernel";
import { Context, Effect, Layer } from "effect";
import type { CircuitLimits } from "../circuit-context.ts";
import type { CircuitEnd } from "../circuit-core.ts";
import { AskedSeat } from "../circuit-seat.ts";
import type { AgreedParams, CongestionParams } from "../congestion/index.ts";
import { makeCoreHome } from "../core-home.ts";
import { type HopFlow, makeHopFlow } from "../hop.ts";
import type { StreamHandling } from "../stream-path.ts";
import type { ClientCircuit } from "./client-circuit.ts";
import { HopFailed, type HopProblem } from "./errors.ts";
import { beginHop, createCell, type HopTarget, type JoinedHop, joinHop } from "./hop-handshake.ts";
import { type ClientHome, OpenClientCircuit, toHandshakeProblem } from "./open-client-circuit.ts";

/** What the circuits of a client are configured with; each function is asked when it is needed, so that values may change. */
export interface ClientCircuitsConfig {
  readonly congestion: () => CongestionParams;
  readonly limits?: Partial<CircuitLimits>;
  /** The flow control of a hop, once it is agreed on: for algorithms of one's own. @default makeHopFlow */
  readonly flow?: (agreed: AgreedParams) => HopFlow;
  /** Told of each circuit's end. It must not block. */
  readonly onEnd?: (circuit: ClientCircuit, end: CircuitEnd) => void;
}

/** The circuits of a client: makes them, and ends them with its scope. */
export class ClientCircuits extends Context.Service<
  ClientCircuits,
  {
    /**
     * Makes a circuit of one hop, over a channel to it that is there or is opened. Interrupting gives it up. The circuit is
     * the caller's, to stop too.
     *
     * @param onAsked told when there is a channel, and the relay is being asked: from then on it is the relay that is waited for
     */
    readonly create: (first: HopTarget, onAsked?: () => void) => Effect.Effect<ClientCircuit, HopFailed>;
    /** The circuits that are open now. */
    readonly circuits: () => ReadonlyArray<ClientCircuit>;
  }
>()("allium/circuit/ClientCircuits") {}

const make = Effect.fnUntraced(function* (config: ClientCircuitsConfig) {
  const channels = yield* ChannelManager;
  const quota = yield* Memory.Quota;
  const open = new Set<ClientCircuit>();
  let created = 0;
  const home: ClientHome = {
    ...(yield* makeCoreHome(config)),
    flow: config.flow ?? makeHopFlow,
    onEnd: (circuit, end) => {
      open.delete(circuit);
      config.onEnd?.(circuit, end);
    },
  };

  const create = (first: HopTarget, onAsked?: () => void): Effect.Effect<ClientCircuit, HopFailed> =>
    // Given up only while it waits: in between nobody else knows of the circuit.
    Effect.uninterruptibleMask((restore) => {
      const { rsaId, ed25519Id, endpoints } = first;
      const target = { rsaId, endpoints, ...(ed25519Id === undefined ? {} : { ed25519Id }) };
      return restore(channels.get(target)).pipe(
        Effect.mapError((error): HopProblem => ({ _tag: "Channel", error })),
        Effect.flatMap((channel) => {
          onAsked?.();
          return askForCircuit(home, channel, first, quota, restore);
        }),
        Effect.map(({ asked, hop }) => {
          const circuit = new OpenClientCircuit(home, ++created, asked, hop);
          asked.owner = circuit;
          open.add(circuit);
          return circuit;
        }),
        Effect.mapError((problem) => new HopFailed({ hop: 0, rsaId, problem })),
      );
    });
  return ClientCircuits.of({ create, circuits: () => [...open] });
});

/** A circuit that a relay was asked for, on its channel as soon as there is `near`. */
class AskedFor extends AskedSeat {
  near!: ChannelCircuit;

  /** Whoever waits for the answer finds the end in the inbox. */
  protected onEndUnanswered(): void {}

  protected reclaimUnanswered(): void {
    this.near.inbox.clear();
  }

  giveUp(): void {
    this.near.destroy(DestroyReason.NONE);
    this.memory.close();
  }
}

/** Sends CREATE, and waits for the answer. */
const askForCircuit = (
  home: ClientHome,
  channel: Channel,
  first: HopTarget,
  quota: MemoryQuota,
  restore: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>,
): Effect.Effect<{ readonly asked: AskedFor; readonly hop: JoinedHop }, HopProblem> =>
  Effect.suspend(() => {
    const asked = new AskedFor(quota);
    const handshake = beginHop(first, home.congestion(), home.entropy.bytes);
    return channel.openCircuit(asked).pipe(
      Effect.tapError(() => Effect.sync(() => asked.memory.close())),
      Effect.mapError((error): HopProblem => ({ _tag: "Channel", error })),
      Effect.flatMap((near) => {
        asked.near = near;
        const { command, payload } = createCell(handshake);
        near.sendCell(command, payload);
        return Effect.onError(restore(answerTo(asked)), () => Effect.sync(() => asked.giveUp()));
      }),
      Effect.flatMap(({ command, payload }) =>
        Effect.try({
          try: () => ({ asked, hop: joinHop(home, first, handshake, replyOf(command, payload)) }),
          catch: (cause) => {
            asked.giveUp();
            return toHandshakeProblem(cause);
          },
        }),
      ),
    );
  });

const answerTo = ({ near, inbound }: AskedFor): Effect.Effect<ControlCell, HopProblem> =>
  Effect.gen(function* () {
    for (;;) {
      const control = near.inbox.takeControl();
      if (control !== undefined) return control;
      const end = near.inbox.ended();
      if (end !== undefined) {
        return yield* Effect.fail<HopProblem>({
          _tag: "Closed",
          reason: end._tag === "Destroyed" ? end.reason : undefined,
        });
      }
      yield* inbound.wait;
    }
  });

/** The relay's half of the handshake: CREATED2 says how long it is, CREATED_FAST has all of the cell. */
const replyOf = (command: number, payload: Buffer): Buffer =>
  command === ChannelCommand.CREATED2
    ? payload.subarray(2, 2 + payload.readUInt16BE(0))
    : payload.subarray(0, fastReplyLength);

/** The circuits of a client, on the channels of its process. */
export const layer = (
  config: ClientCircuitsConfig,
): Layer.Layer<ClientCircuits, never, ChannelManager | StreamHandling | Entropy> =>
  Layer.effect(ClientCircuits, make(config));
