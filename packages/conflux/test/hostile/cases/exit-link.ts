import { RelayCommand } from "@allium/cell";
import { Effect } from "effect";
import { aSecond } from "../../../../circuit/test/support/lab.ts";
import type { HostileInitiator } from "../case.ts";
import { nonceOf } from "../raw-leg.ts";
import { beside, linkBody, onLegs, unlinked } from "./on-legs.ts";

const { CONFLUX_LINK } = RelayCommand;

/** Conflux that is switched off when there are so many legs. */
const offAfter = (legs: number) => () => {
  let asked = 0;
  return { accepts: () => ++asked <= legs };
};

/** Of those who keep the rules and are linked first. */
const NEIGHBOURS_LEGS = 2;

/** What an exit makes of LINK. */
export const linkCases: ReadonlyArray<HostileInitiator> = [
  {
    what: "LINK where conflux has been switched off",
    rule: "conflux-off",
    config: offAfter(NEIGHBOURS_LEGS),
    end: "the leg ends: PROTOCOL",
    play: unlinked((leg) => leg.link()),
  },
  {
    what: "LINK on a circuit with windows of fixed size",
    rule: "no-congestion-control",
    end: "the leg ends: PROTOCOL",
    play: (stage) =>
      Effect.map(stage.openFixed, (leg) => {
        leg.link();
        return [leg];
      }),
  },
  {
    what: "LINK on a circuit that has a stream",
    rule: "dirty-circuit",
    end: "the leg ends: PROTOCOL",
    play: (stage) =>
      Effect.gen(function* () {
        const leg = yield* stage.open();
        leg.begin();
        yield* aSecond;
        leg.link();
        return [leg];
      }),
  },
  {
    what: "LINK on a circuit whose stream has ended",
    rule: "dirty-circuit",
    end: "the leg ends: PROTOCOL",
    play: (stage) =>
      Effect.gen(function* () {
        const leg = yield* stage.open();
        leg.begin();
        yield* aSecond;
        leg.say({ _tag: "END", reason: 6, resolved: undefined }, 5);
        yield* aSecond;
        leg.link();
        return [leg];
      }),
  },
  {
    what: "LINK right behind BEGIN",
    rule: "dirty-circuit",
    end: "the leg ends: PROTOCOL",
    play: unlinked((leg) => {
      leg.begin();
      leg.link();
    }),
  },
  {
    what: "LINK on a circuit that goes on beyond this relay",
    rule: "further-hops",
    lab: { relays: 2 },
    end: "the leg ends: PROTOCOL",
    play: (stage) =>
      Effect.gen(function* () {
        const leg = yield* stage.open();
        leg.circuit.extend(0, stage.lab.relays[1]!.identity);
        yield* aSecond;
        leg.link();
        return [leg];
      }),
  },
  {
    what: "LINK twice, at once",
    rule: "second-link",
    end: "the leg ends: PROTOCOL",
    play: unlinked((leg) => {
      leg.link();
      leg.link();
    }),
  },
  {
    what: "LINK on a leg",
    rule: "second-link",
    end: "the leg ends: PROTOCOL; its set goes on",
    play: onLegs((leg) => leg.link()),
  },
  {
    what: "LINK on a leg, for another set",
    rule: "second-link",
    end: "the leg ends: PROTOCOL; its set goes on",
    play: onLegs((leg) => leg.link({ nonce: nonceOf(2) })),
  },
  {
    what: "LINK of version 0",
    rule: "unknown-version",
    faults: ["CONFLUX_LINK"],
    end: "the leg ends: PROTOCOL",
    play: unlinked((leg) => leg.body(CONFLUX_LINK, linkBody(50, 0))),
  },
  {
    what: "LINK of version 2",
    rule: "unknown-version",
    faults: ["CONFLUX_LINK"],
    end: "the leg ends: PROTOCOL",
    play: unlinked((leg) => leg.body(CONFLUX_LINK, linkBody(50, 2))),
  },
  {
    what: "LINK with nothing in it",
    rule: "malformed",
    faults: ["CONFLUX_LINK"],
    end: "the leg ends: PROTOCOL",
    play: unlinked((leg) => leg.body(CONFLUX_LINK, linkBody(0))),
  },
  {
    what: "LINK that is a byte too short",
    rule: "malformed",
    faults: ["CONFLUX_LINK"],
    end: "the leg ends: PROTOCOL",
    play: unlinked((leg) => leg.body(CONFLUX_LINK, linkBody(49))),
  },
  {
    what: "LINK with more behind it, as a later version might have",
    rule: { from: "tor-spec, Relay cells" },
    end: "ignored",
    play: (stage) =>
      Effect.gen(function* () {
        const leg = yield* stage.open();
        leg.body(CONFLUX_LINK, linkBody(400));
        yield* aSecond;
        leg.ack();
        yield* aSecond;
        return [leg];
      }),
  },
  {
    what: "LINK with the ID of a stream",
    rule: { from: "tor-spec, Relay cells" },
    end: "ignored",
    play: unlinked((leg) => leg.body(CONFLUX_LINK, linkBody(50), 5)),
  },
  {
    what: "LINK that wants a UX which nobody knows",
    rule: "unknown-ux",
    end: "ignored",
    play: (stage) =>
      Effect.gen(function* () {
        const leg = yield* stage.open();
        leg.link({ desiredUx: 200 });
        yield* aSecond;
        leg.ack();
        yield* aSecond;
        return [leg];
      }),
  },
  {
    what: "LINK that has sent 2⁶³ cells",
    rule: "number-overflow",
    end: "the leg ends: PROTOCOL",
    play: unlinked((leg) => leg.link({ lastSeqnoSent: 2n ** 63n })),
  },
  {
    what: "LINK that has received 2⁶⁴ - 1 cells, while its set has another leg",
    rule: "number-overflow",
    end: "the leg ends: PROTOCOL; its set goes on",
    play: beside((leg) => leg.link({ lastSeqnoReceived: 2n ** 64n - 1n })),
  },
  {
    what: "LINK that has sent what never came",
    rule: "data-lost",
    end: "the leg ends: PROTOCOL",
    play: unlinked((leg) => leg.link({ lastSeqnoSent: 1n })),
  },
  {
    what: "LINK that has sent 2⁵³ - 1 cells, while its set has another leg, which might bring them",
    rule: { from: "ours; `tor` ends the set" },
    end: "ignored",
    play: (stage) =>
      Effect.gen(function* () {
        const other = yield* stage.leg();
        const leg = yield* stage.open();
        leg.link({ lastSeqnoSent: 2n ** 53n - 1n });
        yield* aSecond;
        leg.ack();
        yield* aSecond;
        return [leg, other];
      }),
  },
  {
    what: "LINK that has sent cells which are on their way on another leg, and then come",
    rule: { from: "ours; `tor` ends the set" },
    end: "ignored",
    play: (stage) =>
      Effect.gen(function* () {
        const other = yield* stage.leg();
        const leg = yield* stage.open();
        leg.link({ lastSeqnoSent: 3n });
        yield* aSecond;
        leg.ack();
        other.data(3);
        yield* aSecond;
        return [other, leg];
      }),
  },
  {
    what: "LINK that has received what was never sent",
    rule: "received-unsent",
    end: "the leg ends: PROTOCOL",
    play: unlinked((leg) => leg.link({ lastSeqnoReceived: 1n })),
  },
  {
    what: "LINK that has received what was never sent, while its set has another leg",
    rule: "received-unsent",
    end: "the set ends: PROTOCOL, its other legs: FINISHED",
    play: beside((leg) => leg.link({ lastSeqnoReceived: 1n })),
  },
];
