import { createHash } from "node:crypto";
import { type ChannelMessage, encodeChannelMessage } from "@allium/cell";
import { Ed25519KeyPair } from "@allium/crypto";
import { assert, describe, it } from "@effect/vitest";
import { authenticateBody } from "../src/handshake-authenticate.ts";
import {
  assertRefused,
  CHALLENGE,
  cells,
  certifiedDigest,
  certsOf,
  INITIATOR,
  initiator,
  NETINFO,
  RESPONDER,
  responder,
  type Side,
  tlsOf,
} from "./support/handshake.ts";
import { seeded } from "./support/identities.ts";

const sha256 = (...bytes: ReadonlyArray<Buffer>): Buffer => createHash("sha256").update(Buffer.concat(bytes)).digest();

const VERSIONS: ChannelMessage = { _tag: "VERSIONS", versions: [4, 5] };

type Input = Parameters<typeof authenticateBody>[0];

/** An initiator made by hand, which authenticates as it is told to. */
const authenticate = (
  options: {
    readonly bend?: (input: Input) => Input;
    readonly bendBody?: (body: Buffer) => Buffer;
    readonly random?: Buffer;
    readonly key?: Ed25519KeyPair;
    readonly method?: number;
    /** Sent between VERSIONS and CERTS. */
    readonly padding?: Buffer;
    readonly bendSignature?: (signature: Buffer) => Buffer;
  } = {},
): Side => {
  const side = responder();
  const versions = cells(VERSIONS);
  const padding = options.padding ?? Buffer.alloc(0);
  const certs = cells(certsOf(INITIATOR.initiatorCerts));
  const hello = side.receive(versions);
  // All that the responder has sent but its NETINFO.
  const heard = hello.subarray(0, hello.length - 514);
  const input: Input = {
    initiator: { ed25519Id: INITIATOR.peer.ed25519Id, rsaId256: INITIATOR.rsaId256 },
    responder: { ed25519Id: RESPONDER.peer.ed25519Id, rsaId256: RESPONDER.rsaId256 },
    transcript: { responder: sha256(heard), initiator: sha256(versions, padding, certs) },
    responderCertificateDigest: certifiedDigest(RESPONDER),
    tls: tlsOf("initiator"),
  };
  const body = authenticateBody(options.bend?.(input) ?? input);
  const signed = Buffer.concat([options.bendBody?.(body) ?? body, options.random ?? seeded("rand", 24)]);
  const signature = (options.key ?? INITIATOR.authenticationKey).sign(signed);
  const cell = encodeChannelMessage(0, {
    _tag: "AUTHENTICATE",
    method: options.method ?? 3,
    authentication: Buffer.concat([signed, options.bendSignature?.(signature) ?? signature]),
  });
  side.receive(Buffer.concat([padding, certs, cell, cells(NETINFO)]));
  return side;
};

const refused = (options: Parameters<typeof authenticate>[0]): string => {
  const error = assertRefused("badAuthenticate", () => authenticate(options));
  assert.strictEqual(error.where, "AUTHENTICATE");
  return error.detail;
};

describe("AUTHENTICATE", () => {
  it("is accepted when all of it is right", () => {
    assert.deepStrictEqual(authenticate().established.peer, INITIATOR.peer);
  });

  it("covers padding that was sent before it", () => {
    const padding = cells({ _tag: "VPADDING", length: 77 });
    assert.deepStrictEqual(authenticate({ padding }).established.peer, INITIATOR.peer);
  });

  it("may carry more between RAND and SIG, which is signed too", () => {
    assert.deepStrictEqual(authenticate({ random: seeded("rand", 90) }).established.peer, INITIATOR.peer);
  });

  const other = seeded("other", 32);
  const bends: ReadonlyArray<readonly [string, (input: Input) => Input]> = [
    ["another initiator's RSA identity", (input) => ({ ...input, initiator: { ...input.initiator, rsaId256: other } })],
    [
      "another initiator's Ed25519 identity",
      (input) => ({ ...input, initiator: { ...input.initiator, ed25519Id: other } }),
    ],
    ["another responder's RSA identity", (input) => ({ ...input, responder: { ...input.responder, rsaId256: other } })],
    [
      "another responder's Ed25519 identity",
      (input) => ({ ...input, responder: { ...input.responder, ed25519Id: other } }),
    ],
    [
      "what the responder did not say",
      (input) => ({ ...input, transcript: { ...input.transcript, responder: other } }),
    ],
    [
      "what the initiator did not say",
      (input) => ({ ...input, transcript: { ...input.transcript, initiator: other } }),
    ],
    ["another TLS certificate", (input) => ({ ...input, responderCertificateDigest: other })],
    ["another TLS session", (input) => ({ ...input, tls: tlsOf("initiator", { secret: "in the middle" }) })],
  ];
  for (const [name, bend] of bends) {
    it(`is refused when it speaks of ${name}`, () => {
      assert.include(refused({ bend }), "another session");
    });
  }

  it("is refused when its type is another", () => {
    const bendBody = (body: Buffer): Buffer => {
      body.write("AUTH0002", "latin1");
      return body;
    };
    assert.include(refused({ bendBody }), "another session");
  });

  it("is refused when RAND is too short", () => {
    assert.include(refused({ random: Buffer.alloc(23) }), "too short");
  });

  it("is refused when the signature is not good, or another key's", () => {
    const bendSignature = (signature: Buffer): Buffer => Buffer.from(signature).reverse();
    assert.include(refused({ bendSignature }), "signature");
    assert.include(refused({ key: Ed25519KeyPair.fromSeed(other) }), "signature");
  });

  it("is refused with a method that was not offered", () => {
    assert.include(refused({ method: 1 }), "method 1");
  });

  it("signs all that the responder sent up to its challenge, padding included", () => {
    const one = initiator();
    const versions = one.start();
    const padding = cells({ _tag: "VPADDING", length: 9 });
    const heard = Buffer.concat([
      cells(VERSIONS),
      padding,
      cells(certsOf(RESPONDER.responderCerts)),
      padding,
      cells(CHALLENGE),
    ]);
    const answer = one.receive(heard);
    const certs = cells(certsOf(INITIATOR.initiatorCerts));
    assert.isTrue(answer.subarray(0, certs.length).equals(certs));
    const expected = authenticateBody({
      initiator: { ed25519Id: INITIATOR.peer.ed25519Id, rsaId256: INITIATOR.rsaId256 },
      responder: { ed25519Id: RESPONDER.peer.ed25519Id, rsaId256: RESPONDER.rsaId256 },
      transcript: { responder: sha256(heard), initiator: sha256(versions, certs) },
      responderCertificateDigest: certifiedDigest(RESPONDER),
      tls: tlsOf("initiator"),
    });
    // Behind the header of the cell, AuthType and AuthLen.
    const sent = answer.subarray(certs.length + 7 + 4);
    assert.isTrue(sent.subarray(0, expected.length).equals(expected));
    assert.strictEqual(expected.length, 264);
  });
});
