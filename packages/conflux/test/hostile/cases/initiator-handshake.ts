import { type ConfluxLinked, ConfluxUx, DestroyReason, EndReason, RelayCommand, type RelayMessage } from "@allium/cell";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import type { HostileResponder } from "../case.ts";
import { CONNECTED, type InitiatorOptions, type InitiatorStage } from "../initiator-stage.ts";

const LINKED: ConfluxLinked = {
  _tag: "CONFLUX_LINKED",
  nonce: Buffer.alloc(32, 1),
  lastSeqnoSent: 0n,
  lastSeqnoReceived: 0n,
  desiredUx: ConfluxUx.NO_OPINION,
};

/** Links the first leg, and then the second, whether that can be or not; done on the second. */
const second = ({ link, circuits }: InitiatorStage) =>
  Effect.gen(function* () {
    yield* link(circuits[0]);
    yield* link(circuits[1]);
    return 1;
  });

/** Links the first leg, whether that can be or not. */
const first = ({ link, circuits }: InitiatorStage) => Effect.as(link(circuits[0]), 0);

/** Says this on the first leg when both are linked. */
const once =
  (...messages: ReadonlyArray<RelayMessage>) =>
  ({ linked, at }: InitiatorStage) =>
    Effect.map(linked, () => {
      for (const message of messages) at[0].send(0, message);
      return 0;
    });

/** What is said to LINK on the second leg, other than it should be. */
const toSecond = (say: (answer: ConfluxLinked) => ReadonlyArray<RelayMessage>): InitiatorOptions => ({
  linked: (answer, _leg, number) => (number === 1 ? say(answer) : [answer]),
});

const LEG = "the leg ends: PROTOCOL; its set goes on";

