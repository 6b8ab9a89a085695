import { type CellCert, type ChannelMessage, encodeFixedCell, encodeVariableCell } from "@allium/cell";
import {
  CertifiedKeyType,
  CertType,
  type CertType as CertTypeValue,
  generateLinkKey,
  makeTlsCertificates,
  signEd25519Certificate,
  signRsaCrossCertificate,
} from "@allium/crypto";
import { assert, describe, it } from "@effect/vitest";
import { initiatorHandshake, LinkHandshakeError, responderHandshake } from "../src/index.ts";
import {
  assertRefused,
  bent,
  CHALLENGE,
  cells,
  certifiedDigest,
  certsOf,
  client,
  converse,
  INITIATOR,
  initiator,
  NETINFO,
  optionsOf,
  RESPONDER,
  responder,
  Side,
  spoiled,
  tlsOf,
  VERSIONS,
} from "./support/handshake.ts";
import { makeIdentity, makeParts, NOW, rsaKeys, seeded } from "./support/identities.ts";

const DAY = 24 * 3_600_000;

const RESPONDER_CERTS = certsOf(RESPONDER.responderCerts);
const INITIATOR_CERTS = certsOf(INITIATOR.initiatorCerts);

/** An initiator that has sent its VERSIONS. */
const started = (side: Side = initiator()): Side => {
  side.start();
  return side;
};

describe("versions that do not fit", () => {
  for (const versions of [[3], [1, 2], [6], []]) {
    it(`refuses a peer that offers ${versions.join(", ") || "nothing"}`, () => {
      const bytes = cells({ _tag: "VERSIONS", versions });
      for (const side of [started(), responder()]) {
        assert.strictEqual(assertRefused("noCommonVersion", () => side.receive(bytes)).where, "VERSIONS");
      }
    });
  }

  it("refuses half a version", () => {
    const odd = Buffer.from("0000070003000400", "hex");
    assertRefused("malformedCell", () => responder().receive(odd));
  });
});

describe("cells out of order", () => {
  const toInitiator: ReadonlyArray<readonly [string, ReadonlyArray<ChannelMessage>]> = [
    ["NETINFO before CERTS", [VERSIONS, NETINFO]],
    ["AUTH_CHALLENGE before CERTS", [VERSIONS, CHALLENGE]],
    ["CERTS twice", [VERSIONS, RESPONDER_CERTS, RESPONDER_CERTS]],
    ["AUTH_CHALLENGE twice", [VERSIONS, RESPONDER_CERTS, CHALLENGE, CHALLENGE]],
    ["NETINFO before AUTH_CHALLENGE", [VERSIONS, RESPONDER_CERTS, NETINFO]],
    ["AUTHENTICATE", [VERSIONS, { _tag: "AUTHENTICATE", method: 3, authentication: Buffer.alloc(352) }]],
    ["PADDING", [VERSIONS, { _tag: "PADDING" }]],
  ];
  for (const [name, messages] of toInitiator) {
    it(`refuses ${name} from a responder`, () => {
      assertRefused("unexpectedCell", () => started().receive(cells(...messages)));
    });
  }

  const toResponder: ReadonlyArray<readonly [string, ReadonlyArray<ChannelMessage>]> = [
    ["AUTHENTICATE before CERTS", [VERSIONS, { _tag: "AUTHENTICATE", method: 3, authentication: Buffer.alloc(352) }]],
    ["CERTS twice", [VERSIONS, INITIATOR_CERTS, INITIATOR_CERTS]],
    ["AUTH_CHALLENGE", [VERSIONS, CHALLENGE]],
    ["PADDING", [VERSIONS, { _tag: "PADDING" }]],
  ];
  for (const [name, messages] of toResponder) {
    it(`refuses ${name} from an initiator`, () => {
      assertRefused("unexpectedCell", () => responder().receive(cells(...messages)));
    });
  }

  it("refuses a second AUTHENTICATE", () => {
    const one = started();
    const other = responder();
    const hello = other.receive(cells({ _tag: "VERSIONS", versions: [4, 5] }));
    const answer = one.receive(hello);
    // CERTS and AUTHENTICATE without the NETINFO behind them.
    const proof = answer.subarray(0, answer.length - 514);
    other.receive(proof);
    const certs = cells(INITIATOR_CERTS).length;
    assertRefused("unexpectedCell", () => other.receive(Buffer.from(proof.subarray(certs))));
  });

  it("refuses anything but VERSIONS first", () => {
    const certs = encodeVariableCell(0, 129, Buffer.from([0]), 2);
    for (const side of [started(), responder()]) {
      assertRefused("unexpectedCell", () => side.receive(certs));
    }
    const http = Buffer.concat([Buffer.from("GET / HTTP/1.1\r\n"), Buffer.alloc(512, 0x20)]);
    assertRefused("unexpectedCell", () => responder().receive(http));
  });

  it("refuses commands that do not exist, and cells of circuits", () => {
    for (const cell of [
      encodeFixedCell(0, 77, Buffer.alloc(0)),
      encodeVariableCell(0, 200, Buffer.alloc(3)),
      encodeFixedCell(5, 10, Buffer.alloc(0)),
      encodeFixedCell(5, 3, Buffer.alloc(0)),
    ]) {
      assertRefused("unexpectedCell", () => started().receive(Buffer.concat([cells(VERSIONS), cell])));
      assertRefused("unexpectedCell", () => responder().receive(Buffer.concat([cells(VERSIONS), cell])));
    }
  });

  it("refuses to be fed after its end", () => {
    const side = responder();
    side.receive(cells(VERSIONS, NETINFO));
    side.decoder.push(cells(NETINFO));
    assert.isTrue(side.decoder.next());
    assertRefused("unexpectedCell", () => side.handshake.onCell(side.decoder));
  });
});

