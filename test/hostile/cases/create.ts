import { ChannelCommand, HandshakeType } from "@allium/cell";
import { ntorV3ClientBegin, X25519KeyPair } from "@allium/crypto";
import type { HostileCase, HostileSubject } from "../case.ts";
import { create2Body, freshCircId, HostileCircuit, ntorRequest } from "../circuit.ts";
import { randomBytes } from "../identity.ts";
import { rawCell } from "../link-peer.ts";
import { type ChannelStage, comesOf, isServed, onChannel, outcomeOfCreate } from "../stage.ts";
import type { Target } from "../target.ts";

const PROTOCOL = "DESTROY PROTOCOL";
const IGNORED = "ignored";

/** One cell that asks for a circuit, and what comes back for its ID. */
const asking = (command: number, body: (target: Target) => Buffer, circId: () => number = freshCircId) =>
  onChannel(({ arena, peer }) => outcomeOfCreate(peer, circId(), command, body(arena.target)));

const create2 = (what: string, rule: string, answer: string, body: (target: Target) => Buffer): HostileCase => ({
  what,
  rule,
  answer,
  play: asking(ChannelCommand.CREATE2, body),
});

const v3Request = (target: Target, extensions: Buffer): Buffer =>
  ntorV3ClientBegin(
    { ed25519Identity: target.ed25519Id, onionKey: target.onionKey },
    X25519KeyPair.fromSecret(randomBytes(32)),
    extensions,
  ).request;

/** An ID of the relay's own half. */
let lastTheirs = 1_000;

/** A cell for the ID of a circuit that is there: nothing may come of it, least of all to that circuit. */
const onUsedId = (command: number, body: (stage: ChannelStage) => Buffer) =>
  onChannel(async (stage) => {
    const { peer, neighbour } = stage;
    const created = neighbour.created;
    neighbour.created = undefined;
    peer.sendCell(neighbour.circId, command, body(stage));
    const served = await isServed(neighbour);
    const answered = neighbour.created !== undefined;
    neighbour.created = created;
    return answered ? "answers" : served ? undefined : "its circuit is not served";
  });

