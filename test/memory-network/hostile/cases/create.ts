import { ChannelCommand, DestroyReason, encodeChannelBody, encodeResponseExtensions } from "@allium/cell";
import type { ChannelCircuit, CreateRequest } from "@allium/channel";
import { keyMaterialLength, ntorServer, ntorV3Server, tor1, X25519KeyPair } from "@allium/crypto";
import { Signal } from "@allium/kernel";
import type { MemoryRelay } from "../../relay.ts";
import type { HostileCase } from "../case.ts";

/** Answers a CREATE so. */
const answers =
  (answer: (near: ChannelCircuit, request: CreateRequest, relay: MemoryRelay) => void) =>
  (request: CreateRequest, relay: MemoryRelay): boolean => {
    answer(request.accept({ inbound: Signal.make() }), request, relay);
    return true;
  };

const created2 = (near: ChannelCircuit, handshake: Buffer): void =>
  near.sendCell(ChannelCommand.CREATED2, encodeChannelBody({ _tag: "CREATED2", handshake }));

/** The other half of an ntor-v3 handshake, made as it should be, with these extensions. */
const ntorV3 = (request: CreateRequest, relay: MemoryRelay, extensions: Buffer): Buffer => {
  const { message } = request;
  const handshake = message._tag === "CREATE2" ? message.handshake : Buffer.alloc(0);
  const ephemeral = X25519KeyPair.fromSecret(Buffer.alloc(32, 3));
  const length = keyMaterialLength(tor1);
  return ntorV3Server(relay.identity.server, handshake, ephemeral, () => extensions, length).reply;
};

const granting = (sendmeInc: number) =>
  answers((near, request, relay) =>
    created2(near, ntorV3(request, relay, encodeResponseExtensions([{ _tag: "CC_RESPONSE", sendmeInc }]))),
  );

const NTOR_V3 = "tor-spec, The ntor-v3 handshake";
const NTOR = "tor-spec, The ntor handshake";

/** What a relay may not answer to a CREATE. */
export const createCases: ReadonlyArray<HostileCase> = [
  {
    what: "answers CREATE2 with a proof of another key",
    place: "guard",
    rule: NTOR_V3,
    end: "no hop: its answer proves nothing",
    options: { onCreate: answers((near) => created2(near, Buffer.alloc(96, 9))) },
  },
  {
    what: "changes the last bit of its answer to CREATE2",
    place: "guard",
    rule: NTOR_V3,
    end: "no hop: its answer proves nothing",
    options: {
      onCreate: answers((near, request, relay) => {
        const reply = Buffer.from(ntorV3(request, relay, encodeResponseExtensions([])));
        reply[reply.length - 1] = (reply.at(-1) as number) ^ 1;
        created2(near, reply);
      }),
    },
  },
  {
    what: "cuts its answer to CREATE2 short",
    place: "guard",
    rule: NTOR_V3,
    end: "no hop: its answer proves nothing",
    options: { onCreate: answers((near) => created2(near, Buffer.alloc(3))) },
  },
  {
    what: "answers CREATE2 with nothing but zeros",
    place: "guard",
    rule: NTOR_V3,
    end: "no hop: its answer proves nothing",
    options: { onCreate: answers((near) => created2(near, Buffer.alloc(80))) },
  },
  {
    what: "answers an ntor handshake with a proof of another key",
    place: "guard",
    rule: NTOR,
    end: "no hop: its answer proves nothing",
    hop: (hop) => ({ ...hop, congestionControl: false }),
    options: {
      onCreate: answers((near, { message }, relay) => {
        const handshake = message._tag === "CREATE2" ? message.handshake : Buffer.alloc(0);
        const { reply } = ntorServer(
          relay.identity.server,
          handshake,
          X25519KeyPair.fromSecret(Buffer.alloc(32, 3)),
          keyMaterialLength(tor1),
        );
        created2(near, Buffer.concat([reply.subarray(0, 32), Buffer.alloc(32)]));
      }),
    },
  },
  {
    what: "answers an ntor handshake with a key of low order",
    place: "guard",
    rule: NTOR,
    end: "no hop: its answer proves nothing",
    hop: (hop) => ({ ...hop, congestionControl: false }),
    options: { onCreate: answers((near) => created2(near, Buffer.alloc(64))) },
  },
  {
    what: "answers CREATE2 with CREATED_FAST",
    place: "guard",
    rule: "tor-spec, CREATE and CREATED cells",
    end: "no hop: its answer proves nothing",
    options: { onCreate: answers((near) => near.sendCell(ChannelCommand.CREATED_FAST, Buffer.alloc(509))) },
  },
  {
    what: "answers CREATE_FAST with a wrong check of the key",
    place: "guard",
    rule: "tor-spec, CREATE_FAST and CREATED_FAST cells",
    end: "no hop: its answer proves nothing",
    hop: (hop) => ({ ...hop, onionKey: undefined }),
    options: { onCreate: answers((near) => near.sendCell(ChannelCommand.CREATED_FAST, Buffer.alloc(509, 1))) },
  },
  {
    what: "wants a SENDME for each 3 cells, which the consensus does not",
    place: "guard",
    rule: "proposal 324, 10.3",
    end: "no hop: its answer proves nothing",
    options: { onCreate: granting(3) },
  },
  {
    what: "wants a SENDME for each 0 cells",
    place: "guard",
    rule: "proposal 324, 10.3",
    end: "no hop: its answer proves nothing",
    options: { onCreate: granting(0) },
  },
  {
    what: "answers with extensions that cannot be read",
    place: "guard",
    rule: NTOR_V3,
    end: "no hop: its answer proves nothing",
    options: {
      onCreate: answers((near, request, relay) => created2(near, ntorV3(request, relay, Buffer.from("05ff01", "hex")))),
    },
  },
  {
    what: "refuses with DESTROY",
    place: "guard",
    rule: "tor-spec, Tearing down circuits",
    end: "no hop: DESTROY RESOURCELIMIT",
    options: {
      onCreate: (request) => {
        request.refuse(DestroyReason.RESOURCELIMIT);
        return true;
      },
    },
  },
  {
    what: "refuses with DESTROY, for a reason that nobody knows",
    place: "guard",
    rule: "tor-spec, Tearing down circuits",
    end: "no hop: DESTROY 200",
    options: {
      onCreate: (request) => {
        request.refuse(200);
        return true;
      },
    },
  },
  {
    what: "closes the channel when it is asked for a circuit",
    place: "guard",
    rule: "_open_",
    end: "no hop: the channel closed",
    options: {
      onCreate: ({ channel }) => {
        channel.close("shutdown");
        return true;
      },
    },
  },
  {
    what: "never answers CREATE2",
    place: "guard",
    rule: "path-spec, Learning when to give up on slow circuits",
    end: "nobody answers",
    options: { onCreate: answers(() => {}) },
  },
  {
    what: "sends data before it has answered CREATE2",
    place: "guard",
    rule: "tor-spec, CREATE and CREATED cells",
    end: "nobody answers",
    options: {
      onCreate: answers((near) =>
        near.outbox.push({ command: ChannelCommand.RELAY, count: 1, slab: Buffer.alloc(509) }),
      ),
    },
  },
  {
    what: "answers CREATE2 twice",
    place: "guard",
    rule: "tor-spec, CREATE and CREATED cells",
    end: "ignored",
    act: ({ at }) => created2Again(at.near),
  },
];

const created2Again = (near: ChannelCircuit): undefined => {
  created2(near, Buffer.alloc(96));
  return undefined;
};
