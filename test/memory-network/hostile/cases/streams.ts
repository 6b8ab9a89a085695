import { EndReason, RelayCommand, type RelayMessage } from "@allium/cell";
import { slabBytes } from "@allium/channel";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import type { CircuitStage, HostileCase } from "../case.ts";

const STREAMS = "tor-spec, Opening streams and transferring data";
const CLOSING = "tor-spec, Closing streams";
const FLOW = "tor-spec, Flow control";

const CONNECTED = { _tag: "CONNECTED", resolved: undefined } as const;
const DATA = { _tag: "DATA", data: Buffer.alloc(100) } as const;
const END = { _tag: "END", reason: EndReason.DONE, resolved: undefined } as const;

/** With a stream open, which the hostile relay knows by its ID if it is the exit. */
const onStream = (say: (stage: CircuitStage) => void) => (stage: CircuitStage) =>
  Effect.gen(function* () {
    yield* stage.open;
    say(stage);
  });

/** With a stream open, on which the client has sent so many cells. */
const onceSent = (cells: number, say: (stage: CircuitStage) => void) => (stage: CircuitStage) =>
  Effect.gen(function* () {
    const { connection } = yield* stage.open;
    connection.write(Buffer.alloc(cells * 498));
    yield* TestClock.adjust("1 second");
    say(stage);
  });

/** With one that was asked for, and has no answer yet. */
const onAsked = (say: (stage: CircuitStage) => void) => (stage: CircuitStage) =>
  Effect.gen(function* () {
    yield* Effect.forkScoped(Effect.ignore(Effect.catchCause(stage.open, () => Effect.void)));
    yield* TestClock.adjust("1 second");
    say(stage);
  });

/** An exit that answers no BEGIN by itself. */
const mute: HostileCase["options"] = { onMessage: (_circuit, _streamId, { _tag }) => _tag === "BEGIN" };

/** A message that the exit says on the stream that is open. */
const exitSays = (what: string, rule: string, end: string, ...messages: ReadonlyArray<RelayMessage>): HostileCase => ({
  what,
  place: "exit",
  rule,
  end,
  act: onStream(({ at }) => {
    for (const message of messages) at.send(at.lastStream, message);
  }),
});

/** A message that a relay in between says as if it were the exit. */
const intruderSays = (what: string, place: "guard" | "middle", end: string, message: RelayMessage): HostileCase => ({
  what,
  place,
  rule: "tor-spec, Relay cells",
  end,
  // The ID that it has guessed: that of the first stream is drawn, and any will do.
  act: onStream(({ at }) => at.send(9, message)),
});

