import {
  ChannelCommand,
  DestroyReason,
  encodeChannelBody,
  type ForwardMessage,
  type RelayMessage,
  readForwardMessage,
  relayCellV0,
  writeRelayMessage,
} from "@allium/cell";
import {
  type ChannelCircuit,
  ChannelManager,
  type Connection,
  type CreateRequest,
  channelParams,
  Entropy,
  type LinkIdentity,
  layerChannelManager,
  slabBytes,
  type Train,
  Transport,
} from "@allium/channel";
import { answerCreate, congestionParams, extendTarget } from "@allium/circuit";
import { type RelayCrypto, relayCrypto } from "@allium/crypto";
import { Signal } from "@allium/kernel";
import { Clock, Context, Effect, FiberSet, Layer, type Scope } from "effect";
import type { MemoryTorNetwork } from "../memory-tor-network.ts";
import type { MemoryRelay } from "../relay.ts";

/** What a relay does otherwise than others do. */
export interface HostileOptions {
  /** What it proves on its channels. @default who it is */
  readonly identity?: (relay: MemoryRelay, now: number) => LinkIdentity;
  /** Answers a CREATE; true if it has. */
  readonly onCreate?: (request: CreateRequest, relay: MemoryRelay) => boolean;
  /** Told of each message that is for it; true if it is to leave it at that. */
  readonly onMessage?: (circuit: HostileCircuit, streamId: number, message: ForwardMessage) => boolean;
  /** Changes what it hands on towards the client, before its own layer of encryption. */
  readonly backward?: (train: Train, circuit: HostileCircuit) => ReadonlyArray<Train>;
  /** And towards the exit. */
  readonly forward?: (train: Train, circuit: HostileCircuit) => ReadonlyArray<Train>;
}

/** A relay that does what it is told to, and for the rest what others do: it extends circuits and hands cells on. */
export interface HostileRelay {
  readonly circuits: ReadonlyArray<HostileCircuit>;
  /** Connections that it has accepted: what is written there comes between two cells of its channel. */
  readonly connections: ReadonlyArray<Connection>;
}

/** Puts one in the place of a relay of the network, until the scope closes. */
export const startHostileRelay = (
  network: MemoryTorNetwork,
  relay: MemoryRelay,
  options: HostileOptions,
): Effect.Effect<HostileRelay, never, Scope.Scope> =>
  Effect.gen(function* () {
    yield* relay.stop;
    const clock = yield* Clock.Clock;
    const now = () => clock.currentTimeMillisUnsafe();
    const identityOf = options.identity ?? ((self: MemoryRelay, at: number) => self.identity.current(at));
    // Made once: who makes another for each connection presents another in TLS than it proves.
    const identity = identityOf(relay, now());
    const connections: Array<Connection> = [];
    const context = yield* Layer.build(
      Layer.fresh(
        layerChannelManager({
          ...channelParams(() => undefined, "relay"),
          local: () => ({ identity, addresses: [relay.address] }),
        }).pipe(
          Layer.provide(overheard(network.transport(relay.address), connections)),
          Layer.provideMerge(network.entropy(`hostile ${relay.nickname}`)),
        ),
      ),
    );
    const channels = Context.get(context, ChannelManager);
    const { bytes: random } = Context.get(context, Entropy);
    const fork = yield* FiberSet.makeRuntime<never, unknown, never>();
    const circuits: Array<HostileCircuit> = [];
    yield* channels.acceptCircuits((request) => {
      if (options.onCreate?.(request, relay) === true) return;
      const answered = answerCreate(request.message, {
        keys: relay.identity.server,
        congestion: congestionParams(() => undefined, "exit"),
        random,
      });
      const circuit = new HostileCircuit(request, relayCrypto(answered.keys), { channels, relay, options, fork, now });
      circuit.near.sendCell(answered.command, answered.payload);
      circuits.push(circuit);
      fork(circuit.run);
    });
    yield* Effect.orDie(channels.listen({ host: relay.address, port: relay.plan.orPort }));
    return { circuits, connections };
  });

/** A host's transport, whose accepted connections are kept. */
const overheard = (host: Layer.Layer<Transport>, connections: Array<Connection>): Layer.Layer<Transport> =>
  Layer.effect(
    Transport,
    Effect.map(Transport, ({ connect, listen }) =>
      Transport.of({
        connect,
        listen: (endpoint, options) =>
          listen(endpoint, {
            ...options,
            onConnection: (connection) => {
              connections.push(connection);
              options.onConnection(connection);
            },
          }),
      }),
    ),
  ).pipe(Layer.provide(host));

interface Surroundings {
  readonly channels: ChannelManager["Service"];
  readonly relay: MemoryRelay;
  readonly options: HostileOptions;
  readonly fork: (effect: Effect.Effect<unknown>) => unknown;
  readonly now: () => number;
}

/** A circuit at such a relay. */
export class HostileCircuit {
  readonly near: ChannelCircuit;
  /** Messages that were for it, in their order. */
  readonly received: Array<{ readonly streamId: number; readonly message: ForwardMessage }> = [];
  /** The tags of the cells with these messages. */
  readonly tags: Array<Buffer> = [];
  /** For options that begin to do something when a case says so. */
  armed = false;
  /** The reason of the DESTROY that came from the client's side. */
  destroyed: number | undefined = undefined;
  private readonly crypto: RelayCrypto;
  private readonly around: Surroundings;
  private readonly changed = Signal.make();
  private readonly reader = relayCellV0.makeReader();
  private far: ChannelCircuit | undefined;

