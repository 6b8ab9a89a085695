import { type ConfluxLinked, ConfluxUx } from "@allium/cell";
import { Micros } from "@allium/circuit";
import { assert, describe, it } from "@effect/vitest";
import { InitiatorLeg, LINK_TIMEOUT_US, LINKED_ACK_TIMEOUT_US, ResponderLeg } from "../../src/index.ts";

const nonce = Buffer.alloc(32, 1);
const none = { sent: 0, received: 0 };

const client = (timeoutUs?: number): InitiatorLeg =>
  new InitiatorLeg({
    nonce,
    desiredUx: ConfluxUx.HIGH_THROUGHPUT,
    ...(timeoutUs === undefined ? {} : { timeoutUs }),
  });
const exit = (): ResponderLeg => new ResponderLeg({ desiredUx: ConfluxUx.MIN_LATENCY });

const linked: ConfluxLinked = {
  _tag: "CONFLUX_LINKED",
  nonce,
  lastSeqnoSent: 0n,
  lastSeqnoReceived: 0n,
  desiredUx: ConfluxUx.MIN_LATENCY,
};

describe("the handshake of a leg", () => {
  it("tells both ends the numbers and wishes of the other, and each its round trip", () => {
    const [initiator, responder] = [client(), exit()];
    const link = initiator.link({ sent: 7, received: 8 }, Micros(1000));
    assert.deepStrictEqual(link, {
      _tag: "CONFLUX_LINK",
      nonce,
      lastSeqnoSent: 7n,
      lastSeqnoReceived: 8n,
      desiredUx: ConfluxUx.HIGH_THROUGHPUT,
    });
    assert.deepStrictEqual([initiator.state, initiator.deadlineUs], ["linking", Micros(1000 + LINK_TIMEOUT_US)]);

    assert.isUndefined(responder.onLink(link));
    assert.deepStrictEqual([responder.state, responder.deadlineUs], ["unlinked", undefined]);
    const answer = responder.linked({ sent: 9, received: 7 }, Micros(31_000));
    assert.deepStrictEqual([responder.state, responder.rttUs], ["linked", 0]);
    assert.strictEqual(responder.deadlineUs, Micros(31_000 + LINKED_ACK_TIMEOUT_US));
    assert.deepStrictEqual(responder.peer, { sent: 7, received: 8 });
    assert.strictEqual(responder.peerUx, ConfluxUx.HIGH_THROUGHPUT);

    assert.isUndefined(initiator.onLinked(answer, Micros(61_000)));
    assert.deepStrictEqual([initiator.state, initiator.rttUs, initiator.deadlineUs], ["linked", 60_000, undefined]);
    assert.deepStrictEqual(initiator.peer, { sent: 9, received: 7 });
    assert.strictEqual(initiator.peerUx, ConfluxUx.MIN_LATENCY);

    assert.isUndefined(responder.onLinkedAck(Micros(96_000)));
    assert.deepStrictEqual(
      [responder.state, responder.rttUs, responder.deadlineUs],
      ["acknowledged", 65_000, undefined],
    );
  });

  it.each([
    { offers: true, takes: true },
    { offers: true, takes: false },
    { offers: false, takes: true },
  ])("resumes if that is offered and taken: $offers, $takes", ({ offers, takes }) => {
    const initiator = new InitiatorLeg({ nonce, desiredUx: 0, resumption: offers });
    const responder = new ResponderLeg({ desiredUx: 0, resumption: takes });
    const link = initiator.link(none, Micros(0));
    assert.strictEqual("resumption" in link, offers);
    responder.onLink(link);
    const answer = responder.linked(none, Micros(0));
    assert.strictEqual("resumption" in answer, offers && takes);
    assert.isUndefined(initiator.onLinked(answer, Micros(1)));
    assert.deepStrictEqual([initiator.resumption, responder.resumption], [offers && takes, offers && takes]);
  });

  it("has measured a leg even if the clock stood still", () => {
    const [initiator, responder] = [client(), exit()];
    responder.onLink(initiator.link(none, Micros(5)));
    assert.isUndefined(initiator.onLinked(responder.linked(none, Micros(5)), Micros(5)));
    assert.isUndefined(responder.onLinkedAck(Micros(5)));
    assert.deepStrictEqual([initiator.rttUs, responder.rttUs], [1, 1]);
  });

  it("takes a wish that is not defined as it is", () => {
    const responder = exit();
    assert.isUndefined(responder.onLink({ ...linked, _tag: "CONFLUX_LINK", desiredUx: 200 }));
    assert.strictEqual(responder.peerUx, 200);
  });

  it("gives LINK and LINKED once", () => {
    const [initiator, responder] = [client(), exit()];
    assert.throws(() => responder.linked(none, Micros(0)), RangeError);
    responder.onLink(initiator.link(none, Micros(0)));
    assert.throws(() => initiator.link(none, Micros(0)), RangeError);
    responder.linked(none, Micros(0));
    assert.throws(() => responder.linked(none, Micros(0)), RangeError);
  });
});

