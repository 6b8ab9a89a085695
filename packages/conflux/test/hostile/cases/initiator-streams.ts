import { EndReason, type RelayMessage } from "@allium/cell";
import type { OpenStream } from "@allium/circuit";
import { assert } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import type { HostileCircuit } from "../../../../../test/memory-network/hostile/hostile-relay.ts";
import type { HostileResponder } from "../case.ts";
import { CONNECTED, type InitiatorStage } from "../initiator-stage.ts";

const STREAMS = "tor-spec, Opening streams and transferring data";
const END = { _tag: "END", reason: EndReason.DONE, resolved: undefined } as const;
const DATA = { _tag: "DATA", data: Buffer.alloc(100) } as const;

/** Says something on a leg; an effect, if it takes time. */
type Act = (stage: InitiatorStage, leg: HostileCircuit, other: HostileCircuit, stream: OpenStream) => unknown;

/** With a stream open, whose BEGIN came on `leg`. What is done is done there, or on the other one. */
const withStream =
  (act: Act, which: "leg" | "other" = "leg") =>
  (stage: InitiatorStage): Effect.Effect<number> =>
    Effect.gen(function* () {
      yield* stage.linked;
      const stream = yield* stage.open;
      const { at } = stage;
      const number = at[0].lastStream === 0 ? 1 : 0;
      const acting = act(stage, at[number], at[1 - number] as HostileCircuit, stream);
      if (Effect.isEffect(acting)) yield* acting as Effect.Effect<unknown>;
      return which === "leg" ? number : 1 - number;
    });

/** The exit says this on the second leg, numbered as it should be. */
const onOther = (
  what: string,
  where: string,
  end: string,
  ...messages: ReadonlyArray<RelayMessage>
): HostileResponder => ({
  what,
  rule: { from: STREAMS },
  faults: [where],
  end,
  play: withStream(({ say }, leg, other) => {
    for (const message of messages) say(other, leg.lastStream, message);
  }, "other"),
});

const SET = "the set ends: PROTOCOL";
const LEG = "the leg ends: PROTOCOL; its set goes on";

/** What a client makes of messages of streams and of circuits, when they come on legs. */
export const clientStreamCases: ReadonlyArray<HostileResponder> = [
  onOther("the exit connects a stream once on each leg", "CONNECTED", SET, CONNECTED),
  onOther("the exit ends a stream once on each leg", "stream", SET, END, END),
  onOther(
    "the exit sends data on the second leg for a stream that it has ended on the first",
    "stream",
    SET,
    END,
    DATA,
  ),
  onOther("the exit says XOFF on the second leg for a stream on which nothing was sent", "flow control", SET, {
    _tag: "XOFF",
  }),
  onOther("the exit says XON on the second leg before anything was sent", "flow control", SET, {
    _tag: "XON",
    kilobytesPerSecond: 0,
  }),
  onOther("the exit answers BEGIN on the second leg as a look-up is answered", "RESOLVED", SET, {
    _tag: "RESOLVED",
    answers: [],
  }),
  {
    what: "the exit sends data on the second leg for a stream that there never was",
    rule: { from: STREAMS },
    faults: ["stream"],
    end: SET,
    play: withStream(({ say }, leg, other) => say(other, leg.lastStream ^ 1, DATA), "other"),
  },
  {
    what: "the exit asks the client for a stream on a leg",
    rule: { from: STREAMS },
    faults: ["BEGIN"],
    end: SET,
    play: withStream(({ say }, leg) =>
      say(leg, 9, { _tag: "BEGIN", destination: { family: "name", address: "example.com" }, port: 80, flags: 0 }),
    ),
  },
  {
    what: "the exit asks the client to extend a leg",
    rule: { from: "tor-spec, EXTEND and EXTENDED cells" },
    faults: ["EXTENDED2"],
    end: LEG,
    play: withStream(
      (_stage, _leg, other) => other.send(0, { _tag: "EXTENDED2", handshake: Buffer.alloc(64) }),
      "other",
    ),
  },
  {
    what: "the exit acknowledges on a leg on which nothing was sent",
    rule: { from: "tor-spec, Flow control" },
    faults: ["SENDME"],
    end: LEG,
    play: withStream(
      (_stage, _leg, other) => other.send(0, { _tag: "SENDME", version: 1, tag: Buffer.alloc(20) }),
      "other",
    ),
  },
  {
    what: "the exit acknowledges on one leg what came on the other, with its tag",
    rule: { from: "tor-spec, SENDME cell format" },
    faults: ["SENDME"],
    end: "the set ends: PROTOCOL, its other legs: FINISHED",
    play: (stage) =>
      Effect.gen(function* () {
        yield* stage.linked;
        const { connection } = yield* stage.open;
        connection.write(Buffer.alloc(100_000));
        yield* TestClock.adjust("2 seconds");
        const { at } = stage;
        const cells = at.map(({ received }) =>
          received.flatMap(({ message }, index) => (message._tag === "DATA" ? [index] : [])),
        );
        const from = (cells[0]?.length ?? 0) >= 31 ? 0 : 1;
        const to = (1 - from) as 0 | 1;
        assert.isAtLeast(cells[from]?.length ?? 0, 31);
        at[to].send(0, { _tag: "SENDME", version: 1, tag: at[from].tags[cells[from]?.[30] as number] as Buffer });
        return to;
      }),
  },
  {
    what: "a middle says that a leg ends with it",
    rule: { from: "tor-spec, Tearing down circuits" },
    end: "its set goes on",
    options: { place: "middle" },
    play: (stage) =>
      Effect.map(stage.linked, () => {
        stage.at[0].send(0, { _tag: "TRUNCATED", reason: 9 });
        return 0;
      }),
  },
];
