import { EndReason } from "@allium/cell";
import { assert } from "@effect/vitest";
import { Effect } from "effect";
import { aSecond } from "../../../../circuit/test/support/lab.ts";
import type { HostileInitiator } from "../case.ts";
import type { ExitStage } from "../exit-stage.ts";
import { type RawLeg, STREAM } from "../raw-leg.ts";

const END = { _tag: "END", reason: EndReason.DONE, resolved: undefined } as const;

/** On two legs, of which the first has opened a stream. */
const withStream = (say: (leg: RawLeg, other: RawLeg) => void) => (stage: ExitStage) =>
  Effect.gen(function* () {
    const [leg, other] = yield* stage.legs;
    leg.begin();
    yield* aSecond;
    assert.strictEqual(leg.count("CONNECTED", STREAM) + other.count("CONNECTED", STREAM), 1);
    say(leg, other);
    return [leg, other];
  });

/** The same, and it is done on the second. */
const onOther = (say: (leg: RawLeg, other: RawLeg) => void) => (stage: ExitStage) =>
  Effect.map(withStream((other, leg) => say(leg, other))(stage), ([other, leg]) => [leg!, other!]);

/** The same, and the exit has sent DATA of so many cells on that stream. */
const withData = (cells: number, say: (from: RawLeg, other: RawLeg) => ReadonlyArray<RawLeg>) => (stage: ExitStage) =>
  Effect.gen(function* () {
    const legs = yield* stage.legs;
    const [leg, other] = legs;
    for (const one of legs) one.circuit.acknowledges = false;
    leg.begin();
    leg.data(cells, STREAM, 490);
    yield* aSecond;
    const [from, to] = leg.bytesOf(STREAM) > 0 ? [leg, other] : [other, leg];
    assert.isAbove(from.bytesOf(STREAM), 0);
    return say(from, to);
  });

const LEG_ENDS = "the leg ends: PROTOCOL; its set goes on";
const SET_ENDS = "the set ends: PROTOCOL, its other legs: FINISHED";

const sendme = (what: string, end: string, play: HostileInitiator["play"]): HostileInitiator => ({
  what,
  rule: { from: "tor-spec, Flow control" },
  faults: ["SENDME"],
  end,
  play,
});

const STREAMS = { from: "tor-spec, Opening streams and transferring data" };

