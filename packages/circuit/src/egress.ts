import {
  ChannelCommand,
  type PaddingSource,
  RelayCommand,
  type RelayMessage,
  relayCellV0,
  writeRelayMessage,
} from "@allium/cell";
import { type ChannelCircuit, releaseBytes, slabBytes } from "@allium/channel";
import { type OutboundCrypto, relayPayloadLength } from "@allium/crypto";
import { type LinkReader, Reactor, type ReactorError, type Signal, type Turn } from "@allium/kernel";
import { type Clock, Effect, Exit } from "effect";
import { ChannelQueue } from "./channel-queue.ts";
import { type CongestionParams, microsOfNanos } from "./congestion/index.ts";
import { type CircuitError, CircuitProtocolError, errorOfEnd, toProtocolError } from "./errors.ts";
import type { FarSide } from "./far-side.ts";
import type { HopFlow } from "./hop.ts";
import type { EgressCommand, StreamBatch } from "./messages.ts";
import type { StreamPaths } from "./stream-path.ts";

/** What egress fails with. */
export type EgressError = ReactorError<CircuitError>;

/** What egress owns, and what it is given. */
export interface EgressOptions {
  /** Written by egress only. */
  readonly near: ChannelCircuit;
  /** Woken by the command link, the stream paths and the far inbox. */
  readonly signal: Signal;
  /** Owned by egress. */
  readonly crypto: OutboundCrypto;
  /** Flow control by hop; egress owns the sending half. */
  readonly hops: ReadonlyArray<HopFlow>;
  readonly paths: StreamPaths;
  readonly clock: Clock.Clock;
  /** A relay's far side; a client has none. */
  readonly far: FarSide | undefined;
  /** Cells in the near channel's queue at which it counts as blocked, and at which no longer. */
  readonly congestion: Pick<CongestionParams, "queueHigh" | "queueLow">;
  /** Fills up cells that are not full. */
  readonly padding: PaddingSource;
}

// What goes to the near channel, in the order in which egress looks:
//
// | from | what | sealed for | why in this order |
// | --- | --- | --- | --- |
// | command link | SENDME, EXTENDED2, TRUNCATED, what a handle sends | its hop | few, and others wait for them |
// | far inbox | the answer to CREATE2; relayed cells | not sealed, only encrypted | they were sealed by a later hop |
// | stream paths | stream messages | their hop | |

/**
 * The egress reactor: seals what starts here, encrypts what goes to the near channel, one call of the cipher per train, and
 * owns the congestion windows. Client and relay share it.
 */
export const makeEgress = Reactor.turns({
  name: "egress",
  reads: { commands: Reactor.port<EgressCommand>() },
  writes: {},
  signal: (options: EgressOptions) => options.signal,
  turn: (options, { commands }) => egressTurn(options, commands),
});

const egressTurn = (options: EgressOptions, commands: LinkReader<EgressCommand>): Turn<EgressError> => {
  const { paths, far } = options;
  const sealer = new Sealer(options);
  return () => {
    for (let idle = false; !idle; ) {
      idle = true;
      for (;;) {
        const taken = commands.takeUnsafe();
        if (taken === undefined) break;
        if (Exit.isFailure(taken)) return Effect.failCause(taken.cause);
        const wait = sealer.onCommand(taken.value);
        if (wait !== undefined) return wait;
        idle = false;
      }
      const relayed = far?.circuit === undefined ? NOTHING : sealer.relayFrom(far, far.circuit);
      if (relayed !== NOTHING) {
        if (relayed !== undefined) return relayed;
        idle = false;
      }
      for (const path of paths.all) {
        const taken = path?.outlet.takeUnsafe();
        if (taken === undefined) continue;
        if (Exit.isFailure(taken)) return Effect.failCause(taken.cause);
        const wait = sealer.sendBatch(taken.value);
        if (wait !== undefined) return wait;
        idle = false;
      }
    }
    return undefined;
  };
};

/** What has to happen before egress goes on; `undefined` if it can at once. */
type Wait = Effect.Effect<void, EgressError> | undefined;

/** There was nothing to do. */
const NOTHING = false;

class Sealer {
  private readonly options: EgressOptions;
  private readonly queue: ChannelQueue;

  constructor(options: EgressOptions) {
    this.options = options;
    const { queueHigh, queueLow } = options.congestion;
    this.queue = new ChannelQueue({ high: queueHigh, low: queueLow });
  }

  onCommand(command: EgressCommand): Wait {
    switch (command._tag) {
      case "Acknowledge":
        return this.sendMessage(
          command.hop,
          this.options.hops[command.hop]?.agreed.sendmeEmitVersion === 0
            ? { _tag: "SENDME", version: 0 }
            : { _tag: "SENDME", version: 1, tag: command.tag },
          false,
        );
      case "Acknowledged":
        return this.onSendme(command.hop, command.version, command.tag);
      case "Fail":
        return Effect.fail(command.error);
      case "Send":
        return this.sendMessage(command.hop, command.message, command.early === true);
    }
  }