/** What a relay may not do with streams. */
export const streamCases: ReadonlyArray<HostileCase> = [
  intruderSays("sends data, as guard, as if it were the exit", "guard", "the circuit ends: violation, DATA", DATA),
  intruderSays("ends a stream, as middle, that is the exit's", "middle", "the circuit ends: violation, END", END),
  intruderSays("connects a stream, as guard", "guard", "the circuit ends: violation, CONNECTED", CONNECTED),
  intruderSays("answers a look-up, as middle", "middle", "the circuit ends: violation, RESOLVED", {
    _tag: "RESOLVED",
    answers: [],
  }),
  intruderSays("stops a stream, as guard, with XOFF", "guard", "the circuit ends: violation, XOFF", { _tag: "XOFF" }),
  {
    what: "acknowledges, as guard, cells that were for the exit",
    place: "guard",
    rule: FLOW,
    end: "the circuit ends: violation, SENDME",
    act: onceSent(60, ({ at }) => at.send(0, { _tag: "SENDME", version: 1, tag: Buffer.alloc(20, 1) })),
  },
  {
    what: "acknowledges, as exit, cells with a tag that proves nothing",
    place: "exit",
    rule: "tor-spec, SENDME cell format",
    end: "the circuit ends: violation, SENDME",
    act: onceSent(60, ({ at }) => at.send(0, { _tag: "SENDME", version: 1, tag: Buffer.alloc(20, 1) })),
  },
  {
    what: "acknowledges cells with the right tag, and then once more",
    place: "exit",
    rule: "tor-spec, SENDME cell format",
    end: "the circuit ends: violation, SENDME",
    act: onceSent(40, ({ at }) => {
      // BEGIN was the first cell that counts; every thirty-first has its tag kept.
      const tag = at.tags[30] as Buffer;
      at.send(0, { _tag: "SENDME", version: 1, tag });
      at.send(0, { _tag: "SENDME", version: 1, tag });
    }),
  },
  {
    what: "acknowledges cells that were never sent",
    place: "exit",
    rule: FLOW,
    end: "the circuit ends: violation, SENDME",
    act: ({ at }) => Effect.sync(() => at.send(0, { _tag: "SENDME", version: 1, tag: Buffer.alloc(20) })),
  },
  exitSays(
    "says XOFF on a stream on which nothing was sent",
    "proposal 324, 4.1",
    "the circuit ends: violation, flow control",
    {
      _tag: "XOFF",
    },
  ),
  exitSays("says XON before anything was sent", "proposal 324, 4.1", "the circuit ends: violation, flow control", {
    _tag: "XON",
    kilobytesPerSecond: 0,
  }),
  exitSays("connects a stream twice", STREAMS, "the circuit ends: violation, CONNECTED", CONNECTED),
  exitSays("ends a stream twice", CLOSING, "the circuit ends: violation, stream", END, END),
  exitSays("sends data on a stream that it has ended", CLOSING, "the circuit ends: violation, stream", END, DATA),
  exitSays("ends a stream for a reason that nobody knows", CLOSING, "ignored", { ...END, reason: 213 }),
  exitSays("sends data of no length", STREAMS, "ignored", { _tag: "DATA", data: Buffer.alloc(0) }),
  {
    what: "sends DROP on a stream",
    place: "exit",
    rule: "tor-spec, Relay cells",
    end: "the circuit ends: violation, RELAY cell",
    act: onStream(({ at }) => at.sendBody(at.lastStream, RelayCommand.DROP, Buffer.alloc(0))),
  },
  {
    what: "sends data before it has connected the stream",
    place: "exit",
    rule: STREAMS,
    end: "the circuit ends: violation, DATA",
    options: mute,
    act: onAsked(({ at }) => at.send(at.lastStream, DATA)),
  },
  {
    what: "answers BEGIN as a look-up is answered",
    place: "exit",
    rule: STREAMS,
    end: "the circuit ends: violation, RESOLVED",
    options: mute,
    act: onAsked(({ at }) => at.send(at.lastStream, { _tag: "RESOLVED", answers: [] })),
  },
  {
    what: "connects a stream with an address that is cut short",
    place: "exit",
    rule: STREAMS,
    end: "the circuit ends: violation, CONNECTED",
    options: mute,
    act: onAsked(({ at }) => at.sendBody(at.lastStream, RelayCommand.CONNECTED, Buffer.from("0a00", "hex"))),
  },
  {
    what: "sends data on a stream that there never was",
    place: "exit",
    rule: STREAMS,
    end: "the circuit ends: violation, stream",
    act: onStream(({ at }) => at.send(at.lastStream ^ 1, DATA)),
  },
  {
    what: "asks the client for a stream",
    place: "exit",
    rule: STREAMS,
    end: "the circuit ends: violation, BEGIN",
    act: ({ at }) => Effect.sync(() => at.sendBody(3, RelayCommand.BEGIN, Buffer.from("localhost:22\0"))),
  },
  {
    what: "asks the client to extend the circuit",
    place: "exit",
    rule: "tor-spec, EXTEND and EXTENDED cells",
    end: "the circuit ends: violation, EXTEND2",
    act: ({ at }) => Effect.sync(() => at.sendBody(0, RelayCommand.EXTEND2, Buffer.alloc(100))),
  },
  {
    what: "links the circuit to another, which nobody has asked for",
    place: "exit",
    rule: "proposal 329, 2.2",
    end: "the circuit ends: violation, CONFLUX_LINKED",
    act: ({ at }) =>
      Effect.sync(() => at.sendBody(0, RelayCommand.CONFLUX_LINKED, Buffer.concat([Buffer.of(1), Buffer.alloc(49)]))),
  },
  {
    what: "sends a message of a kind that nobody knows",
    place: "exit",
    rule: "tor-spec, Relay cells",
    end: "the circuit ends: violation, UNRECOGNIZED",
    act: ({ at }) => Effect.sync(() => at.sendBody(0, 200, Buffer.alloc(0))),
  },
  {
    what: "says that a message is longer than its cell",
    place: "exit",
    rule: "tor-spec, Relay cells",
    end: "the circuit ends: violation, RELAY cell",
    act: onStream(({ at }) => {
      const slab = Buffer.alloc(slabBytes(1));
      slab.writeUInt8(RelayCommand.DATA, 0);
      slab.writeUInt16BE(at.lastStream, 3);
      slab.writeUInt16BE(499, 9);
      at.sendPlain(slab);
    }),
  },
  {
    what: "says, as middle, that the circuit ends with it, in the middle of its use",
    place: "middle",
    rule: "tor-spec, Tearing down circuits",
    end: "the circuit ends: DESTROY CHANNEL_CLOSED",
    act: onStream(({ at }) => at.send(0, { _tag: "TRUNCATED", reason: 8 })),
  },
  {
    what: "floods the client with DROP",
    place: "exit",
    rule: "tor-spec, Link padding",
    end: "ignored",
    act: ({ at }) =>
      Effect.sync(() => {
        for (let cell = 0; cell < 2_000; cell++) at.send(0, { _tag: "DROP" });
      }),
  },
];
