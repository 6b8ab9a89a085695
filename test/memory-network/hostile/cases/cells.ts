import { ChannelCommand, DestroyReason, encodeChannelBody, encodeChannelMessage, encodeFixedCell } from "@allium/cell";
import type { Train } from "@allium/channel";
import { Effect } from "effect";
import { readBytes } from "../../../../packages/circuit/test/support/application.ts";
import { whileTimePasses } from "../../client.ts";
import type { CircuitStage, HostileCase } from "../case.ts";
import type { HostileCircuit, HostileOptions } from "../hostile-relay.ts";

const CELLS = "tor-spec, Relay cells";

/** Uses the circuit: a stream, and some bytes there and back, of which the hostile relay does something to every cell. */
const use = ({ at, open }: CircuitStage) =>
  Effect.gen(function* () {
    at.armed = true;
    const { connection } = yield* open;
    connection.write(Buffer.from("onion"));
    yield* whileTimePasses(Effect.timeoutOption(readBytes(connection, 5), "10 seconds"));
  }).pipe(Effect.catchCause(() => Effect.void));

/** What is done to the cells of a direction. */
const whenUsed = (
  direction: "backward" | "forward",
  change: (train: Train) => ReadonlyArray<Train>,
): HostileOptions => ({
  [direction]: (train: Train, { armed }: HostileCircuit) => (armed ? change(train) : [train]),
});

const flipped = (train: Train): Train => {
  const slab = Buffer.from(train.slab);
  slab[100] = (slab[100] as number) ^ 1;
  return { ...train, slab };
};

/** Says something on the channel, beside all circuits. */
const onChannel =
  (cell: (stage: CircuitStage) => Buffer): NonNullable<HostileCase["act"]> =>
  (stage) =>
    Effect.sync(() => stage.sendRaw(cell(stage)));

/** What a relay may not do with cells, and what it may do with a channel without any harm. */
export const cellCases: ReadonlyArray<HostileCase> = [
  {
    what: "sends a cell that no hop has sent",
    place: "guard",
    rule: CELLS,
    end: "the circuit ends: violation, RELAY",
    act: ({ at }) => Effect.sync(() => at.sendNoise()),
  },
  {
    what: "sends, as exit, a cell that no hop has sent",
    place: "exit",
    rule: CELLS,
    end: "the circuit ends: violation, RELAY",
    act: ({ at }) => Effect.sync(() => at.sendNoise()),
  },
  {
    what: "hands a cell on twice",
    place: "guard",
    rule: CELLS,
    end: "the circuit ends: violation, RELAY",
    options: whenUsed("backward", (train) => [train, { ...train, slab: Buffer.from(train.slab) }]),
    act: use,
  },
  {
    what: "changes a bit of a cell on its way to the client",
    place: "middle",
    rule: CELLS,
    end: "the circuit ends: violation, RELAY",
    options: whenUsed("backward", (train) => [flipped(train)]),
    act: use,
  },
  {
    what: "keeps a cell for itself that is for the client",
    place: "guard",
    rule: CELLS,
    end: "the circuit ends: violation, RELAY",
    options: () => {
      let kept = false;
      return {
        backward: (train, { armed }) => {
          const keeps = armed && !kept;
          kept ||= armed;
          return keeps ? [] : [train];
        },
      };
    },
    act: ({ at, open }) =>
      Effect.gen(function* () {
        at.armed = true;
        // The answer to the first stream is lost, and the second shows it.
        yield* Effect.forkScoped(Effect.ignore(open));
        yield* open;
      }).pipe(Effect.catchCause(() => Effect.void)),
  },
  {
    what: "changes a bit of a cell on its way to the exit, to find it again there",
    place: "guard",
    rule: "tor-spec, Relay cells; proposal 261, 1",
    // The exit destroys it, and the relay before the exit does not pass the reason on.
    end: "the circuit ends: DESTROY DESTROYED",
    options: whenUsed("forward", (train) => [flipped(train)]),
    act: use,
  },
  {
    what: "sends RELAY_EARLY towards the client",
    place: "guard",
    rule: "tor-spec, Handling relay_early cells",
    end: "the circuit ends: violation, RELAY_EARLY",
    act: ({ at }) => Effect.sync(() => at.send(0, { _tag: "DROP" }, ChannelCommand.RELAY_EARLY)),
  },
  {
    what: "hands a cell of the exit's on in RELAY_EARLY, which the guard sees",
    place: "middle",
    rule: "tor-spec, Handling relay_early cells",
    end: "the circuit ends: DESTROY PROTOCOL",
    options: whenUsed("backward", (train) => [{ ...train, command: ChannelCommand.RELAY_EARLY }]),
    act: use,
  },
  {
    what: "sends a relay cell for a circuit that there is not",
    place: "guard",
    rule: "tor-spec, Tearing down circuits",
    end: "ignored",
    act: onChannel(({ at }) => encodeFixedCell((at.near.circId ^ 1) >>> 0, ChannelCommand.RELAY, Buffer.alloc(509, 5))),
  },
  {
    what: "destroys a circuit that there is not",
    place: "guard",
    rule: "tor-spec, Tearing down circuits",
    end: "ignored",
    act: onChannel(({ at }) =>
      encodeChannelMessage((at.near.circId ^ 1) >>> 0, { _tag: "DESTROY", reason: DestroyReason.PROTOCOL }),
    ),
  },
  {
    what: "asks the client for a circuit",
    place: "guard",
    rule: "tor-spec, CREATE and CREATED cells",
    end: "ignored",
    act: onChannel(() =>
      encodeFixedCell(
        5,
        ChannelCommand.CREATE2,
        encodeChannelBody({ _tag: "CREATE2", handshakeType: 2, handshake: Buffer.alloc(84) }),
      ),
    ),
  },
  {
    what: "sends a cell of a kind that nobody knows",
    place: "guard",
    rule: "tor-spec, Cell Packet format",
    end: "ignored",
    act: onChannel(({ at }) => encodeFixedCell(at.near.circId, 99, Buffer.alloc(509))),
  },
  {
    what: "begins the link handshake again",
    place: "guard",
    rule: "tor-spec, Negotiating channels",
    end: "ignored",
    act: onChannel(() => Buffer.from(`00000000${"07"}00020004`, "hex")),
  },
  {
    what: "says once more who it is",
    place: "guard",
    rule: "tor-spec, CERTS cells",
    end: "the circuit ends: the channel closed",
    act: onChannel(() => Buffer.from(`00000000${"81"}000100`, "hex")),
  },
  {
    what: "destroys the circuit",
    place: "guard",
    rule: "tor-spec, Tearing down circuits",
    end: "the circuit ends: DESTROY CHANNEL_CLOSED",
    act: ({ at }) => Effect.sync(() => at.near.destroy(DestroyReason.CHANNEL_CLOSED)),
  },
  {
    what: "closes the channel",
    place: "guard",
    rule: "tor-spec, Tearing down circuits",
    end: "the circuit ends: the channel closed",
    act: ({ channel }) => Effect.sync(() => channel.close("shutdown")),
  },
];