describe("malformed cells", () => {
  const broken: ReadonlyArray<readonly [string, Buffer]> = [
    ["CERTS that ends within a certificate", encodeVariableCell(0, 129, Buffer.from([1, 4, 0, 9, 1]))],
    ["CERTS with a type twice", encodeVariableCell(0, 129, Buffer.from([2, 4, 0, 1, 0, 4, 0, 1, 0]))],
    ["CERTS on a circuit", encodeVariableCell(9, 129, Buffer.from([0]))],
    ["NETINFO on a circuit", encodeFixedCell(9, 8, Buffer.alloc(100))],
  ];
  for (const [name, cell] of broken) {
    it(`refuses ${name}`, () => {
      for (const side of [started(), responder()]) {
        assertRefused("malformedCell", () => side.receive(Buffer.concat([cells(VERSIONS), cell])));
      }
    });
  }

  it("refuses a truncated AUTH_CHALLENGE", () => {
    const challenge = encodeVariableCell(0, 130, Buffer.alloc(33));
    const bytes = Buffer.concat([cells(VERSIONS, RESPONDER_CERTS), challenge]);
    assertRefused("malformedCell", () => started().receive(bytes));
  });

  it("refuses a truncated AUTHENTICATE", () => {
    const authenticate = encodeVariableCell(0, 131, Buffer.from([0, 3, 1, 0, 5]));
    const bytes = Buffer.concat([cells(VERSIONS, INITIATOR_CERTS), authenticate]);
    assertRefused("malformedCell", () => responder().receive(bytes));
  });
});

/** What each side makes of CERTS with these certificates. */
const asResponderCerts = (certs: ReadonlyArray<CellCert>) => () =>
  started(initiator({})).receive(cells(VERSIONS, certsOf(certs)));
const asInitiatorCerts = (certs: ReadonlyArray<CellCert>) => () => responder().receive(cells(VERSIONS, certsOf(certs)));

describe("missing certificates", () => {
  for (const type of [2, 4, 5, 7]) {
    it(`refuses a responder without one of type ${type}`, () => {
      const error = assertRefused("missingCertificate", asResponderCerts(bent(RESPONDER.responderCerts, type)));
      assert.include(error.message, `type ${type}`);
    });
  }
  for (const type of [2, 4, 6, 7]) {
    it(`refuses an initiator without one of type ${type}`, () => {
      assertRefused("missingCertificate", asInitiatorCerts(bent(INITIATOR.initiatorCerts, type)));
    });
  }
});

