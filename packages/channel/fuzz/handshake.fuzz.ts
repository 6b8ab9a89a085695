import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { CellDecoder, CellError, ChannelCommand, encodeFixedCell, encodeVariableCell } from "@allium/cell";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import {
  type HandshakeOptions,
  initiatorHandshake,
  type LinkHandshake,
  LinkHandshakeError,
  type LinkIdentity,
  responderHandshake,
} from "../src/index.ts";
import { makeIdentity, NOW } from "../test/support/identities.ts";

const INITIATOR = makeIdentity("initiator", 1);
const RESPONDER = makeIdentity("responder", 0);

const digestOf = (identity: LinkIdentity): Buffer =>
  identity.responderCerts.find(({ type }) => type === 5)!.body.subarray(7, 39);

const optionsOf = (random: Random, side: "initiator" | "responder"): HandshakeOptions => ({
  tls: {
    peerCertificateDigest: side === "initiator" ? digestOf(RESPONDER) : undefined,
    ownCertificateDigest: side === "responder" ? digestOf(RESPONDER) : undefined,
    exporter: (label, context, length) =>
      createHmac("sha256", "session").update(label).update(context).digest().subarray(0, length),
  },
  now: () => NOW,
  random: (length) => random.bytes(length),
  peerAddress: { family: 4, address: "10.0.0.1" },
  ownAddresses: [],
});

/** Feeds bytes to one side; returns what it answers, or `undefined` if it refused. */
const feed = (handshake: LinkHandshake, decoder: CellDecoder, bytes: Buffer): Buffer | undefined => {
  const answers: Array<Buffer> = [];
  try {
    decoder.push(bytes);
    while (handshake.result() === undefined && decoder.next()) answers.push(handshake.onCell(decoder));
  } catch (error) {
    if (error instanceof LinkHandshakeError || error instanceof CellError) return undefined;
    throw error;
  }
  return Buffer.concat(answers);
};

/** A cell that does not belong here, or is not well formed. */
const strayCell = (random: Random): Buffer => {
  const circId = random.pick([0, 0, 1, 0xffff_ffff]);
  const command = random.pick([...Object.values(ChannelCommand), random.below(256)]);
  const body = random.bytes(random.below(120));
  return command === 7 || command >= 128
    ? encodeVariableCell(circId, command, body)
    : encodeFixedCell(circId, command, body);
};

/** What is sent, bent somehow: most often not at all, so that conversations come far. */
const bend = (random: Random, bytes: Buffer): Buffer => {
  if (bytes.length === 0 || !random.oneIn(3)) return bytes;
  if (random.oneIn(2)) return random.mutate(bytes);
  const at = random.pick([0, bytes.length]);
  return Buffer.concat([bytes.subarray(0, at), strayCell(random), bytes.subarray(at)]);
};

export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "link handshake",
    run: (random) => {
      const identity = random.oneIn(3) ? undefined : INITIATOR;
      const one = initiatorHandshake(optionsOf(random, "initiator"), identity, {});
      const other = responderHandshake(optionsOf(random, "responder"), RESPONDER);
      const decoders = [new CellDecoder(), new CellDecoder()] as const;
      let toOther: Buffer | undefined = one.start();
      for (let round = 0; round < 4 && toOther !== undefined; round++) {
        const answer = feed(other, decoders[1], bend(random, toOther));
        toOther = answer === undefined ? undefined : feed(one, decoders[0], bend(random, answer));
      }
      // However the bytes were bent: who is believed is who it was.
      const believed = one.result()?.peer;
      assert.ok(believed === undefined || believed.ed25519Id.equals(RESPONDER.peer.ed25519Id));
      const claimed = other.result()?.peer;
      assert.ok(claimed === undefined || claimed.ed25519Id.equals(INITIATOR.peer.ed25519Id));
    },
  },
  {
    name: "link handshake on noise",
    run: (random) => {
      const handshake = random.oneIn(2)
        ? initiatorHandshake(optionsOf(random, "initiator"), INITIATOR, {})
        : responderHandshake(optionsOf(random, "responder"), RESPONDER);
      handshake.start();
      const decoder = new CellDecoder();
      const versions = Buffer.from(`0000070002000${random.pick([4, 5])}`, "hex");
      const cells = Array.from({ length: random.below(5) }, () => strayCell(random));
      feed(handshake, decoder, Buffer.concat([random.oneIn(10) ? random.bytes(30) : versions, ...cells]));
      assert.equal(handshake.result()?.peer, undefined);
    },
  },
];