  constructor(request: CreateRequest, crypto: RelayCrypto, around: Surroundings) {
    this.crypto = crypto;
    this.around = around;
    this.near = request.accept({ inbound: this.changed, onEnd: () => this.changed.notify() });
  }

  /** The last stream that was asked of it. */
  get lastStream(): number {
    return this.received.findLast(({ streamId }) => streamId !== 0)?.streamId ?? 0;
  }

  /** Sends a message to the client. */
  send(streamId: number, message: RelayMessage, command: number = ChannelCommand.RELAY): void {
    const slab = Buffer.alloc(slabBytes(1));
    writeRelayMessage(relayCellV0, slab, 0, streamId, message);
    this.sendPlain(slab, command);
  }

  /** A message with whatever body, on whatever stream (tor-spec, "Relay cells"). */
  sendBody(streamId: number, command: number, body: Buffer): void {
    const slab = Buffer.alloc(slabBytes(1));
    slab.writeUInt8(command, 0);
    slab.writeUInt16BE(streamId, 3);
    slab.writeUInt16BE(body.length, 9);
    body.copy(slab, 11);
    this.sendPlain(slab);
  }

  /** A relay cell with whatever in it. Its digest is right. */
  sendPlain(slab: Buffer, command: number = ChannelCommand.RELAY): void {
    this.crypto.outbound.originate(slab, 0, 0);
    this.near.outbox.push({ command, count: 1, slab: this.crypto.outbound.encrypt(slab, 1, 0) });
  }

  /** A cell that came from nobody. */
  sendNoise(): void {
    this.near.outbox.push({ command: ChannelCommand.RELAY, count: 1, slab: Buffer.alloc(slabBytes(1), 7) });
  }

  /** Ends the circuit towards both sides. */
  destroy(reason: number): void {
    this.near.destroy(reason);
    this.far?.destroy(reason);
  }

  /** Takes what comes from both sides, until the circuit ends. */
  readonly run: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    for (;;) {
      for (let train = this.near.inbox.take(); train !== undefined; train = this.near.inbox.take())
        this.fromNear(train);
      this.fromFar();
      const end = this.near.inbox.ended();
      if (end !== undefined) {
        this.destroyed = end._tag === "Destroyed" ? end.reason : undefined;
        this.far?.destroy(DestroyReason.NONE);
        return;
      }
      yield* this.changed.wait;
    }
  });

  private fromNear({ command, slab, count }: Train): void {
    const { inbound } = this.crypto;
    const plain = inbound.decrypt(slab, count);
    for (let index = 0; index < count; index++) {
      const cell = Buffer.from(plain.subarray(slabBytes(index), slabBytes(index + 1)));
      if (inbound.origin(plain, index) !== 0) {
        const { forward = alone } = this.around.options;
        for (const train of forward({ command, count: 1, slab: cell }, this)) this.far?.outbox.push(train);
        continue;
      }
      this.tags.push(inbound.tag());
      this.reader.reset(plain, index);
      while (this.reader.next()) this.onMessage(this.reader.streamId, readForwardMessage(this.reader));
    }
  }

  private fromFar(): void {
    const { far } = this;
    if (far === undefined) return;
    for (let control = far.inbox.takeControl(); control !== undefined; control = far.inbox.takeControl()) {
      const length = control.payload.readUInt16BE(0);
      this.send(0, { _tag: "EXTENDED2", handshake: Buffer.from(control.payload.subarray(2, 2 + length)) });
    }
    for (let train = far.inbox.take(); train !== undefined; train = far.inbox.take()) {
      for (let index = 0; index < train.count; index++) {
        const slab = Buffer.from(train.slab.subarray(slabBytes(index), slabBytes(index + 1)));
        const { backward = alone } = this.around.options;
        for (const one of backward({ command: train.command, count: 1, slab }, this)) {
          this.near.outbox.push({ ...one, slab: this.crypto.outbound.encrypt(one.slab, 1, 0) });
        }
      }
    }
    const end = far.inbox.ended();
    if (end !== undefined) {
      this.far = undefined;
      const reason = end._tag === "Destroyed" ? end.reason : DestroyReason.CHANNEL_CLOSED;
      this.send(0, { _tag: "TRUNCATED", reason });
    }
  }

  private onMessage(streamId: number, message: ForwardMessage): void {
    this.received.push({ streamId, message });
    if (this.around.options.onMessage?.(this, streamId, message) === true) return;
    if (message._tag === "BEGIN") this.send(streamId, { _tag: "CONNECTED", resolved: undefined });
    if (message._tag !== "EXTEND2") return;
    const { channels, relay, fork, now } = this.around;
    const policy = { self: relay.identity.current(now()).peer, addressAllowed: () => true };
    const signals = { inbound: this.changed, onEnd: () => this.changed.notify() };
    fork(
      channels.get(extendTarget(message.linkSpecifiers, policy, undefined)).pipe(
        Effect.flatMap((channel) => channel.openCircuit(signals)),
        Effect.tap((far) =>
          Effect.sync(() => {
            this.far = far;
            const { handshakeType, handshake } = message;
            far.sendCell(ChannelCommand.CREATE2, encodeChannelBody({ _tag: "CREATE2", handshakeType, handshake }));
          }),
        ),
        Effect.orDie,
      ),
    );
  }
}

const alone = (train: Train): ReadonlyArray<Train> => [train];
