import assert from "node:assert/strict";
import { CellError, type Create2, type CreateFast, encodeRequestExtensions, HandshakeType } from "@allium/cell";
import {
  HandshakeError,
  keyMaterialLength,
  ntorV3ClientBegin,
  ntorV3ClientEnd,
  splitKeyMaterial,
  tor1,
  X25519KeyPair,
} from "@allium/crypto";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { answerCreate, congestionParams, UnknownHandshake } from "../src/index.ts";

const keyPair = (fill: number) => X25519KeyPair.fromSecret(Buffer.alloc(32, fill));
const keys = {
  rsaIdentity: Buffer.alloc(20, 1),
  ed25519Identity: Buffer.alloc(32, 2),
  onionKeys: [keyPair(3), keyPair(4)],
};
const target = { ...keys, onionKey: keys.onionKeys[0]!.publicKey };
const congestion = congestionParams(() => undefined, "exit");
const asking = encodeRequestExtensions([{ _tag: "CC_REQUEST" }]);

/** What a client says inside of its handshake: it is well encrypted, whatever it is. */
const inner = (random: Random): Buffer => {
  switch (random.below(4)) {
    case 0:
      return asking;
    case 1:
      return random.bytes(random.below(64));
    default:
      return random.mutate(asking);
  }
};

/** A CREATE of any kind, and how the client that sent it would go on, if it was a good one. */
const draw = (random: Random) => {
  const handshake = ntorV3ClientBegin(target, keyPair(5), inner(random));
  if (random.oneIn(8)) {
    const message: CreateFast = { _tag: "CREATE_FAST", keyMaterial: random.bytes(20) };
    return { message, state: undefined };
  }
  const isChanged = random.oneIn(3);
  const message: Create2 = {
    _tag: "CREATE2",
    handshakeType: random.oneIn(8)
      ? random.below(0x10000)
      : random.pick([HandshakeType.NTOR_V3, HandshakeType.NTOR_V3, HandshakeType.NTOR]),
    handshake: isChanged ? random.mutate(handshake.request) : handshake.request,
  };
  const isGood = !isChanged && message.handshakeType === HandshakeType.NTOR_V3;
  return { message, state: isGood ? handshake.state : undefined };
};

/** Any CREATE is answered, or refused for its sender's fault; who asked in good order has the same keys. */
const answer = (random: Random): void => {
  const { message, state } = draw(random);
  const options = { keys, congestion, random: (length: number) => Buffer.alloc(length, 9) };
  let answered: ReturnType<typeof answerCreate>;
  try {
    answered = answerCreate(message, options);
  } catch (error) {
    if (error instanceof HandshakeError || error instanceof CellError || error instanceof UnknownHandshake) return;
    throw error;
  }
  assert.ok([congestion.fixedWindow, congestion.vegas].includes(answered.agreed), "nobody knows what was agreed");
  if (state === undefined) return;
  const length = answered.payload.readUInt16BE(0);
  const { material } = ntorV3ClientEnd(state, answered.payload.subarray(2, 2 + length), keyMaterialLength(tor1));
  assert.deepEqual(answered.keys, splitKeyMaterial(material));
};

export const targets: ReadonlyArray<FuzzTarget> = [{ name: "CREATE answered", run: answer }];