const bodyOf = (certs: ReadonlyArray<CellCert>, type: number): Buffer =>
  (certs.find((cert) => cert.type === type) as CellCert).body;

describe("certificates that do not hold", () => {
  const both = (type: number, body: Buffer): void => {
    const where = type === 5 ? [] : [() => asInitiatorCerts(bent(INITIATOR.initiatorCerts, type, body))()];
    if (type !== 6) where.push(() => asResponderCerts(bent(RESPONDER.responderCerts, type, body))());
    for (const run of where) assertRefused("badCertificate", run);
  };

  for (const type of [2, 4, 5, 6, 7]) {
    it(`refuses one of type ${type} that is badly signed`, () => {
      const certs = type === 6 ? INITIATOR.initiatorCerts : RESPONDER.responderCerts;
      both(type, spoiled(bodyOf(certs, type)));
    });
    it(`refuses one of type ${type} that is no certificate`, () => {
      both(type, Buffer.from("certificate"));
      both(type, Buffer.alloc(0));
    });
    it(`refuses one of type ${type} that is cut off, or goes on`, () => {
      const body = bodyOf(type === 6 ? INITIATOR.initiatorCerts : RESPONDER.responderCerts, type);
      both(type, body.subarray(0, body.length - 1));
      both(type, Buffer.concat([body, Buffer.of(0)]));
    });
  }

  it("refuses all of them when they have expired", () => {
    const late = NOW + 40 * DAY;
    const asInitiator = new Side(
      initiatorHandshake(optionsOf("initiator", { now: () => late }), INITIATOR, RESPONDER.peer),
    );
    const error = assertRefused("badCertificate", () => started(asInitiator).receive(cells(VERSIONS, RESPONDER_CERTS)));
    assert.include(error.detail, "expired");
    const asResponder = new Side(responderHandshake(optionsOf("responder", { now: () => late }), RESPONDER));
    assertRefused("badCertificate", () => asResponder.receive(cells(VERSIONS, INITIATOR_CERTS)));
  });

  it("refuses a link certificate that has expired though the signing key has not", () => {
    const late = NOW + 3 * DAY;
    const side = initiator({}, { now: () => late });
    assertRefused("badCertificate", () => started(side).receive(cells(VERSIONS, RESPONDER_CERTS)));
  });

  it("refuses a TLS certificate that nobody certified", () => {
    const side = initiator({}, { tls: tlsOf("initiator", { certificateDigest: seeded("another", 32) }) });
    const error = assertRefused("badCertificate", () => started(side).receive(cells(VERSIONS, RESPONDER_CERTS)));
    assert.include(error.detail, "TLS session");
  });

  it("refuses a responder that presented no TLS certificate", () => {
    const side = initiator({}, { tls: { ...tlsOf("initiator"), peerCertificateDigest: undefined } });
    assertRefused("badCertificate", () => started(side).receive(cells(VERSIONS, RESPONDER_CERTS)));
  });

  const parts = makeParts("responder", 0);
  const stranger = makeParts("stranger", 1);
  const inHour = NOW + 3_600_000;

  const signed = (
    certType: CertTypeValue,
    options: { readonly keyType?: CertifiedKeyType; readonly key?: Buffer; readonly by?: typeof parts.signing },
  ): Buffer =>
    signEd25519Certificate(
      {
        certType,
        certifiedKey: options.key ?? certifiedDigest(RESPONDER),
        expiresAt: inHour,
        ...(options.keyType === undefined ? {} : { keyType: options.keyType }),
      },
      options.by ?? parts.signing,
    );

  it("refuses a link certificate by another signing key", () => {
    const body = signed(CertType.SigningVerifiesLink, { keyType: CertifiedKeyType.X509Sha256, by: stranger.signing });
    assertRefused("badCertificate", asResponderCerts(bent(RESPONDER.responderCerts, 5, body)));
  });

  it("refuses a certificate of another type in its place", () => {
    const authentication = signed(CertType.SigningVerifiesAuthentication, { keyType: CertifiedKeyType.X509Sha256 });
    assertRefused("badCertificate", asResponderCerts(bent(RESPONDER.responderCerts, 5, authentication)));
    const own = makeParts("initiator", 1);
    const link = signed(CertType.SigningVerifiesLink, { key: Buffer.from(own.signing.publicKey), by: own.signing });
    assertRefused("badCertificate", asInitiatorCerts(bent(INITIATOR.initiatorCerts, 6, link)));
  });

  it("refuses an authentication certificate for something that is no Ed25519 key", () => {
    const own = makeParts("initiator", 1);
    const body = signed(CertType.SigningVerifiesAuthentication, {
      keyType: CertifiedKeyType.X509Sha256,
      by: own.signing,
    });
    assertRefused("badCertificate", asInitiatorCerts(bent(INITIATOR.initiatorCerts, 6, body)));
  });

  it("refuses a signing key certificate that does not name its identity", () => {
    const body = signEd25519Certificate(
      { certType: CertType.IdentityVerifiesSigning, certifiedKey: parts.signing.publicKey, expiresAt: inHour },
      parts.master,
    );
    assertRefused("badCertificate", asResponderCerts(bent(RESPONDER.responderCerts, 4, body)));
  });

  it("refuses an Ed25519 identity that the RSA identity does not vouch for", () => {
    // The stranger's whole chain, beside the responder's RSA identity and cross-certificate.
    const chain = [
      ...bent(RESPONDER.responderCerts, 4, stranger.signingCert).filter((cert) => cert.type !== 5),
      {
        type: 5,
        body: signed(CertType.SigningVerifiesLink, { keyType: CertifiedKeyType.X509Sha256, by: stranger.signing }),
      },
    ];
    assertRefused("badCertificate", asResponderCerts(chain));
  });

  it("refuses a cross-certificate by another RSA key, or one past its end", () => {
    const byOther = signRsaCrossCertificate(stranger.rsa, parts.master.publicKey, inHour);
    assertRefused("badCertificate", asResponderCerts(bent(RESPONDER.responderCerts, 7, byOther)));
    const old = signRsaCrossCertificate(parts.rsa, parts.master.publicKey, NOW - DAY);
    assertRefused("badCertificate", asResponderCerts(bent(RESPONDER.responderCerts, 7, old)));
  });

  it("refuses an RSA identity that has not 1024 bits, or is not signed by itself", async () => {
    const big = await generateLinkKey();
    const request = { now: NOW, linkLifetime: DAY, random: seeded("tls", 36) };
    const ofBig = makeTlsCertificates({ ...request, identity: big, link: big.publicKey });
    assertRefused("badCertificate", asResponderCerts(bent(RESPONDER.responderCerts, 2, ofBig.identity)));
    const notSelf = makeTlsCertificates({ ...request, identity: parts.rsa, link: rsaKeys[1]!.publicKey });
    assertRefused("badCertificate", asResponderCerts(bent(RESPONDER.responderCerts, 2, notSelf.link)));
  });
});

