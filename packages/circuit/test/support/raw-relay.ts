import {
  ChannelCommand,
  type ForwardMessage,
  type RelayMessage,
  readForwardMessage,
  relayCellV0,
  relayCommandName,
  writeRelayMessage,
} from "@allium/cell";
import {
  type ChannelCircuit,
  ChannelManager,
  type CreateRequest,
  DEFAULT_PADDING_PARAMS,
  Entropy,
  layerChannelManager,
  layerEntropySeeded,
  type MemoryNetwork,
  slabBytes,
} from "@allium/channel";
import { type RelayCrypto, relayCrypto } from "@allium/crypto";
import { Signal } from "@allium/kernel";
import { Context, Effect, Layer } from "effect";
import { answerCreate, congestionParams } from "../../src/index.ts";
import { endpointOf, type TestIdentity } from "./relay-under-test.ts";

/** A circuit at a relay that keeps no rules. */
export class RawRelayCircuit {
  readonly near: ChannelCircuit;
  private readonly crypto: RelayCrypto;
  private readonly reader = relayCellV0.makeReader();
  readonly received: Array<{ readonly streamId: number; readonly tag: string; readonly message: ForwardMessage }> = [];
  /** Cells that were not for this hop. */
  unrecognised = 0;
  /** Commands of the cells that came. */
  readonly commands: Array<number> = [];

  constructor(near: ChannelCircuit, crypto: RelayCrypto) {
    this.near = near;
    this.crypto = crypto;
  }

  /** Sends a message to the client. */
  send(streamId: number, message: RelayMessage, command: number = ChannelCommand.RELAY): void {
    const slab = Buffer.alloc(slabBytes(1));
    writeRelayMessage(relayCellV0, slab, 0, streamId, message);
    this.sendPlain(slab, command);
  }

  /** A message with whatever body. */
  sendBody(streamId: number, command: number, body: Buffer): void {
    const slab = Buffer.alloc(slabBytes(1));
    relayCellV0.writeMessage(slab, 0, command, streamId, body, 0, body.length);
    this.sendPlain(slab);
  }

  sendPlain(slab: Buffer, command: number = ChannelCommand.RELAY): void {
    const count = slab.length / slabBytes(1);
    for (let index = 0; index < count; index++) this.crypto.outbound.originate(slab, index, 0);
    this.near.outbox.push({ command, count, slab: this.crypto.outbound.encrypt(slab, count, 0) });
  }

  /** A cell that came from nobody. */
  sendNoise(bytes: Buffer): void {
    this.near.outbox.push({ command: ChannelCommand.RELAY, count: 1, slab: bytes });
  }

  poll() {
    for (let train = this.near.inbox.take(); train !== undefined; train = this.near.inbox.take()) {
      this.commands.push(train.command);
      const plain = this.crypto.inbound.decrypt(train.slab, train.count);
      for (let index = 0; index < train.count; index++) {
        if (this.crypto.inbound.origin(plain, index) !== 0) {
          this.unrecognised++;
          continue;
        }
        this.reader.reset(plain, index);
        while (this.reader.next()) {
          this.received.push({
            streamId: this.reader.streamId,
            tag: relayCommandName(this.reader.command) ?? "?",
            message: readForwardMessage(this.reader),
          });
        }
      }
    }
    return this.received;
  }

  /** The reason in the DESTROY that came; `undefined` if none has. */
  get destroyed(): number | undefined {
    this.poll();
    const end = this.near.inbox.ended();
    return end?._tag === "Destroyed" ? end.reason : undefined;
  }
}

/** A relay that answers CREATE2 as it should, or as `onCreate` says, and then does what the test tells it to. */
export interface RawRelay {
  readonly identity: TestIdentity;
  readonly channels: ChannelManager["Service"];
  readonly circuits: ReadonlyArray<RawRelayCircuit>;
}

/** Starts such a relay on a network. */
export const startRawRelay = (
  network: MemoryNetwork.MemoryNetwork,
  identity: TestIdentity,
  options: {
    /** Answers instead; returns true if it has. */
    readonly onCreate?: (request: CreateRequest) => boolean;
  } = {},
) =>
  Effect.gen(function* () {
    const layer = layerChannelManager({
      local: () => ({ identity: identity.link, addresses: [identity.host] }),
      padding: () => DEFAULT_PADDING_PARAMS,
      idleTimeoutMillis: () => 3_600_000,
    }).pipe(
      Layer.provide(network.host(identity.host)),
      Layer.provideMerge(layerEntropySeeded(`raw relay ${identity.host}`)),
    );
    const context = yield* Layer.build(Layer.fresh(layer));
    const channels = Context.get(context, ChannelManager);
    const entropy = Context.get(context, Entropy);
    const circuits: Array<RawRelayCircuit> = [];
    yield* channels.acceptCircuits((request) => {
      if (options.onCreate?.(request) === true) return;
      const answered = answerCreate(request.message, {
        keys: identity.server,
        congestion: congestionParams(() => undefined, "exit"),
        random: entropy.bytes,
      });
      const near = request.accept({ inbound: Signal.make() });
      near.sendCell(answered.command, answered.payload);
      circuits.push(new RawRelayCircuit(near, relayCrypto(answered.keys)));
    });
    yield* Effect.orDie(channels.listen(endpointOf(identity)));
    return { identity, channels, circuits } satisfies RawRelay;
  });
