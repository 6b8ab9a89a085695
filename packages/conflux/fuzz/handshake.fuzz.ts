import assert from "node:assert/strict";
import { type ConfluxLink, type ConfluxLinked, RelayCommand } from "@allium/cell";
import { Micros } from "@allium/circuit";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import {
  finalize,
  InitiatorLeg,
  isMultiplexed,
  type LegFacts,
  LINK_TIMEOUT_US,
  LINKED_ACK_TIMEOUT_US,
  ResponderLeg,
  type SetNumbers,
  violationOf,
  violationTable,
} from "../src/index.ts";

const { CONFLUX_LINK, CONFLUX_LINKED, CONFLUX_LINKED_ACK, CONFLUX_SWITCH, CONFLUX_REWIND } = RelayCommand;
const CONFLUX = [CONFLUX_LINK, CONFLUX_LINKED, CONFLUX_LINKED_ACK, CONFLUX_SWITCH, CONFLUX_REWIND];

const randomNumbers = (random: Random): SetNumbers => {
  const number = (): number => random.pick([0, 0, random.below(10), random.uint32(), Number.MAX_SAFE_INTEGER]);
  return { sent: number(), received: number() };
};

const wide = (random: Random): bigint =>
  random.pick([0n, BigInt(random.below(10)), 2n ** 53n - 1n, 2n ** 53n, 2n ** 64n - 1n]);

/** Both ends of a leg with a hostile network between: messages come twice, late, bent, and out of turn. */
const fuzzLeg = (random: Random): void => {
  const nonce = random.bytes(32);
  let nowUs = Micros(random.below(1000));
  const [offers, takes] = [random.oneIn(2), random.oneIn(2)];
  const initiator = new InitiatorLeg({ nonce, desiredUx: random.below(256), resumption: offers });
  const responder = new ResponderLeg({ desiredUx: random.below(256), resumption: takes });
  const toResponder: Array<ConfluxLink | "ack"> = [];
  const toInitiator: Array<ConfluxLinked> = [];
  const bend = <M extends ConfluxLink | ConfluxLinked>(message: M): { message: M; bent: boolean } => {
    if (!random.oneIn(10)) return { message, bent: false };
    const other = random.oneIn(2) ? random.bytes(32) : message.nonce;
    const changed = { ...message, nonce: other, lastSeqnoSent: wide(random), lastSeqnoReceived: wide(random) };
    return { message: changed, bent: true };
  };
  let [linkSentUs, linkedSentUs] = [0, 0];
  for (let step = random.below(20); step > 0; step--) {
    nowUs = Micros(nowUs + random.pick([0, 1, random.below(200_000), LINK_TIMEOUT_US - 1, LINK_TIMEOUT_US]));
    const states = { initiator: initiator.state, responder: responder.state };
    switch (random.below(5)) {
      case 0:
        if (initiator.state !== "unlinked") break;
        toResponder.push(initiator.link(randomNumbers(random), nowUs));
        linkSentUs = nowUs;
        break;
      case 1: {
        const next = toResponder.shift() ?? random.pick(["ack" as const, undefined]);
        if (next === undefined) break;
        if (next === "ack") {
          const violation = responder.onLinkedAck(nowUs);
          const inTime = nowUs - linkedSentUs < LINKED_ACK_TIMEOUT_US;
          assert.equal(violation === undefined, states.responder === "linked" && inTime);
          if (violation === undefined) assert.equal(responder.rttUs, Math.max(1, nowUs - linkedSentUs));
          break;
        }
        const { message } = bend(next);
        const tooHigh = message.lastSeqnoSent >= 2n ** 53n || message.lastSeqnoReceived >= 2n ** 53n;
        const violation = responder.onLink(message);
        if (violation === undefined) {
          assert.ok(!tooHigh);
          toInitiator.push(responder.linked(randomNumbers(random), nowUs));
          linkedSentUs = nowUs;
        }
        break;
      }
      case 2: {
        const next = toInitiator.shift();
        if (next === undefined) break;
        const { message, bent } = bend(next);
        const violation = initiator.onLinked(message, nowUs);
        if (violation === undefined) {
          assert.equal(initiator.resumption, offers && takes);
          assert.equal(responder.resumption, offers && takes);
          assert.equal(states.initiator, "linking");
          assert.ok(message.nonce.equals(nonce) && nowUs - linkSentUs < LINK_TIMEOUT_US);
          assert.equal(initiator.rttUs, Math.max(1, nowUs - linkSentUs));
          toResponder.push("ack");
        } else {
          assert.equal(initiator.state, states.initiator, "a violation changes nothing");
          assert.ok(
            bent || violation === "linked-late" || violation === "second-linked" || violation === "other-nonce",
          );
        }
        break;
      }
      case 3: {
        // A peer that doubles what it said, or says what it never did.
        const linked: ConfluxLinked = {
          _tag: "CONFLUX_LINKED",
          nonce: random.oneIn(2) ? nonce : random.bytes(32),
          lastSeqnoSent: wide(random),
          lastSeqnoReceived: wide(random),
          desiredUx: random.below(256),
        };
        if (initiator.state !== "linking") assert.notEqual(initiator.onLinked(linked, nowUs), undefined);
        if (responder.peerUx !== 0 || responder.state !== "unlinked")
          assert.equal(responder.onLink({ ...linked, _tag: "CONFLUX_LINK" }), "second-link");
        break;
      }
      default: {
        const waits = initiator.state === "linking";
        assert.equal(initiator.deadlineUs, waits ? linkSentUs + LINK_TIMEOUT_US : undefined);
        const acks = responder.state === "linked";
        assert.equal(responder.deadlineUs, acks ? linkedSentUs + LINKED_ACK_TIMEOUT_US : undefined);
      }
    }
  }
};

