import {
  CellDecoder,
  ChannelCommand,
  type ChannelMessage,
  channelCommandName,
  encodeChannelMessage,
  encodeFixedCell,
} from "@allium/cell";
import { Signal } from "@allium/kernel";
import { Effect, Fiber, Layer } from "effect";
import { TestClock } from "effect/testing";
import {
  type Channel,
  type ChannelCircuit,
  type ChannelConfig,
  type ChannelEnd,
  type CircuitSignals,
  type Connection,
  type CreateRequest,
  DEFAULT_PADDING_PARAMS,
  Entropy,
  layerEntropySeeded,
  MemoryNetwork,
  makeChannel,
  type PeerIdentity,
  slabBytes,
  type Train,
} from "../../src/index.ts";
import { NOW } from "./identities.ts";
import { openPair } from "./memory.ts";

/** A cell that the far end of a channel has received. */
export interface ReceivedCell {
  readonly name: string;
  readonly circId: number;
  readonly body: Buffer;
}

/** The far end of a channel, moved by hand. */
export class RawPeer {
  readonly connection: Connection;
  readonly decoder = new CellDecoder();

  constructor(connection: Connection) {
    this.connection = connection;
    this.decoder.setLinkProtocol(4);
  }

  send(...cells: ReadonlyArray<Buffer>): void {
    this.connection.write(Buffer.concat(cells));
  }

  message(circId: number, message: ChannelMessage): void {
    this.send(encodeChannelMessage(circId, message));
  }

  relay(circId: number, fill: number, command: number = ChannelCommand.RELAY): void {
    this.send(encodeFixedCell(circId, command, Buffer.alloc(509, fill)));
  }

  /** All cells that have come since the last call. */
  take(): ReadonlyArray<ReceivedCell> {
    const cells: Array<ReceivedCell> = [];
    for (let chunk = this.connection.read(); chunk !== undefined; chunk = this.connection.read()) {
      this.decoder.push(chunk);
      while (this.decoder.next()) {
        const { circId, command, bytes, start, end } = this.decoder;
        cells.push({
          name: channelCommandName(command) ?? `${command}`,
          circId,
          body: Buffer.from(bytes.subarray(start, end)),
        });
      }
    }
    return cells;
  }

  /** The names of the cells that have come. */
  names(): ReadonlyArray<string> {
    return this.take().map((cell) => cell.name);
  }
}

/** How a channel of a test is varied. */
export interface TestChannelOptions {
  readonly config?: Partial<ChannelConfig>;
  /** Whether the channel's side opened the connection: then the peer takes low IDs. @default true */
  readonly initiated?: boolean;
  readonly anonymous?: boolean;
  readonly peer?: PeerIdentity;
  readonly linkProtocol?: number;
  readonly onCreate?: (request: CreateRequest) => void;
  /** The bound of unread bytes at the far end. */
  readonly farReadBytes?: number;
  readonly id?: number;
  /** What is drawn in place of chance. */
  readonly below?: (limit: number) => number;
  /** Whether the channel's reactors run at once. @default true */
  readonly run?: boolean;
}

/** A running channel, and what it leads to. */
export interface TestChannel {
  readonly channel: Channel;
  readonly peer: RawPeer;
  readonly network: MemoryNetwork.MemoryNetwork;
  readonly connection: Connection;
  /** Circuits that the peer has asked for. */
  readonly requests: Array<CreateRequest>;
  /** Waits for the channel's end. */
  readonly end: Effect.Effect<ChannelEnd>;
  readonly fiber: Fiber.Fiber<ChannelEnd>;
}

/** Lets everything happen that can happen now. */
export const settle: Effect.Effect<void> = TestClock.adjust("1 millis");

/** Lets things happen until something holds. */
export const settleUntil = (holds: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let turn = 0; !holds(); turn++) {
      if (turn === 2000) return yield* Effect.die(new Error("waited in vain"));
      yield* settle;
    }
  });

/** A channel without a handshake, over a simulated connection without latency. */
export const openChannel = (options: TestChannelOptions = {}) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(NOW);
    const network = yield* MemoryNetwork.make();
    const [far, near] = yield* openPair(network, "10.0.0.1", options.farReadBytes);
    const decoder = new CellDecoder();
    decoder.setLinkProtocol(options.linkProtocol ?? 5);
    const requests: Array<CreateRequest> = [];
    const channel = yield* makeChannel({
      id: options.id ?? 1,
      connection: near,
      decoder,
      established: {
        linkProtocol: options.linkProtocol ?? 5,
        peer: options.peer,
        netinfo: { _tag: "NETINFO", timestamp: 0, otherAddress: { family: 4, address: "0.0.0.0" }, myAddresses: [] },
        clockSkew: undefined,
      },
      initiated: options.initiated ?? true,
      anonymous: options.anonymous ?? false,
      config: {
        padding: () => ({ ...DEFAULT_PADDING_PARAMS, lowMillis: 0, highMillis: 0 }),
        idleTimeoutMillis: () => 3_600_000,
        ...options.config,
      },
      onCreate: options.onCreate ?? ((request) => requests.push(request)),
    });
    const running = options.run === false ? Effect.never : channel.run();
    const fiber = yield* Effect.forkScoped(Effect.scoped(running));
    yield* settle;
    return {
      channel,
      peer: new RawPeer(far),
      network,
      connection: near,
      requests,
      end: Fiber.join(fiber),
      fiber,
    } satisfies TestChannel;
  }).pipe(Effect.provide(options.below === undefined ? layerEntropySeeded("channel") : fixedDraws(options.below)));

const fixedDraws = (below: (limit: number) => number): Layer.Layer<Entropy> =>
  Layer.succeed(Entropy, { bytes: (length) => Buffer.alloc(length), below });

/** A circuit's signals, and how often its end was told. */
export const makeSignals = (): CircuitSignals & { ends: number } => {
  const signals = {
    inbound: Signal.make(),
    ends: 0,
    onEnd: () => {
      signals.ends++;
    },
  };
  return signals;
};

/** A circuit that the peer has asked for and was given. */
export const acceptCircuit = (test: TestChannel, circId: number, signals: CircuitSignals = makeSignals()) =>
  Effect.gen(function* () {
    test.peer.message(circId, { _tag: "CREATE_FAST", keyMaterial: Buffer.alloc(20) });
    yield* settle;
    const request = test.requests.pop();
    if (request?.circId !== circId) return yield* Effect.die(new Error("the peer's CREATE_FAST did not arrive"));
    return request.accept(signals);
  });

/** A train of cells that are told apart by their first four bytes. */
export const trainOf = (count: number, first = 0, command: number = ChannelCommand.RELAY): Train => {
  const slab = Buffer.alloc(slabBytes(count));
  for (let index = 0; index < count; index++) slab.writeUInt32BE(first + index, index * 509);
  return { command, count, slab };
};

/** The numbers of the cells of a train. */
export const numbersOf = (train: Train): ReadonlyArray<number> =>
  Array.from({ length: train.count }, (_, index) => train.slab.readUInt32BE(index * 509));

/** Reads everything that has come in for a circuit, as the numbers of its cells. */
export const drainNumbers = (circuit: ChannelCircuit): ReadonlyArray<number> => {
  const numbers: Array<number> = [];
  for (let train = circuit.inbox.take(); train !== undefined; train = circuit.inbox.take()) {
    numbers.push(...numbersOf(train));
  }
  return numbers;
};