describe("identities that are not the ones", () => {
  const stranger = makeIdentity("stranger", 2);

  it("refuses another Ed25519 identity than the wanted one", () => {
    const error = assertRefused("wrongIdentity", () =>
      converse(initiator({ ed25519Id: stranger.peer.ed25519Id }), responder()),
    );
    assert.include(error.detail, "Ed25519");
  });

  it("refuses another RSA identity than the wanted one", () => {
    const error = assertRefused("wrongIdentity", () =>
      converse(client({ ...RESPONDER.peer, rsaId: stranger.peer.rsaId }), responder()),
    );
    assert.include(error.detail, "RSA");
  });

  it("says nothing of itself to somebody else than it wanted to reach", () => {
    const one = initiator({ ed25519Id: stranger.peer.ed25519Id });
    assert.throws(() => converse(one, responder()), LinkHandshakeError);
    assert.deepStrictEqual(one.sent, ["VERSIONS"]);
  });

  it("refuses to talk to itself, from either end", () => {
    assertRefused("self", () => converse(initiator({}, {}, RESPONDER), responder()));
    // An initiator that does not mind.
    const careless = { ...RESPONDER, peer: { ...RESPONDER.peer, ed25519Id: RESPONDER.peer.ed25519Id } };
    const blind = new Side(initiatorHandshake(optionsOf("initiator"), careless, {}));
    assertRefused("self", () => converse(blind, responder()));
  });
});
