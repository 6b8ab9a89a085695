import { createHmac } from "node:crypto";
import {
  type CellCert,
  CellDecoder,
  ChannelCommand,
  type ChannelMessage,
  channelCommandName,
  encodeChannelMessage,
} from "@allium/cell";
import { assert } from "@effect/vitest";
import {
  type Established,
  type ExpectedPeer,
  type HandshakeOptions,
  type HandshakeProblem,
  initiatorHandshake,
  type LinkHandshake,
  LinkHandshakeError,
  type LinkIdentity,
  responderHandshake,
  type TlsBinding,
} from "../../src/index.ts";
import { makeIdentity, NOW, seeded } from "./identities.ts";

/** The relay that listens, and the one that connects. */
export const RESPONDER: LinkIdentity = makeIdentity("responder", 0);
export const INITIATOR: LinkIdentity = makeIdentity("initiator", 1);

/** What the TLS session of the tests looks like from one side. */
export const tlsOf = (
  side: "initiator" | "responder",
  options: { readonly secret?: string; readonly certificateDigest?: Buffer } = {},
): TlsBinding => {
  const digest = options.certificateDigest ?? certifiedDigest(RESPONDER);
  return {
    peerCertificateDigest: side === "initiator" ? digest : undefined,
    ownCertificateDigest: side === "responder" ? digest : undefined,
    exporter: (label, context, length) =>
      createHmac("sha512", options.secret ?? "session")
        .update(label)
        .update(context)
        .digest()
        .subarray(0, length),
  };
};

/** The digest that the type 5 certificate of an identity certifies: that of its TLS certificate. */
export const certifiedDigest = (identity: LinkIdentity): Buffer =>
  (identity.responderCerts.find((cert) => cert.type === 5) as CellCert).body.subarray(7, 39);

/** What both roles of the tests are given. */
export const optionsOf = (
  side: "initiator" | "responder",
  changes: Partial<HandshakeOptions> = {},
): HandshakeOptions => ({
  tls: tlsOf(side),
  now: () => NOW,
  random: (length) => seeded(`${side} random`, length),
  peerAddress: { family: 4, address: side === "initiator" ? "10.0.0.2" : "10.0.0.1" },
  ownAddresses: [{ family: 4, address: side === "initiator" ? "10.0.0.1" : "10.0.0.2" }],
  ...changes,
});

/** One side of a handshake with its decoder. */
export class Side {
  readonly handshake: LinkHandshake;
  readonly decoder = new CellDecoder();
  /** Names of the cells that it has sent. */
  readonly sent: Array<string> = [];
  private readonly reader = new CellDecoder();

  constructor(handshake: LinkHandshake) {
    this.handshake = handshake;
  }

  start(): Buffer {
    return this.note(this.handshake.start());
  }

  /** Gives it bytes; returns what it answers. */
  receive(bytes: Buffer): Buffer {
    const answers: Array<Buffer> = [];
    this.decoder.push(bytes);
    while (this.handshake.result() === undefined && this.decoder.next()) {
      answers.push(this.note(this.handshake.onCell(this.decoder)));
    }
    return Buffer.concat(answers);
  }

  get established(): Established {
    const result = this.handshake.result();
    assert.isDefined(result);
    return result as Established;
  }

  private note(bytes: Buffer): Buffer {
    this.reader.push(Buffer.from(bytes));
    while (this.reader.next()) {
      this.sent.push(channelCommandName(this.reader.command) ?? "?");
      if (this.reader.command === ChannelCommand.VERSIONS) this.reader.setLinkProtocol(4);
    }
    return bytes;
  }
}

export const initiator = (
  expected: ExpectedPeer = RESPONDER.peer,
  changes: Partial<HandshakeOptions> = {},
  identity: LinkIdentity = INITIATOR,
): Side => new Side(initiatorHandshake(optionsOf("initiator", changes), identity, expected));

/** An initiator without an identity. */
export const client = (expected: ExpectedPeer = RESPONDER.peer): Side =>
  new Side(initiatorHandshake(optionsOf("initiator", { ownAddresses: [] }), undefined, expected));

export const responder = (identity: LinkIdentity = RESPONDER, changes: Partial<HandshakeOptions> = {}): Side =>
  new Side(responderHandshake(optionsOf("responder", changes), identity));

/** Lets two sides talk until both have nothing more to say. */
export const converse = (one: Side, other: Side): void => {
  let toOther = one.start();
  let toOne = other.start();
  while (toOther.length > 0 || toOne.length > 0) {
    const answer = other.receive(toOther);
    toOther = one.receive(Buffer.concat([toOne, answer]));
    toOne = Buffer.alloc(0);
  }
};

/** Cells as bytes, one after the other. */
export const cells = (...messages: ReadonlyArray<ChannelMessage>): Buffer =>
  Buffer.concat(messages.map((message) => encodeChannelMessage(0, message)));

export const VERSIONS: ChannelMessage = { _tag: "VERSIONS", versions: [3, 4, 5] };

export const NETINFO: ChannelMessage = {
  _tag: "NETINFO",
  timestamp: Math.floor(NOW / 1000),
  otherAddress: { family: 4, address: "10.0.0.1" },
  myAddresses: [],
};

export const certsOf = (certs: ReadonlyArray<CellCert>): ChannelMessage => ({ _tag: "CERTS", certs });

export const CHALLENGE: ChannelMessage = { _tag: "AUTH_CHALLENGE", challenge: Buffer.alloc(32, 9), methods: [1, 3] };

/** The certificates without the one of a type, or with another in its place. */
export const bent = (certs: ReadonlyArray<CellCert>, type: number, body?: Buffer): ReadonlyArray<CellCert> =>
  certs.flatMap((cert) => (cert.type !== type ? [cert] : body === undefined ? [] : [{ type, body }]));

/** A copy with one bit of the last byte turned over. */
export const spoiled = (bytes: Buffer): Buffer => {
  const copy = Buffer.from(bytes);
  copy[copy.length - 1] = (copy[copy.length - 1] as number) ^ 1;
  return copy;
};

/** What a handshake refuses, which must be with this problem. */
export const assertRefused = (problem: HandshakeProblem, run: () => unknown): LinkHandshakeError => {
  try {
    run();
  } catch (error) {
    if (!(error instanceof LinkHandshakeError)) throw error;
    assert.strictEqual(error.problem, problem, error.message);
    assert.strictEqual(error.fault, "protocol");
    return error;
  }
  return assert.fail(`expected ${problem}`);
};