  private onSendme(hop: number, version: number, tag: Buffer | undefined): Wait {
    const { hops, near, clock, paths } = this.options;
    const channelQueue = near.outbox.cells;
    try {
      hops[hop]?.sending.onSendme(version, tag, microsOfNanos(clock.monotonicTimeNanosUnsafe()), {
        channelBlocked: this.queue.look(channelQueue),
        channelQueue,
      });
    } catch (cause) {
      return Effect.fail(toProtocolError(cause));
    }
    paths.get(hop)?.room.notify();
    return undefined;
  }

  private sendMessage(hop: number, message: RelayMessage, early: boolean): Wait {
    const slab = Buffer.allocUnsafe(slabBytes(1));
    writeRelayMessage(relayCellV0, slab, 0, 0, message, this.options.padding);
    return this.send(hop, slab, 1, early ? ChannelCommand.RELAY_EARLY : ChannelCommand.RELAY);
  }

  sendBatch({ hop, slab, count, lead }: StreamBatch): Wait {
    const led = lead === undefined ? undefined : this.sendMessage(hop, lead, false);
    if (count === 0) return led;
    if (led === undefined) return this.send(hop, slab, count, ChannelCommand.RELAY);
    return Effect.andThen(
      led,
      Effect.suspend(() => this.send(hop, slab, count, ChannelCommand.RELAY) ?? Effect.void),
    );
  }

  /** Seals, counts and encrypts cells of ours, and gives them to the near channel. */
  private send(hop: number, slab: Buffer, count: number, command: number): Wait {
    const { crypto, hops, clock } = this.options;
    const flow = hops[hop];
    let now: ReturnType<typeof microsOfNanos> | undefined;
    for (let index = 0; index < count; index++) {
      // Read before it is encrypted: only DATA counts against the window.
      const isData = slab[index * relayPayloadLength] === RelayCommand.DATA;
      crypto.originate(slab, index, hop);
      if (!isData || flow === undefined) continue;
      flow.budget.sealed++;
      now ??= microsOfNanos(clock.monotonicTimeNanosUnsafe());
      if (flow.sending.onCellSent(now)) flow.sending.rememberTag(crypto.tag());
    }
    const encrypted = crypto.encrypt(slab, count, hop);
    releaseBytes(slab);
    return this.toNear(command, count, encrypted);
  }

  private toNear(command: number, count: number, slab: Buffer): Wait {
    const { near } = this.options;
    this.queue.look(near.outbox.cells);
    // Once the near side has ended, nothing is sent any more; ingress says why, when it has handled what came before the end.
    const train = { command, count, slab };
    if (!near.sendUnsafe(train)) {
      this.setBlocked(true);
      return Effect.map(near.send(train), () => {
        this.setBlocked(false);
        this.queue.look(near.outbox.cells);
      });
    }
    this.queue.look(near.outbox.cells);
    return undefined;
  }

  private setBlocked(blocked: boolean): void {
    const { paths } = this.options;
    paths.blocked = blocked;
    for (const path of paths.all) path?.room.notify();
  }

  /** Takes what the far channel brought, if there is something. */
  relayFrom(far: FarSide, circuit: ChannelCircuit): Wait | typeof NOTHING {
    const { inbox } = circuit;
    const control = inbox.takeControl();
    if (control !== undefined) return this.onCreated(far, control.command, control.payload);
    const train = inbox.take();
    if (train !== undefined) {
      if (train.command === ChannelCommand.RELAY_EARLY) return refuse("RELAY_EARLY", "towards the client");
      const { crypto } = this.options;
      return this.toNear(ChannelCommand.RELAY, train.count, crypto.encrypt(train.slab, train.count, 0));
    }
    const end = inbox.ended();
    return end === undefined ? NOTHING : Effect.fail(errorOfEnd("far", end));
  }

  private onCreated(far: FarSide, command: number, payload: Buffer): Wait {
    if (far.state !== "waiting" || command !== ChannelCommand.CREATED2)
      return refuse("CREATED2", "nobody waits for it");
    const length = payload.readUInt16BE(0);
    // The next relay's answer has to fit into a message of ours.
    if (length > relayCellV0.maxDataLength - 2) return refuse("CREATED2", `${length} bytes of handshake`);
    far.state = "open";
    return this.sendMessage(0, { _tag: "EXTENDED2", handshake: payload.subarray(2, 2 + length) }, false);
  }
}

const refuse = (where: string, detail: string): Effect.Effect<never, CircuitProtocolError> =>
  Effect.fail(new CircuitProtocolError({ where, detail }));
