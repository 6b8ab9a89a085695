import { assert, describe, it } from "@effect/vitest";
import { finalize, legStart, OrderedReceiver, SendSequence, type SetNumbers } from "../../src/index.ts";

const numbers = (sent: number, received: number): SetNumbers => ({ sent, received });

describe("where a leg starts", () => {
  it.each([
    ["a set that begins", numbers(0, 0), numbers(0, 0), numbers(0, 0)],
    ["a set at rest", numbers(10, 20), numbers(20, 10), numbers(10, 20)],
    ["cells of ours are on their way", numbers(15, 20), numbers(20, 10), numbers(10, 20)],
    ["cells of theirs are on their way", numbers(10, 20), numbers(26, 10), numbers(10, 20)],
    ["both", numbers(15, 20), numbers(26, 10), numbers(10, 20)],
    ["they have had more than we had sent when we said so", numbers(10, 20), numbers(20, 14), numbers(10, 20)],
  ])("%s", (_what, own, peer, start) => {
    assert.deepStrictEqual(legStart(own, peer), start);
    const other = legStart(peer, own);
    assert.deepStrictEqual([other.sent, other.received], [start.received, start.sent]);
  });

  it("is where a `tor` starts that was asked to link: at the numbers of LINK, whatever it answers", () => {
    // cfx_add_leg: last_seq_recv is LINK's LAST_SEQNO_SENT, last_seq_sent its LAST_SEQNO_RECV.
    const link = numbers(30, 40);
    const answers = [numbers(40, 30), numbers(47, 30), numbers(40, 33), numbers(47, 33)];
    for (const linked of answers) assert.deepStrictEqual(legStart(link, linked), link);
  });

  it("lets cells be numbered alike when LINK and LINKED crossed some", () => {
    const sender = new SendSequence();
    const receiver = new OrderedReceiver<object>();
    sender.addLeg(0, 0);
    receiver.sequence.addLeg(0, 0);
    sender.send(0, 10);
    const said = numbers(sender.sent, 0);
    receiver.receive(0, 4, 4, {}, 0);
    sender.send(0, 5);
    const answered = numbers(0, receiver.sequence.delivered);
    sender.addLeg(1, legStart(said, answered).sent);
    receiver.sequence.addLeg(1, legStart(answered, said).received);
    assert.isUndefined(receiver.sequence.onSwitch(1, sender.send(1, 1)));
    assert.strictEqual(receiver.receive(1, 1, 1, {}, 0), "held");
    assert.strictEqual(receiver.receive(0, 11, 11, {}, 0), "deliver");
    assert.isDefined(receiver.next());
    assert.strictEqual(receiver.sequence.delivered, 16);
  });
});

describe("a leg may join its set", () => {
  const attempt = (own: SetNumbers, peer: SetNumbers, now: SetNumbers, resumes = false, others = false) => {
    const result = finalize({ own, peer, now, others, resumes });
    return result._tag === "Linked" ? result.start : result.violation;
  };

  it("when it begins, and when nothing is missing", () => {
    assert.deepStrictEqual(attempt(numbers(0, 0), numbers(0, 0), numbers(0, 0)), numbers(0, 0));
    assert.deepStrictEqual(attempt(numbers(10, 20), numbers(20, 10), numbers(10, 20)), numbers(10, 20));
  });

  it("when what was on its way as it was asked has come since", () => {
    assert.deepStrictEqual(attempt(numbers(10, 20), numbers(26, 10), numbers(10, 26)), numbers(10, 20));
  });

  it("unless the other end has sent what has not come, if it cannot send it again", () => {
    assert.strictEqual(attempt(numbers(10, 20), numbers(26, 10), numbers(10, 25)), "data-lost");
    assert.deepStrictEqual(attempt(numbers(10, 20), numbers(26, 10), numbers(10, 25), true), numbers(10, 20));
  });

  it("when what has not come is on its way on another leg", () => {
    assert.deepStrictEqual(attempt(numbers(10, 20), numbers(26, 10), numbers(10, 20), false, true), numbers(10, 20));
    assert.strictEqual(attempt(numbers(10, 20), numbers(20, 11), numbers(10, 20), false, true), "received-unsent");
  });

  it("unless the other end has received what was never sent", () => {
    assert.strictEqual(attempt(numbers(10, 20), numbers(20, 11), numbers(10, 20), true), "received-unsent");
    assert.deepStrictEqual(attempt(numbers(10, 20), numbers(20, 11), numbers(11, 20)), numbers(10, 20));
  });

  it("unless it has numbers and its set has none", () => {
    assert.strictEqual(attempt(numbers(0, 0), numbers(1, 0), numbers(0, 0)), "data-lost");
    assert.strictEqual(attempt(numbers(0, 0), numbers(0, 1), numbers(0, 0)), "received-unsent");
  });
});
