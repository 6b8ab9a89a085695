import { RelayCommand } from "@allium/cell";
import { LINKED_ACK_TIMEOUT_US } from "@allium/conflux";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { aSecond } from "../../../../circuit/test/support/lab.ts";
import type { HostileInitiator } from "../case.ts";
import { linkBody, onLegs, unacknowledged, unlinked } from "./on-legs.ts";

const { CONFLUX_LINKED, CONFLUX_LINKED_ACK, CONFLUX_SWITCH } = RelayCommand;

/** What an exit makes of the rest of the handshake. */
export const ackCases: ReadonlyArray<HostileInitiator> = [
  {
    what: "no LINKED_ACK",
    rule: "ack-late",
    end: "the leg ends: TIMEOUT; its set goes on",
    play: (stage) =>
      Effect.gen(function* () {
        const other = yield* stage.leg();
        const leg = yield* stage.linked();
        yield* TestClock.adjust(LINKED_ACK_TIMEOUT_US / 1000);
        return [leg, other];
      }),
  },
  {
    what: "no LINKED_ACK on any leg",
    rule: "ack-late",
    end: "the set ends: TIMEOUT",
    play: (stage) =>
      Effect.gen(function* () {
        const legs = yield* Effect.all([stage.linked(), stage.linked()]);
        yield* TestClock.adjust((2 * LINKED_ACK_TIMEOUT_US) / 1000);
        return legs;
      }),
  },
  {
    what: "LINKED_ACK right behind LINK, before LINKED can have come: the leg seems fast",
    rule: { from: "ours; no end can tell, and it harms nobody else" },
    end: "ignored",
    play: unlinked((leg) => {
      leg.link();
      leg.ack();
    }),
  },
  {
    what: "LINKED_ACK on a circuit that has sent no LINK",
    rule: "ack-unasked",
    faults: ["CONFLUX_LINKED_ACK"],
    end: "the leg ends: PROTOCOL",
    play: unlinked((leg) => leg.ack()),
  },
  {
    what: "LINKED_ACK twice",
    rule: "second-ack",
    end: "the leg ends: PROTOCOL; its set goes on",
    play: onLegs((leg) => leg.ack()),
  },
  {
    what: "LINKED on a circuit that is no leg",
    rule: "linked-at-responder",
    faults: ["CONFLUX_LINKED"],
    end: "the leg ends: PROTOCOL",
    play: unlinked((leg) => leg.body(CONFLUX_LINKED, linkBody(50))),
  },
  {
    what: "LINKED on a leg",
    rule: "linked-at-responder",
    end: "the leg ends: PROTOCOL; its set goes on",
    play: onLegs((leg) => leg.body(CONFLUX_LINKED, linkBody(50))),
  },
  {
    what: "SWITCH on a circuit that is no leg",
    rule: "switch-unlinked",
    faults: ["CONFLUX_SWITCH"],
    end: "the leg ends: PROTOCOL",
    play: unlinked((leg) => leg.skip(1)),
  },
  {
    what: "SWITCH before LINKED_ACK",
    rule: "switch-before-ack",
    end: "the leg ends: PROTOCOL; its set goes on",
    play: unacknowledged((leg) => leg.skip(1)),
  },
  {
    what: "BEGIN before LINKED_ACK",
    rule: "stream-before-ack",
    end: "the leg ends: PROTOCOL; its set goes on",
    play: unacknowledged((leg) => leg.begin()),
  },
  {
    what: "DATA right behind LINK",
    rule: "stream-before-ack",
    end: "the leg ends: PROTOCOL",
    play: unlinked((leg) => {
      leg.link();
      leg.data(3);
    }),
  },
  {
    what: "SWITCH with two bytes",
    rule: "malformed",
    end: "the leg ends: PROTOCOL; its set goes on",
    play: onLegs((leg) => leg.body(CONFLUX_SWITCH, Buffer.alloc(2))),
  },
  {
    what: "SWITCH with the ID of a stream",
    rule: { from: "tor-spec, Relay cells" },
    end: "ignored",
    play: onLegs((leg) => leg.body(CONFLUX_SWITCH, Buffer.alloc(4, 1), 5)),
  },
  {
    what: "LINKED_ACK full of noise, which has no fields",
    rule: { from: "tor-spec, Relay cells" },
    end: "ignored",
    play: (stage) =>
      Effect.gen(function* () {
        const leg = yield* stage.linked();
        leg.body(CONFLUX_LINKED_ACK, Buffer.alloc(300, 7));
        yield* aSecond;
        return [leg];
      }),
  },
];
