import { relayMessageReader, relayMessageTags } from "./codec.ts";

// Which messages travel which way (tor-spec 6.1; proposal 329 for CONFLUX_*, padding-spec 3 for PADDING_*):
//
// | way      | messages                                                                                             |
// | -------- | ---------------------------------------------------------------------------------------------------- |
// | forward  | BEGIN, BEGIN_DIR, RESOLVE, EXTEND, EXTEND2, TRUNCATE, PADDING_NEGOTIATE, CONFLUX_LINK, ..._LINKED_ACK |
// | backward | CONNECTED, RESOLVED, EXTENDED, EXTENDED2, TRUNCATED, PADDING_NEGOTIATED, CONFLUX_LINKED               |
// | both     | DATA, END, SENDME, DROP, XON, XOFF, CONFLUX_SWITCH, CONFLUX_REWIND, CONFLUX_LEG_ENDED                 |
const bothWays = [
  "DATA",
  "END",
  "SENDME",
  "DROP",
  "XON",
  "XOFF",
  "CONFLUX_SWITCH",
  "CONFLUX_REWIND",
  "CONFLUX_LEG_ENDED",
] as const;

/**
 * Reads a message that comes from the circuit's initiator: what a relay may receive.
 *
 * @throws CellError
 */
export const readForwardMessage = relayMessageReader("from the circuit's initiator", [
  ...bothWays,
  "BEGIN",
  "BEGIN_DIR",
  "RESOLVE",
  "EXTEND",
  "EXTEND2",
  "TRUNCATE",
  "PADDING_NEGOTIATE",
  "CONFLUX_LINK",
  "CONFLUX_LINKED_ACK",
]);

/** @see readForwardMessage */
export type ForwardMessage = ReturnType<typeof readForwardMessage>;

/**
 * Reads a message that comes from a hop: what a client may receive.
 *
 * @throws CellError
 */
export const readBackwardMessage = relayMessageReader("from a hop", [
  ...bothWays,
  "CONNECTED",
  "RESOLVED",
  "EXTENDED",
  "EXTENDED2",
  "TRUNCATED",
  "PADDING_NEGOTIATED",
  "CONFLUX_LINKED",
]);

/** @see readBackwardMessage */
export type BackwardMessage = ReturnType<typeof readBackwardMessage>;

/**
 * Reads a message of either way: for tools that look at recorded circuits. A circuit itself uses the reader of its role.
 *
 * @throws CellError
 */
export const readRelayMessage = relayMessageReader("anywhere", relayMessageTags);