const cases: ReadonlyArray<HostileCase> = [
  {
    what: "CREATE of the TAP handshake",
    rule: "tor-spec 5.1.3",
    answer: PROTOCOL,
    play: asking(ChannelCommand.CREATE, () => randomBytes(186)),
  },
  create2("CREATE2 with the type of TAP", "tor-spec 5.1", PROTOCOL, () =>
    create2Body(HandshakeType.TAP, randomBytes(186)),
  ),
  create2("CREATE2 with a type that nobody knows", "tor-spec 5.1", PROTOCOL, () => create2Body(99, randomBytes(84))),
  create2("CREATE2 whose handshake is longer than the cell", "tor-spec 5.1", PROTOCOL, () =>
    create2Body(HandshakeType.NTOR, randomBytes(505), 506),
  ),
  create2("CREATE2 with no handshake in it", "tor-spec 5.1", PROTOCOL, () =>
    create2Body(HandshakeType.NTOR, Buffer.alloc(0)),
  ),
  create2("ntor that is a byte short", "tor-spec 5.1.4", PROTOCOL, (target) =>
    create2Body(HandshakeType.NTOR, ntorRequest(target).subarray(0, -1)),
  ),
  create2("ntor that is a byte long", "tor-spec 5.1.4", PROTOCOL, (target) =>
    create2Body(HandshakeType.NTOR, Buffer.concat([ntorRequest(target), Buffer.of(0)])),
  ),
  create2("ntor for another identity", "tor-spec 5.1.4", PROTOCOL, (target) =>
    create2Body(HandshakeType.NTOR, ntorRequest({ ...target, rsaId: randomBytes(20) })),
  ),
  create2("ntor for an onion key that the relay does not have", "tor-spec 5.1.4", PROTOCOL, (target) =>
    create2Body(HandshakeType.NTOR, ntorRequest({ ...target, onionKey: randomBytes(32) })),
  ),
  create2("ntor whose key is zero", "tor-spec 5.1.4", PROTOCOL, (target) =>
    create2Body(HandshakeType.NTOR, Buffer.concat([ntorRequest(target).subarray(0, 52), Buffer.alloc(32)])),
  ),
  create2("ntor-v3 that is noise", "proposal 332", PROTOCOL, () =>
    create2Body(HandshakeType.NTOR_V3, randomBytes(130)),
  ),
  create2("ntor-v3 that is too short to be one", "proposal 332", PROTOCOL, () =>
    create2Body(HandshakeType.NTOR_V3, randomBytes(40)),
  ),
  create2("ntor-v3 with a flipped bit in its MAC", "proposal 332", PROTOCOL, (target) => {
    const request = v3Request(target, Buffer.of(0));
    request[request.length - 1] = (request.at(-1) ?? 0) ^ 1;
    return create2Body(HandshakeType.NTOR_V3, request);
  }),
  create2("ntor-v3 with extensions that are cut short", "proposal 332", PROTOCOL, (target) =>
    create2Body(HandshakeType.NTOR_V3, v3Request(target, Buffer.of(2, 1, 0, 1))),
  ),
  create2("ntor-v3 with bytes behind its extensions", "open", "CREATED2", (target) =>
    create2Body(HandshakeType.NTOR_V3, v3Request(target, Buffer.of(0, 1, 2, 3))),
  ),
  create2("ntor-v3 with an extension that nobody knows", "proposal 332", "CREATED2", (target) =>
    create2Body(HandshakeType.NTOR_V3, v3Request(target, Buffer.of(1, 200, 2, 1, 2))),
  ),
  create2("ntor-v3 that asks for congestion control twice", "proposal 324", "CREATED2", (target) =>
    create2Body(HandshakeType.NTOR_V3, v3Request(target, Buffer.of(2, 1, 0, 1, 0))),
  ),
  {
    what: "CREATE2 with an ID of the relay's half",
    rule: "tor-spec 5.1.1",
    answer: PROTOCOL,
    play: asking(
      ChannelCommand.CREATE2,
      (target) => create2Body(HandshakeType.NTOR, ntorRequest(target)),
      () => ++lastTheirs,
    ),
  },
  {
    what: "CREATE_FAST with an ID of the relay's half",
    rule: "tor-spec 5.1.1",
    answer: PROTOCOL,
    play: asking(
      ChannelCommand.CREATE_FAST,
      () => randomBytes(20),
      () => ++lastTheirs,
    ),
  },
  {
    what: "CREATE2 with circuit ID 0",
    rule: "tor-spec 5.1.1",
    answer: IGNORED,
    play: onChannel(async ({ arena, peer }) => {
      peer.sendCell(0, ChannelCommand.CREATE2, create2Body(HandshakeType.NTOR, ntorRequest(arena.target)));
      return undefined;
    }),
  },
  {
    what: "CREATE2 with the ID of a circuit that is there",
    rule: "open",
    answer: IGNORED,
    play: onUsedId(ChannelCommand.CREATE2, ({ arena }) => create2Body(HandshakeType.NTOR, ntorRequest(arena.target))),
  },
  {
    what: "CREATE_FAST with the ID of a circuit that is there",
    rule: "open",
    answer: IGNORED,
    play: onUsedId(ChannelCommand.CREATE_FAST, () => randomBytes(20)),
  },
  {
    what: "a malformed CREATE2 with the ID of a circuit that is there",
    rule: "open",
    answer: IGNORED,
    play: onUsedId(ChannelCommand.CREATE2, () => create2Body(HandshakeType.NTOR, randomBytes(505), 999)),
  },
  {
    what: "RELAY before the CREATE2 was answered",
    rule: "tor-spec 5.1",
    answer: PROTOCOL,
    play: onChannel(async ({ arena, peer, neighbour }) => {
      const circId = freshCircId();
      const early = new HostileCircuit(peer, circId);
      peer.send(
        rawCell(circId, ChannelCommand.CREATE2, create2Body(HandshakeType.NTOR, ntorRequest(arena.target))),
        rawCell(circId, ChannelCommand.RELAY, randomBytes(509)),
      );
      await comesOf({ arena, peer, neighbour }, () => early.destroyed !== undefined);
      return early.destroyed === 1 ? PROTOCOL : `created ${early.created !== undefined}, destroyed ${early.destroyed}`;
    }),
  },
  {
    what: "CREATE_FAST and DESTROY at once, two hundred times",
    rule: "tor-spec 5.4",
    answer: IGNORED,
    play: onChannel(async ({ peer }) => {
      for (let count = 0; count < 200; count++) {
        const circuit = new HostileCircuit(peer, freshCircId());
        peer.sendCell(circuit.circId, ChannelCommand.CREATE_FAST, randomBytes(20));
        peer.sendCell(circuit.circId, ChannelCommand.DESTROY, Buffer.of(0));
      }
      return undefined;
    }),
  },
];

/** Cells that ask for a circuit. */
export const create: HostileSubject = {
  title: "Asking for circuits",
  about:
    "The peer is a client with one circuit, the neighbour. A circuit that cannot be is refused with DESTROY; nothing else suffers.",
  cases,
};