describe("a client's leg refuses", () => {
  const linking = (): InitiatorLeg => {
    const leg = client();
    leg.link(none, Micros(0));
    return leg;
  };

  it("LINKED that it did not ask for", () => {
    assert.strictEqual(client().onLinked(linked, Micros(1)), "linked-unasked");
  });

  it("LINKED that takes an offer which it did not make", () => {
    assert.strictEqual(linking().onLinked({ ...linked, resumption: 0 }, Micros(1)), "resumption-unasked");
  });

  it("a second LINKED", () => {
    const leg = linking();
    leg.onLinked(linked, Micros(1));
    assert.strictEqual(leg.onLinked(linked, Micros(2)), "second-linked");
    assert.strictEqual(leg.rttUs, 1);
  });

  it("the LINKED of another set", () => {
    const leg = linking();
    const other = Buffer.from(nonce);
    other[31] = 0;
    assert.strictEqual(leg.onLinked({ ...linked, nonce: other }, Micros(1)), "other-nonce");
    assert.strictEqual(leg.state, "linking");
  });

  it.each([2n ** 53n, 2n ** 64n - 1n])("a number that no set can reach: %s", (number) => {
    assert.strictEqual(linking().onLinked({ ...linked, lastSeqnoSent: number }, Micros(1)), "number-overflow");
    assert.strictEqual(linking().onLinked({ ...linked, lastSeqnoReceived: number }, Micros(1)), "number-overflow");
  });

  it("a LINKED after a minute, or what it was given", () => {
    assert.isUndefined(linking().onLinked(linked, Micros(LINK_TIMEOUT_US - 1)));
    assert.strictEqual(linking().onLinked(linked, Micros(LINK_TIMEOUT_US)), "linked-late");
    const hasty = client(5000);
    hasty.link(none, Micros(100));
    assert.strictEqual(hasty.deadlineUs, Micros(5100));
    assert.strictEqual(hasty.onLinked(linked, Micros(5100)), "linked-late");
  });
});

describe("an exit's leg refuses", () => {
  const link = { ...linked, _tag: "CONFLUX_LINK" } as const;

  it("a second LINK, answered or not", () => {
    const leg = exit();
    leg.onLink(link);
    assert.strictEqual(leg.onLink(link), "second-link");
    leg.linked(none, Micros(0));
    assert.strictEqual(leg.onLink(link), "second-link");
  });

  it("a number that no set can reach", () => {
    assert.strictEqual(exit().onLink({ ...link, lastSeqnoSent: 2n ** 53n }), "number-overflow");
  });

  it("LINKED_ACK before LINKED, twice, and after a minute", () => {
    const leg = exit();
    assert.strictEqual(leg.onLinkedAck(Micros(0)), "ack-unasked");
    leg.onLink(link);
    assert.strictEqual(leg.onLinkedAck(Micros(0)), "ack-unasked");
    leg.linked(none, Micros(10));
    assert.strictEqual(leg.onLinkedAck(Micros(10 + LINKED_ACK_TIMEOUT_US)), "ack-late");
    assert.isUndefined(leg.onLinkedAck(Micros(11)));
    assert.strictEqual(leg.onLinkedAck(Micros(12)), "second-ack");
  });

  it("what comes later than it was told to wait", () => {
    const leg = new ResponderLeg({ desiredUx: 0, timeoutUs: 1000 });
    leg.onLink(link);
    leg.linked(none, Micros(0));
    assert.strictEqual(leg.onLinkedAck(Micros(1000)), "ack-late");
  });
});
