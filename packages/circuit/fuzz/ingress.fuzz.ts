import assert from "node:assert/strict";
import { ChannelCommand, RelayCommand, relayCellV0 } from "@allium/cell";
import type { ChannelCircuit, Train } from "@allium/channel";
import { ClientCrypto, relayCrypto, splitKeyMaterial } from "@allium/crypto";
import { type LinkWriter, Signal } from "@allium/kernel";
import { Cause, Effect, Exit } from "effect";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { CircuitClosedByPeer, CircuitProtocolError } from "../src/errors.ts";
import {
  type EgressCommand,
  type HopFlow,
  makeIngress,
  type StreamPath,
  StreamPaths,
  type StreamTrain,
} from "../src/index.ts";

const PAYLOAD = 509;
/** The relay acknowledges each so many DATA cells. */
const INCREMENT = 5;
const MAX_EARLY = 8;
const MAX_TRAIN = 12;

/** Messages of the circuit that are handed to the handler, whatever they mean. */
const OF_CIRCUIT = [
  RelayCommand.DROP,
  RelayCommand.TRUNCATE,
  RelayCommand.EXTEND2,
  RelayCommand.PADDING_NEGOTIATE,
  200,
];
const OF_STREAMS = [RelayCommand.DATA, RelayCommand.DATA, RelayCommand.END, RelayCommand.SENDME, RelayCommand.XON];

/** A plain cell, and what has to come of it: events in order, or the end of the circuit. */
interface Drawn {
  readonly plain: Buffer | undefined;
  readonly events: ReadonlyArray<string>;
  readonly isFatal?: boolean;
}

const cell = (command: number, streamId: number, length: number, data = Buffer.alloc(0)): Buffer => {
  const plain = Buffer.alloc(PAYLOAD);
  plain[0] = command;
  plain.writeUInt16BE(streamId, 3);
  plain.writeUInt16BE(length, 9);
  data.copy(plain, 11);
  return plain;
};

/** What a client, or somebody on the way, may send; with a model of what the relay knows. */
class Sender {
  private readonly random: Random;
  hasPath = false;
  private received = 0;

  constructor(random: Random) {
    this.random = random;
  }

  draw(): Drawn {
    const { random } = this;
    const streamId = 1 + random.below(3);
    const length = random.below(499);
    switch (random.below(12)) {
      case 0:
        // For the next relay.
        return { plain: undefined, events: ["passed on"] };
      case 1:
        return { plain: cell(random.pick([RelayCommand.DATA, RelayCommand.BEGIN]), 0, length), events: [] };
      case 2:
        return { plain: cell(random.pick([RelayCommand.DROP, RelayCommand.TRUNCATE]), streamId, length), events: [] };
      case 3: {
        const command = random.pick(OF_CIRCUIT);
        return { plain: cell(command, 0, length), events: [`circuit ${command}`] };
      }
      case 4: {
        const tag = Buffer.concat([Buffer.of(1, 0, 20), random.bytes(20)]);
        return { plain: cell(RelayCommand.SENDME, 0, 23, tag), events: ["acknowledged"] };
      }
      case 5:
        if (!random.oneIn(8)) return this.ofStream(RelayCommand.BEGIN, streamId, length);
        return random.oneIn(2)
          ? { plain: cell(RelayCommand.DROP, 0, 499 + random.below(60_000)), events: [], isFatal: true }
          : { plain: cell(RelayCommand.SENDME, 0, 20, Buffer.of(1, 0, 200)), events: [], isFatal: true };
      default:
        return this.ofStream(random.pick(OF_STREAMS), streamId, length);
    }
  }

  private ofStream(command: number, streamId: number, length: number): Drawn {
    this.hasPath ||= command === RelayCommand.BEGIN;
    const events = this.hasPath ? [`stream ${streamId} ${command}`] : [];
    if (command === RelayCommand.DATA && ++this.received % INCREMENT === 0) events.push("acknowledge");
    return { plain: cell(command, streamId, length), events };
  }
}

const positionsOfAcknowledgements = (events: ReadonlyArray<string>): Array<number> =>
  events.flatMap((event, index) => (event === "acknowledge" ? [index] : []));

