import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import {
  fastClientEnd,
  fastServer,
  HandshakeError,
  ntorClientBegin,
  ntorClientEnd,
  ntorServer,
  ntorV3ClientBegin,
  ntorV3ClientEnd,
  ntorV3Server,
  X25519KeyPair,
} from "../src/index.ts";

const length = 92;
const keyPair = (fill: number) => X25519KeyPair.fromSecret(Buffer.alloc(32, fill));
const keys = {
  rsaIdentity: Buffer.alloc(20, 1),
  ed25519Identity: Buffer.alloc(32, 2),
  onionKeys: [keyPair(3), keyPair(4)],
};
const target = { ...keys, onionKey: keys.onionKeys[0]!.publicKey };
const ephemeral = keyPair(6);
const ntor = ntorClientBegin(target, keyPair(5));
const ntorReply = ntorServer(keys, ntor.request, ephemeral, length).reply;
const ntorV3 = ntorV3ClientBegin(target, keyPair(5), Buffer.from([1, 1, 0]));
const ntorV3Reply = ntorV3Server(keys, ntorV3.request, ephemeral, (message) => message, length).reply;
const fastReply = fastServer(Buffer.alloc(20, 7), Buffer.alloc(20, 8), length).reply;

/** Whether the peer accepts; its own errors are refusals, all others are findings. */
const accepted = (run: () => unknown): boolean => {
  try {
    run();
    return true;
  } catch (error) {
    if (error instanceof HandshakeError) return false;
    throw error;
  }
};

const near = (random: Random, valid: Uint8Array): Buffer =>
  random.oneIn(16) ? random.bytes(random.below(600)) : random.mutate(valid);

/** A message that authenticates itself must not be accepted when changed. */
const authenticated = (random: Random, valid: Buffer, run: (bytes: Buffer) => unknown): void => {
  const bytes = near(random, valid);
  if (accepted(() => run(bytes)) && !bytes.equals(valid)) throw new Error(`accepted: ${bytes.toString("hex")}`);
};

/** Targets: both sides of each circuit handshake on what the other may send. */
export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "crypto/ntor-server",
    // An ntor request proves nothing, so there is nothing to expect but an answer or a refusal.
    run: (random) => void accepted(() => ntorServer(keys, near(random, ntor.request), ephemeral, length)),
  },
  {
    name: "crypto/ntor-client",
    run: (random) => authenticated(random, ntorReply, (bytes) => ntorClientEnd(ntor.state, bytes, length)),
  },
  {
    name: "crypto/ntor-v3-server",
    run: (random) =>
      authenticated(random, ntorV3.request, (bytes) =>
        ntorV3Server(keys, bytes, ephemeral, (message) => message, length),
      ),
  },
  {
    name: "crypto/ntor-v3-client",
    run: (random) => authenticated(random, ntorV3Reply, (bytes) => ntorV3ClientEnd(ntorV3.state, bytes, length)),
  },
  {
    name: "crypto/fast-server",
    run: (random) => void accepted(() => fastServer(near(random, Buffer.alloc(20, 7)), Buffer.alloc(20, 8), length)),
  },
  {
    name: "crypto/fast-client",
    run: (random) => authenticated(random, fastReply, (bytes) => fastClientEnd(Buffer.alloc(20, 7), bytes, length)),
  },
];