/** What an exit makes of messages of streams and of circuits, when they come on legs. */
export const streamCases: ReadonlyArray<HostileInitiator> = [
  {
    what: "EXTEND2 on a leg",
    rule: "extend-linked",
    faults: ["EXTEND2"],
    lab: { relays: 2 },
    end: "the leg ends: PROTOCOL; its set goes on",
    play: (stage) =>
      Effect.map(stage.legs, ([leg, other]) => {
        leg.circuit.extend(0, stage.lab.relays[1]!.identity);
        return [leg, other];
      }),
  },
  {
    what: "TRUNCATE on a leg, which goes no further",
    rule: { from: "tor-spec, Tearing down circuits" },
    end: "ignored",
    play: (stage) =>
      Effect.gen(function* () {
        const [leg, other] = yield* stage.legs;
        leg.say({ _tag: "TRUNCATE" });
        yield* aSecond;
        assert.strictEqual(leg.count("TRUNCATED"), 1);
        return [leg, other];
      }),
  },
  {
    what: "BEGIN on both legs with the ID of one stream",
    rule: STREAMS,
    end: "ignored",
    play: onOther((leg) => {
      leg.skip(1);
      leg.begin();
    }),
  },
  {
    what: "BEGIN on another leg with the ID of a stream that has ended",
    rule: STREAMS,
    end: "ignored",
    play: (stage) =>
      Effect.gen(function* () {
        const [leg, other] = yield* stage.legs;
        leg.begin();
        yield* aSecond;
        leg.say(END, STREAM);
        other.skip(2);
        other.begin();
        yield* aSecond;
        assert.strictEqual(leg.count("CONNECTED", STREAM) + other.count("CONNECTED", STREAM), 2);
        return [other, leg];
      }),
  },
  {
    what: "END on another leg than BEGIN, ahead of DATA on the first: in its order",
    rule: { from: "proposal 329, 2.6" },
    end: "ignored",
    play: (stage) =>
      Effect.gen(function* () {
        const [leg, other] = yield* stage.legs;
        leg.begin();
        yield* aSecond;
        other.skip(3);
        other.say(END, STREAM);
        yield* aSecond;
        leg.data(2, STREAM, 40);
        yield* aSecond;
        assert.strictEqual(leg.bytesOf(STREAM) + other.bytesOf(STREAM), 80);
        return [other, leg];
      }),
  },
  {
    what: "END of a stream on both legs",
    rule: STREAMS,
    end: "ignored",
    play: onOther((leg, other) => {
      other.say(END, STREAM);
      leg.skip(2);
      leg.say(END, STREAM);
    }),
  },
  {
    what: "DATA for streams that there never were, on the second leg",
    rule: STREAMS,
    end: "ignored",
    play: onOther((leg) => {
      leg.skip(1);
      for (let id = 1000; id < 1500; id++) leg.data(1, id);
    }),
  },
  {
    what: "CONNECTED, which only exits send",
    rule: STREAMS,
    faults: ["CONNECTED"],
    end: "the set ends: PROTOCOL",
    play: withStream((leg) => leg.say({ _tag: "CONNECTED", resolved: undefined }, STREAM)),
  },
  {
    what: "BEGIN that cannot be read",
    rule: STREAMS,
    end: "ignored",
    play: (stage) =>
      Effect.map(stage.legs, ([leg, other]) => {
        leg.body(1, Buffer.from("no port"), STREAM);
        return [leg, other];
      }),
  },
  {
    what: "a thousand XOFFs, on another leg than the stream's DATA",
    rule: { from: "proposal 324, 4.1; exits do not look" },
    end: "ignored",
    play: onOther((leg) => {
      leg.skip(1);
      for (let sent = 0; sent < 1000; sent++) leg.say({ _tag: "XOFF" }, STREAM);
    }),
  },
  {
    what: "a thousand XONs, on legs in turn",
    rule: { from: "proposal 324, 4.1; exits do not look" },
    end: "ignored",
    play: withStream((leg, other) => {
      for (let sent = 0; sent < 1000; sent++) {
        const one = sent % 2 === 0 ? other : leg;
        one.skip(1);
        one.say({ _tag: "XON", kilobytesPerSecond: 1 }, STREAM);
      }
    }),
  },
  sendme(
    "SENDME for cells that were never sent",
    SET_ENDS,
    withStream((leg) => {
      leg.say({ _tag: "SENDME", version: 1, tag: Buffer.alloc(20) });
    }),
  ),
  sendme(
    "SENDME with a tag that proves nothing",
    SET_ENDS,
    withData(100, (from, other) => {
      from.say({ _tag: "SENDME", version: 1, tag: Buffer.alloc(20, 1) });
      return [from, other];
    }),
  ),
  sendme(
    "SENDME on another leg than the cells that it is for",
    LEG_ENDS,
    withData(100, (from, other) => {
      const cells = from.circuit.poll().filter(({ tag }) => tag === "DATA");
      other.say({ _tag: "SENDME", version: 1, tag: cells[30]!.sendmeTag });
      return [other, from];
    }),
  ),
  {
    what: "SENDME for a stream, which has none where congestion is controlled",
    rule: { from: "proposal 324, 4" },
    faults: ["flow control"],
    end: "the set ends: PROTOCOL",
    play: withStream((leg) => leg.body(5, Buffer.alloc(0), STREAM)),
  },
  {
    what: "messages that nobody knows, and DROP, between cells that count",
    rule: { from: "tor-spec, Relay cells" },
    end: "ignored",
    play: withStream((leg) => {
      for (let sent = 0; sent < 500; sent++) {
        leg.body(200, Buffer.alloc(10));
        leg.say({ _tag: "DROP" });
        if (sent % 50 === 0) leg.data(1);
      }
    }),
  },
  {
    what: "cells on a leg that has ended",
    rule: { from: "tor-spec, Tearing down circuits" },
    end: "its set goes on",
    play: onOther((leg) => {
      leg.leave();
      leg.skip(1);
      leg.data(100);
    }),
  },
];
