import { RelayCommand } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import {
  type ConfluxRule,
  type ConfluxViolationName,
  type InitiatorFacts,
  type LegFacts,
  type ResponderFacts,
  violationOf,
  violationTable,
} from "../../src/index.ts";

const client = (state: InitiatorFacts["state"], facts: Partial<InitiatorFacts> = {}): InitiatorFacts => ({
  role: "initiator",
  state,
  enabled: true,
  atJoinPoint: true,
  ...facts,
});
const exit = (state: ResponderFacts["state"], facts: Partial<ResponderFacts> = {}): ResponderFacts => ({
  role: "responder",
  state,
  enabled: true,
  atJoinPoint: true,
  extended: false,
  congestionControl: true,
  dirty: false,
  ...facts,
});

const refused: ReadonlyArray<readonly [ConfluxViolationName, keyof typeof RelayCommand, LegFacts]> = [
  ["conflux-off", "CONFLUX_LINK", exit("unlinked", { enabled: false })],
  ["conflux-off", "CONFLUX_LINKED", client("linking", { enabled: false })],
  ["conflux-off", "CONFLUX_SWITCH", exit("acknowledged", { enabled: false })],
  ["no-congestion-control", "CONFLUX_LINK", exit("unlinked", { congestionControl: false })],
  ["wrong-join-point", "CONFLUX_LINKED", client("linking", { atJoinPoint: false })],
  ["wrong-join-point", "CONFLUX_SWITCH", client("linked", { atJoinPoint: false })],
  ["wrong-join-point", "CONFLUX_LINK", exit("unlinked", { atJoinPoint: false })],
  ["link-at-initiator", "CONFLUX_LINK", client("unlinked")],
  ["further-hops", "CONFLUX_LINK", exit("unlinked", { extended: true })],
  ["further-hops", "CONFLUX_LINKED_ACK", exit("linked", { extended: true })],
  ["further-hops", "CONFLUX_SWITCH", exit("acknowledged", { extended: true })],
  ["dirty-circuit", "CONFLUX_LINK", exit("unlinked", { dirty: true })],
  ["second-link", "CONFLUX_LINK", exit("linked")],
  ["second-link", "CONFLUX_LINK", exit("acknowledged", { dirty: true })],
  ["linked-at-responder", "CONFLUX_LINKED", exit("linked")],
  ["linked-unasked", "CONFLUX_LINKED", client("unlinked")],
  ["second-linked", "CONFLUX_LINKED", client("linked")],
  ["ack-at-initiator", "CONFLUX_LINKED_ACK", client("linked")],
  ["ack-unasked", "CONFLUX_LINKED_ACK", exit("unlinked")],
  ["second-ack", "CONFLUX_LINKED_ACK", exit("acknowledged")],
  ["switch-unlinked", "CONFLUX_SWITCH", client("unlinked")],
  ["switch-unlinked", "CONFLUX_SWITCH", client("linking")],
  ["switch-unlinked", "CONFLUX_SWITCH", exit("unlinked")],
  ["switch-before-ack", "CONFLUX_SWITCH", exit("linked")],
  ["stream-before-linked", "CONNECTED", client("linking")],
  ["stream-before-ack", "BEGIN", exit("linked")],
  ["stream-before-ack", "DATA", exit("linked")],
  ["extend-linked", "EXTEND2", exit("linked")],
  ["extend-linked", "EXTEND", exit("acknowledged")],
];

const allowed: ReadonlyArray<readonly [keyof typeof RelayCommand, LegFacts]> = [
  ["CONFLUX_LINK", exit("unlinked")],
  ["CONFLUX_LINKED", client("linking")],
  ["CONFLUX_LINKED_ACK", exit("linked")],
  ["CONFLUX_SWITCH", client("linked")],
  ["CONFLUX_SWITCH", exit("acknowledged")],
  ["DATA", client("linked")],
  ["DATA", client("unlinked")],
  ["DATA", client("linking", { atJoinPoint: false })],
  ["BEGIN", exit("acknowledged")],
  ["BEGIN", exit("unlinked")],
  ["BEGIN_DIR", exit("linked")],
  ["SENDME", exit("linked")],
  ["SENDME", client("linking")],
  ["EXTEND2", exit("unlinked")],
  ["DROP", exit("acknowledged", { enabled: false })],
];

describe("messages on a circuit that is, or may become, a leg", () => {
  it.each(refused)("%s: %s", (violation, name, facts) => {
    assert.strictEqual(violationOf(RelayCommand[name], facts), violation);
  });

  it.each(allowed)("allowed: %s", (name, facts) => {
    assert.isUndefined(violationOf(RelayCommand[name], facts));
  });

  it("are refused by every rule that is said to be noticed by messages, and by no other", () => {
    const rules = Object.entries(violationTable as Readonly<Record<string, ConfluxRule>>);
    const noticed = rules.filter(([, { by }]) => by === "messages").map(([name]) => name);
    assert.deepStrictEqual([...new Set(refused.map(([name]) => name as string))].sort(), noticed.sort());
  });
});