/** Any cells in any trains, while whoever is next has room or has not: all go where they belong, in the order of their coming. */
const fuzzIngress = (random: Random): void => {
  const material = random.bytes(92);
  const client = new ClientCrypto();
  client.addHop(splitKeyMaterial(Buffer.from(material)));
  const relay = relayCrypto(splitKeyMaterial(material));
  const sender = new Sender(random);
  const expected: Array<string> = [];
  const trains: Array<Train> = [];
  let early = 0;
  let isFatal = false;
  for (let left = 1 + random.below(12); left > 0 && !isFatal; left--) {
    const count = 1 + random.below(random.pick([1, 4, MAX_TRAIN]));
    const command = random.oneIn(6) ? ChannelCommand.RELAY_EARLY : ChannelCommand.RELAY;
    const drawn: Array<Drawn> = [];
    early += command === ChannelCommand.RELAY_EARLY ? count : 0;
    if (early > MAX_EARLY) isFatal = true;
    else {
      while (drawn.length < count && !isFatal) {
        const next = sender.draw();
        drawn.push(next);
        isFatal = next.isFatal === true;
        expected.push(...next.events);
      }
    }
    while (drawn.length < count) drawn.push({ plain: undefined, events: [] });
    const slab = Buffer.concat(
      drawn.map(({ plain }) => {
        if (plain === undefined) {
          // Anything at all, but nothing that looks as if it were recognised.
          const noise = random.bytes(PAYLOAD);
          noise[1] = 1;
          return noise;
        }
        client.outbound.originate(plain, 0, 0);
        return plain;
      }),
    );
    trains.push({ command, count, slab: client.outbound.encrypt(slab, count, 0) });
  }

  const events: Array<string> = [];
  let earlySeen = 0;
  const reader = relayCellV0.makeReader();
  const toStreams = ({ slab, from, to }: StreamTrain): void => {
    assert.ok(from < to && to * PAYLOAD <= slab.length);
    for (let index = from; index < to; index++) {
      reader.reset(slab, index);
      assert.ok(reader.next());
      events.push(`stream ${reader.streamId} ${reader.command}`);
    }
  };
  /** A link that has room, or has not at the moment. */
  const link = <Item>(take: (item: Item) => void) => {
    let asked = false;
    return {
      waitsForRoom: () => {
        asked = !random.oneIn(3);
        return !asked;
      },
      offerUnsafe: (item: Item) => {
        assert.ok(asked);
        asked = false;
        take(item);
        return true;
      },
    };
  };
  const paths = new StreamPaths(Signal.make());
  // Of a path, and of a link, ingress uses no more than this.
  const path = { inlet: link(toStreams), outlet: { wakes: () => Effect.void } } as unknown as StreamPath;
  const commands = link(({ _tag }: EgressCommand) => {
    if (_tag === "Acknowledge" || _tag === "Acknowledged") events.push(_tag.toLowerCase());
  }) as unknown as LinkWriter<EgressCommand>;
  let data = 0;
  const flow = {
    receiving: { onCellReceived: () => ++data % INCREMENT === 0, onSendmeSent: () => {} },
  } as unknown as HopFlow;
  const maybeLater = (act: () => void): Effect.Effect<void> | undefined => {
    if (random.oneIn(2)) return Effect.sync(act);
    act();
    return undefined;
  };
  const ingress = makeIngress({
    near: {
      inbox: {
        take: () => trains.shift(),
        ended: () => ({ _tag: "Destroyed", reason: 0 }),
      },
    } as unknown as ChannelCircuit,
    signal: Signal.make(),
    crypto: relay.inbound,
    hops: [flow],
    paths,
    handler: {
      dropsWrongStreamIds: true,
      onEarly: (count) => {
        earlySeen += count;
        if (earlySeen > MAX_EARLY) throw new CircuitProtocolError({ where: "RELAY_EARLY", detail: "too many" });
      },
      onUnrecognized: (_plain, from, to) =>
        maybeLater(() => {
          for (let index = from; index < to; index++) events.push("passed on");
        }),
      onMessage: (_hop, view) => {
        const { command } = view;
        return Effect.sync(() => void events.push(`circuit ${command}`));
      },
      onFirstStreamMessage: (hop, command) =>
        command === RelayCommand.BEGIN ? paths.install(hop, "direct", path) : Effect.void,
    },
  });
  const turn = ingress.wire({ commands }).turns?.begin();
  assert.ok(turn !== undefined);
  let exit: Exit.Exit<void, unknown> = Exit.void;
  // A turn that found a link full is followed by another.
  while (Exit.isSuccess(exit)) exit = Effect.runSyncExit(turn() ?? Effect.void);
  const error = Cause.findErrorOption(exit.cause);
  assert.ok(error._tag === "Some", String(exit.cause));
  const [came, due] = [events, expected].map((all) => all.filter((event) => event !== "acknowledge"));
  if (isFatal) {
    assert.ok(error.value instanceof CircuitProtocolError, String(exit.cause));
    // What was collected when the violation was met may be lost with it; nothing else, and nothing comes out of turn.
    assert.deepEqual(came, due?.slice(0, came?.length));
    assert.ok(expected.length - events.length <= MAX_TRAIN);
  } else {
    assert.ok(error.value instanceof CircuitClosedByPeer, String(exit.cause));
    assert.deepEqual(came, due);
    assert.equal(events.length, expected.length);
  }
  // Acknowledgements come with the end of the run that earned them.
  const [acknowledged, earned] = [events, expected].map(positionsOfAcknowledgements) as [Array<number>, Array<number>];
  for (const [index, at] of acknowledged.entries()) {
    const from = earned[index] as number;
    assert.ok(from <= at && at <= from + MAX_TRAIN, `acknowledgement ${index}: ${at}, of ${from}`);
  }
};

export const targets: ReadonlyArray<FuzzTarget> = [{ name: "ingress", run: fuzzIngress }];