/** Any numbers: whoever may join starts where nothing is skipped that either end still needs, and both at the same place. */
const fuzzFinalize = (random: Random): void => {
  const [own, peer] = [randomNumbers(random), randomNumbers(random)];
  const more = { sent: own.sent + random.below(10), received: own.received + random.below(10) };
  const [others, resumes] = [random.oneIn(2), random.oneIn(2)];
  const joined = finalize({ own, peer, now: more, others, resumes });
  if (joined._tag === "Refused") {
    assert.equal(joined.violation, peer.received > more.sent ? "received-unsent" : "data-lost");
    assert.ok(violationTable[joined.violation].ends === "set");
    return;
  }
  assert.ok(peer.received <= more.sent && (others || resumes || peer.sent <= more.received));
  const other = finalize({ own: peer, peer: own, now: peer, others, resumes: true });
  if (other._tag !== "Linked") return;
  assert.deepEqual([joined.start.sent, joined.start.received], [other.start.received, other.start.sent]);
  assert.ok(joined.start.sent <= own.sent && joined.start.received <= own.received);
};

/** Any message in any state: conflux ones pass in one state each, streams when the leg is linked, at the hop where legs meet. */
const fuzzRules = (random: Random): void => {
  const common = { enabled: !random.oneIn(5), atJoinPoint: !random.oneIn(5) };
  const facts: LegFacts = random.oneIn(2)
    ? { ...common, role: "initiator", state: random.pick(["unlinked", "linking", "linked"] as const) }
    : {
        ...common,
        role: "responder",
        state: random.pick(["unlinked", "linked", "acknowledged"] as const),
        extended: random.oneIn(5),
        congestionControl: !random.oneIn(5),
        dirty: random.oneIn(5),
      };
  const command = random.oneIn(2) ? random.pick(CONFLUX) : random.below(256);
  const violation = violationOf(command, facts);
  const { role, state } = facts;
  const usable = facts.enabled && facts.atJoinPoint && (role === "initiator" || !facts.extended);
  const allowed =
    command === CONFLUX_LINK
      ? usable && role === "responder" && state === "unlinked" && facts.congestionControl && !facts.dirty
      : command === CONFLUX_LINKED
        ? usable && state === "linking"
        : command === CONFLUX_LINKED_ACK
          ? usable && role === "responder" && state === "linked"
          : command === CONFLUX_SWITCH || command === CONFLUX_REWIND
            ? usable && state === (role === "initiator" ? "linked" : "acknowledged")
            : !facts.atJoinPoint ||
              !(isMultiplexed(command)
                ? state === "linking" || (role === "responder" && state === "linked")
                : (command === RelayCommand.EXTEND || command === RelayCommand.EXTEND2) &&
                  role === "responder" &&
                  state !== "unlinked");
  assert.equal(violation === undefined, allowed, `${command} ${JSON.stringify(facts)}: ${violation}`);
  if (violation !== undefined) assert.equal(violationTable[violation].ends, "leg");
};

export const targets: ReadonlyArray<FuzzTarget> = [
  { name: "conflux/handshake", run: (random) => random.pick([fuzzLeg, fuzzFinalize, fuzzRules])(random) },
];