/** What a client makes of LINKED, and of what is none. */
export const linkedCases: ReadonlyArray<HostileResponder> = [
  {
    what: "the exit says LINKED on a circuit that has sent no LINK",
    rule: "linked-unasked",
    faults: ["CONFLUX_LINKED"],
    end: LEG,
    play: ({ link, circuits, at }) =>
      Effect.map(link(circuits[1]), () => {
        at[0].send(0, LINKED);
        return 0;
      }),
  },
  {
    what: "the exit says LINKED twice",
    rule: "second-linked",
    end: LEG,
    options: toSecond((answer) => [answer, answer]),
    play: second,
  },
  {
    what: "the exit says LINKED once more, later",
    rule: "second-linked",
    end: LEG,
    play: once(LINKED),
  },
  {
    what: "the exit says LINKED with another nonce",
    rule: "other-nonce",
    end: LEG,
    options: toSecond((answer) => [{ ...answer, nonce: Buffer.alloc(32, 9) }]),
    play: second,
  },
  {
    what: "the exit swaps the nonces of two sets of one client",
    rule: "other-nonce",
    end: "the leg ends: PROTOCOL",
    options: () => {
      let waiting: ConfluxLinked | undefined;
      return {
        linked: (answer) => {
          const other = waiting;
          waiting = answer;
          return other === undefined ? [] : [other];
        },
      };
    },
    play: ({ link, circuits, client }) =>
      Effect.gen(function* () {
        const another = client.conflux.begin({ desiredUx: ConfluxUx.NO_OPINION });
        yield* Effect.forkScoped(Effect.ignore(another.link(circuits[0], 2)));
        yield* TestClock.adjust("1 second");
        yield* link(circuits[1]);
        circuits[0].stop("finished");
        return 1;
      }),
  },
  {
    what: "the exit answers one leg alone: after its time the set goes on with that",
    rule: "linked-late",
    end: "the leg ends: TIMEOUT; its set goes on",
    options: toSecond(() => []),
    play: second,
  },
  {
    what: "the exit answers no leg",
    rule: "linked-late",
    end: "the set ends: TIMEOUT",
    options: { linked: () => [] },
    play: second,
  },
  {
    what: "the exit says LINKED when its time is over",
    rule: "linked-late",
    end: "the leg ends: TIMEOUT; its set goes on",
    options: toSecond(() => []),
    play: (stage) =>
      Effect.tap(second(stage), () =>
        Effect.sync(() => {
          const asked = stage.at[1].received.find(({ message }) => message._tag === "CONFLUX_LINK")?.message;
          if (asked?._tag === "CONFLUX_LINK") stage.at[1].send(0, { ...asked, _tag: "CONFLUX_LINKED" });
        }),
      ),
  },
  {
    what: "the exit says, in the first LINKED, that it has sent what never came",
    rule: "data-lost",
    end: "the leg ends: PROTOCOL",
    options: { linked: (answer) => [{ ...answer, lastSeqnoSent: 1n }] },
    play: first,
  },
  {
    what: "the exit says, in LINKED, that it has received what was never sent",
    rule: "received-unsent",
    end: "the set ends: PROTOCOL, its other legs: FINISHED",
    options: toSecond((answer) => [{ ...answer, lastSeqnoReceived: 1n }]),
    play: second,
  },
  {
    what: "the exit says, in LINKED, that it has sent 2⁶³ cells",
    rule: "number-overflow",
    end: LEG,
    options: toSecond((answer) => [{ ...answer, lastSeqnoSent: 2n ** 63n }]),
    play: second,
  },
  {
    what: "the exit says, in LINKED, that it has received 2⁶⁴ - 1 cells",
    rule: "number-overflow",
    end: LEG,
    options: toSecond((answer) => [{ ...answer, lastSeqnoReceived: 2n ** 64n - 1n }]),
    play: second,
  },
  {
    what: "the exit says, in LINKED, that it has sent 2⁵³ - 1 cells, which might come on the other leg",
    rule: { from: "ours; `tor` ends the set" },
    end: "ignored",
    options: toSecond((answer) => [{ ...answer, lastSeqnoSent: 2n ** 53n - 1n }]),
    play: second,
  },
  {
    what: "the exit wants a UX which nobody knows",
    rule: "unknown-ux",
    end: "ignored",
    options: { linked: (answer) => [{ ...answer, desiredUx: 200 }] },
    play: second,
  },
  {
    what: "the exit says LINKED of version 2",
    rule: "unknown-version",
    faults: ["malformed"],
    end: LEG,
    options: {
      onMessage: (leg, _streamId, message) => {
        if (message._tag !== "CONFLUX_LINK" || !leg.armed) return false;
        const body = Buffer.alloc(50);
        body.writeUInt8(2, 0);
        leg.sendBody(0, RelayCommand.CONFLUX_LINKED, body);
        return true;
      },
    },
    play: (stage) => {
      stage.at[1].armed = true;
      return second(stage);
    },
  },
  {
    what: "the exit cuts LINKED short",
    rule: "malformed",
    end: LEG,
    options: {
      onMessage: (leg, _streamId, message) => {
        if (message._tag !== "CONFLUX_LINK" || !leg.armed) return false;
        leg.sendBody(0, RelayCommand.CONFLUX_LINKED, Buffer.alloc(49, 1));
        return true;
      },
    },
    play: (stage) => {
      stage.at[1].armed = true;
      return second(stage);
    },
  },
  {
    what: "the exit destroys the second leg in answer to LINK",
    rule: { from: "proposal 329, 4.2.2" },
    end: "its set goes on",
    options: {
      onMessage: (leg, _streamId, message) => {
        if (message._tag !== "CONFLUX_LINK" || !leg.armed) return false;
        leg.destroy(DestroyReason.RESOURCELIMIT);
        return true;
      },
    },
    play: (stage) => {
      stage.at[1].armed = true;
      return second(stage);
    },
  },
  {
    what: "the exit destroys a leg right behind LINKED",
    rule: { from: "proposal 329, 2.4.3" },
    end: "its set goes on",
    play: (stage) =>
      Effect.map(second(stage), () => {
        stage.at[1].destroy(DestroyReason.RESOURCELIMIT);
        return 1;
      }),
  },
  {
    what: "the exit says LINK to the client",
    rule: "link-at-initiator",
    end: LEG,
    play: once({ ...LINKED, _tag: "CONFLUX_LINK" }),
  },
  {
    what: "the exit says LINK on a circuit that is no leg",
    rule: "link-at-initiator",
    faults: ["CONFLUX_LINK"],
    end: LEG,
    play: ({ link, circuits, at }) =>
      Effect.map(link(circuits[1]), () => {
        at[0].send(0, { ...LINKED, _tag: "CONFLUX_LINK" });
        return 0;
      }),
  },
  {
    what: "the exit says LINKED_ACK to the client",
    rule: "ack-at-initiator",
    end: LEG,
    play: once({ _tag: "CONFLUX_LINKED_ACK" }),
  },
  {
    what: "the exit says SWITCH before LINKED",
    rule: "switch-unlinked",
    end: LEG,
    options: toSecond((answer) => [{ _tag: "CONFLUX_SWITCH", relativeSeqno: 1 }, answer]),
    play: second,
  },
  {
    what: "the exit ends a stream before LINKED",
    rule: "stream-before-linked",
    end: LEG,
    options: {
      onMessage: (leg, _streamId, message) => {
        if (message._tag === "CONFLUX_LINK" && leg.armed) {
          leg.send(9, { _tag: "END", reason: EndReason.DONE, resolved: undefined });
        }
        return false;
      },
    },
    play: (stage) => {
      stage.at[1].armed = true;
      return second(stage);
    },
  },
  {
    what: "the exit connects a stream on a leg before LINKED",
    rule: "stream-before-linked",
    end: LEG,
    options: {
      onMessage: (leg, _streamId, message) => {
        if (message._tag === "CONFLUX_LINK" && leg.armed) leg.send(9, CONNECTED);
        return false;
      },
    },
    play: (stage) => {
      stage.at[1].armed = true;
      return second(stage);
    },
  },
];

const middleSays = (
  what: string,
  place: "guard" | "middle",
  fault: string,
  message: RelayMessage,
): HostileResponder => ({
  what,
  rule: "wrong-join-point",
  faults: [fault],
  end: LEG,
  options: { place },
  play: once(message),
});

/** What a client makes of conflux from relays that are not where the legs meet. */
export const wrongHopCases: ReadonlyArray<HostileResponder> = [
  middleSays("a middle says LINKED", "middle", "CONFLUX_LINKED", LINKED),
  middleSays("a guard says LINKED", "guard", "CONFLUX_LINKED", LINKED),
  middleSays("a middle says LINK", "middle", "CONFLUX_LINK", { ...LINKED, _tag: "CONFLUX_LINK" }),
  middleSays("a middle says SWITCH", "middle", "CONFLUX_SWITCH", { _tag: "CONFLUX_SWITCH", relativeSeqno: 1 }),
  middleSays("a guard says SWITCH", "guard", "CONFLUX_SWITCH", { _tag: "CONFLUX_SWITCH", relativeSeqno: 2 ** 32 - 1 }),
  middleSays("a guard says LINKED_ACK", "guard", "CONFLUX_LINKED_ACK", { _tag: "CONFLUX_LINKED_ACK" }),
];
