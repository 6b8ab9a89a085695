import { ChannelCommand } from "@allium/cell";
import type { HostileCase, HostileSubject } from "../case.ts";
import { createFast, freshCircId } from "../circuit.ts";
import { authenticateCell, certsCell, netinfoCell } from "../handshake.ts";
import { randomBytes } from "../identity.ts";
import { rawCell, variableCell } from "../link-peer.ts";
import { type ChannelStage, isServed, onChannel, PATIENCE_MS } from "../stage.ts";

const CLOSES = "closes the channel";
const IGNORED = "ignored";

/** Something sent on an open channel, without more ado. */
const sent = (cells: (stage: ChannelStage) => ReadonlyArray<Buffer>) =>
  onChannel(async (stage) => {
    stage.peer.send(...cells(stage));
    return undefined;
  });

const one = (
  what: string,
  rule: string,
  answer: string,
  cells: (stage: ChannelStage) => ReadonlyArray<Buffer>,
): HostileCase => ({
  what,
  rule,
  answer,
  play: sent(cells),
});

const negotiate = (body: ReadonlyArray<number>, circId = 0): Buffer =>
  rawCell(circId, ChannelCommand.PADDING_NEGOTIATE, Buffer.from(body));

const cases: ReadonlyArray<HostileCase> = [
  one("VERSIONS again", "tor-spec 4.1", IGNORED, () => [variableCell(ChannelCommand.VERSIONS, Buffer.of(0, 4))]),
  one("VERSIONS again, with nothing that the relay knows", "tor-spec 4.1", IGNORED, () => [
    variableCell(ChannelCommand.VERSIONS, Buffer.of(0, 99)),
  ]),
  one("VERSIONS again, with an odd number of bytes", "tor-spec 4.1", CLOSES, () => [
    variableCell(ChannelCommand.VERSIONS, Buffer.of(0, 4, 0)),
  ]),
  one("NETINFO again", "tor-spec 4.5", IGNORED, () => [netinfoCell()]),
  one("CERTS on an open channel", "tor-spec 4", CLOSES, ({ arena }) => [certsCell(arena.identity.link.initiatorCerts)]),
  one("AUTHENTICATE on an open channel", "tor-spec 4", CLOSES, ({ arena, peer }) => [
    authenticateCell(peer, arena.identity),
  ]),
  one("AUTH_CHALLENGE on an open channel", "tor-spec 4", CLOSES, () => [
    variableCell(ChannelCommand.AUTH_CHALLENGE, Buffer.concat([randomBytes(32), Buffer.of(0, 1, 0, 3)])),
  ]),
  one("AUTHORIZE on an open channel", "open", IGNORED, () => [variableCell(ChannelCommand.AUTHORIZE, randomBytes(10))]),
  one("a fixed-length command that nobody knows", "tor-spec 3", IGNORED, () => [rawCell(0, 99, randomBytes(509))]),
  one("a fixed-length command that nobody knows, on a circuit", "tor-spec 3", IGNORED, ({ neighbour }) => [
    rawCell(neighbour.circId, 99, randomBytes(509)),
  ]),
  one("a variable-length command that nobody knows", "tor-spec 3", IGNORED, () => [
    variableCell(200, randomBytes(300)),
  ]),
  one("a variable-length cell with nothing in it", "tor-spec 7.2", IGNORED, () => [
    variableCell(ChannelCommand.VPADDING, Buffer.alloc(0)),
  ]),
  one("VPADDING of 16 KiB", "tor-spec 7.2", IGNORED, () => [
    variableCell(ChannelCommand.VPADDING, randomBytes(16_384)),
  ]),
  one("VPADDING of 65535 bytes", "tor-spec 7.2", CLOSES, () => [
    variableCell(ChannelCommand.VPADDING, randomBytes(65_535)),
  ]),
  one("a variable-length command that nobody knows, of 65535 bytes", "open", CLOSES, () => [
    variableCell(200, randomBytes(65_535)),
  ]),
  one("PADDING on a circuit ID", "open", IGNORED, ({ neighbour }) => [
    rawCell(neighbour.circId, ChannelCommand.PADDING, Buffer.alloc(0)),
  ]),
  one("VPADDING on a circuit ID", "open", IGNORED, ({ neighbour }) => [
    variableCell(ChannelCommand.VPADDING, Buffer.alloc(9), neighbour.circId),
  ]),
  one("PADDING_NEGOTIATE of an unknown version", "padding-spec 2.2", IGNORED, () => [negotiate([7, 2, 0, 0, 0, 0])]),
  one("PADDING_NEGOTIATE with an unknown command", "padding-spec 2.2", IGNORED, () => [negotiate([0, 9, 0, 0, 0, 0])]),
  one("PADDING_NEGOTIATE with its times the wrong way round", "padding-spec 2.2", IGNORED, () => [
    negotiate([0, 2, 0xff, 0xff, 0, 1]),
  ]),
  one("PADDING_NEGOTIATE on a circuit ID", "open", IGNORED, ({ neighbour }) => [
    negotiate([0, 2, 0, 0, 0, 0], neighbour.circId),
  ]),
  one("RELAY for a circuit that does not exist", "tor-spec 5.4", IGNORED, () => [
    rawCell(freshCircId(), ChannelCommand.RELAY, randomBytes(509)),
  ]),
  one("RELAY_EARLY for a circuit that does not exist", "tor-spec 5.4", IGNORED, () => [
    rawCell(freshCircId(), ChannelCommand.RELAY_EARLY, randomBytes(509)),
  ]),
  one("RELAY with circuit ID 0", "tor-spec 5.1.1", IGNORED, () => [rawCell(0, ChannelCommand.RELAY, randomBytes(509))]),
  one("DESTROY for a circuit that does not exist", "tor-spec 5.4", IGNORED, () => [
    rawCell(freshCircId(), ChannelCommand.DESTROY, Buffer.of(1)),
  ]),
  one("DESTROY with circuit ID 0", "tor-spec 5.1.1", IGNORED, () => [rawCell(0, ChannelCommand.DESTROY, Buffer.of(1))]),
  one("DESTROY for an ID of the relay's half", "tor-spec 5.4", IGNORED, () => [
    rawCell(7, ChannelCommand.DESTROY, Buffer.of(1)),
  ]),
  {
    what: "DESTROY with a reason that nobody knows, and again, and RELAY after it",
    rule: "tor-spec 5.4",
    answer: IGNORED,
    play: onChannel(async ({ peer }) => {
      const circuit = await createFast(peer);
      peer.sendCell(circuit.circId, ChannelCommand.DESTROY, Buffer.of(255));
      peer.sendCell(circuit.circId, ChannelCommand.DESTROY, Buffer.of(0));
      peer.sendCell(circuit.circId, ChannelCommand.RELAY, randomBytes(509));
      return undefined;
    }),
  },
  {
    what: "a circuit ID used again as soon as its circuit was destroyed",
    rule: "tor-spec 5.4",
    answer: IGNORED,
    play: onChannel(async ({ peer }) => {
      const circuit = await createFast(peer);
      peer.sendCell(circuit.circId, ChannelCommand.DESTROY, Buffer.of(0));
      const second = await createFast(peer, circuit.circId);
      return (await isServed(second)) ? undefined : "the second is not served";
    }),
  },
  one("CREATED2 without a CREATE2", "tor-spec 5.1", IGNORED, () => [
    rawCell(7, ChannelCommand.CREATED2, Buffer.concat([Buffer.of(0, 64), randomBytes(64)])),
  ]),
  one("CREATED_FAST without a CREATE_FAST", "tor-spec 5.1", IGNORED, () => [
    rawCell(7, ChannelCommand.CREATED_FAST, randomBytes(40)),
  ]),
  one("CREATED without a CREATE", "tor-spec 5.1", IGNORED, () => [
    rawCell(7, ChannelCommand.CREATED, randomBytes(148)),
  ]),
  one(
    "CREATED2 for a circuit that the peer has asked for itself",
    "tor-spec 5.1",
    "the neighbour is destroyed",
    ({ neighbour }) => [
      rawCell(neighbour.circId, ChannelCommand.CREATED2, Buffer.concat([Buffer.of(0, 64), randomBytes(64)])),
    ],
  ),
  one("CREATED2 longer than its cell, for no circuit", "open", IGNORED, () => [
    rawCell(7, ChannelCommand.CREATED2, Buffer.of(2, 100)),
  ]),
  one("CREATED2 with circuit ID 0", "open", IGNORED, () => [
    rawCell(0, ChannelCommand.CREATED2, Buffer.concat([Buffer.of(0, 64), randomBytes(64)])),
  ]),
  {
    what: "the channel closes in the middle of a cell",
    rule: "open",
    answer: CLOSES,
    play: onChannel(async ({ peer }) => {
      peer.send(rawCell(freshCircId(), ChannelCommand.CREATE_FAST, randomBytes(20)).subarray(0, 300));
      peer.socket.end();
      await peer.closes(PATIENCE_MS);
      return undefined;
    }),
  },
];

/** What is sent on an open channel, other than asking for circuits. */
export const channel: HostileSubject = {
  title: "An open channel",
  about:
    "The peer is a client with one circuit, the neighbour. What concerns no circuit is ignored or closes the channel; no other channel notices.",
  cases,
};
