import { ChannelCommand, encodeVariableCell } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import { initiatorHandshake, OFFERED_LINK_PROTOCOLS } from "../src/index.ts";
import {
  CHALLENGE,
  cells,
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
  tlsOf,
  VERSIONS,
} from "./support/handshake.ts";
import { NOW } from "./support/identities.ts";
import * as arti from "./vectors/arti-handshake.ts";

describe("the link handshake", () => {
  it("lets two relays prove who they are", () => {
    const one = initiator();
    const other = responder();
    converse(one, other);
    assert.deepStrictEqual(one.established.peer, RESPONDER.peer);
    assert.deepStrictEqual(other.established.peer, INITIATOR.peer);
    for (const side of [one, other]) {
      assert.strictEqual(side.established.linkProtocol, 5);
      assert.strictEqual(side.established.clockSkew, 0);
    }
    assert.deepStrictEqual(one.sent, ["VERSIONS", "CERTS", "AUTHENTICATE", "NETINFO"]);
    assert.deepStrictEqual(other.sent, ["VERSIONS", "CERTS", "AUTH_CHALLENGE", "NETINFO"]);
  });

  it("lets a client stay anonymous, and tells nothing of it", () => {
    const one = client();
    const other = responder();
    converse(one, other);
    assert.deepStrictEqual(one.established.peer, RESPONDER.peer);
    assert.isUndefined(other.established.peer);
    assert.isUndefined(other.established.clockSkew);
    assert.strictEqual(other.established.netinfo.timestamp, 0);
    assert.deepStrictEqual(other.established.netinfo.myAddresses, []);
    assert.deepStrictEqual(one.sent, ["VERSIONS", "NETINFO"]);
  });

  it("connects to whoever it is when nobody is expected, or only one identity is known", () => {
    for (const expected of [{}, { rsaId: RESPONDER.peer.rsaId }, { ed25519Id: RESPONDER.peer.ed25519Id }]) {
      const one = initiator(expected);
      converse(one, responder());
      assert.deepStrictEqual(one.established.peer, RESPONDER.peer);
    }
  });

  it("exchanges addresses as each side sees them", () => {
    const one = initiator();
    const other = responder();
    converse(one, other);
    assert.deepStrictEqual(one.established.netinfo.otherAddress, { family: 4, address: "10.0.0.1" });
    assert.deepStrictEqual(other.established.netinfo.otherAddress, { family: 4, address: "10.0.0.2" });
    assert.deepStrictEqual(other.established.netinfo.myAddresses, [{ family: 4, address: "10.0.0.1" }]);
  });

  for (const [versions, agreed] of [
    [[4], 4],
    [[5], 5],
    [[3, 4], 4],
    [[3, 4, 5, 6, 99], 5],
  ] as const) {
    it(`agrees on link protocol ${agreed} with a peer that offers ${versions.join(", ")}`, () => {
      const asResponder = responder();
      asResponder.receive(cells({ _tag: "VERSIONS", versions }, NETINFO));
      assert.strictEqual(asResponder.established.linkProtocol, agreed);
      const asInitiator = initiator();
      asInitiator.start();
      asInitiator.receive(cells({ _tag: "VERSIONS", versions }, certsOf(RESPONDER.responderCerts), CHALLENGE, NETINFO));
      assert.strictEqual(asInitiator.established.linkProtocol, agreed);
    });
  }

  it("offers no link protocol that it cannot speak", () => {
    assert.deepStrictEqual([...OFFERED_LINK_PROTOCOLS], [4, 5]);
  });

  it("works however the bytes are cut", () => {
    const one = initiator();
    const other = responder();
    let toOther = one.start();
    let toOne: Buffer = Buffer.alloc(0);
    while (toOther.length > 0 || toOne.length > 0) {
      const answers: Array<Buffer> = [];
      for (const byte of toOther) answers.push(other.receive(Buffer.of(byte)));
      toOne = Buffer.concat(answers);
      const replies: Array<Buffer> = [];
      for (const byte of toOne) replies.push(one.receive(Buffer.of(byte)));
      toOther = Buffer.concat(replies);
      toOne = Buffer.alloc(0);
    }
    assert.deepStrictEqual(one.established.peer, RESPONDER.peer);
    assert.deepStrictEqual(other.established.peer, INITIATOR.peer);
  });

  it("drops padding, AUTHORIZE and later VERSIONS wherever they may come", () => {
    const noise = Buffer.concat([
      cells({ _tag: "VPADDING", length: 30 }, { _tag: "AUTHORIZE", body: Buffer.from("x") }),
      encodeVariableCell(0, ChannelCommand.VERSIONS, Buffer.from([0, 4])),
    ]);
    const one = client();
    one.start();
    const first = [cells(VERSIONS), cells(certsOf(RESPONDER.responderCerts)), cells(CHALLENGE), cells(NETINFO)];
    one.receive(Buffer.concat(first.flatMap((cell, index) => (index === 0 ? [cell] : [noise, cell]))));
    assert.deepStrictEqual(one.established.peer, RESPONDER.peer);
    const other = responder();
    const beforeVersions = cells({ _tag: "VPADDING", length: 3 }).subarray(2);
    other.receive(Buffer.concat([beforeVersions, cells(VERSIONS), noise, cells(NETINFO)]));
    assert.strictEqual(other.established.linkProtocol, 5);
  });

  it("tells how far the peer's clock is off", () => {
    const one = initiator({}, { now: () => NOW - 3_600_000 });
    const other = responder();
    converse(one, other);
    assert.strictEqual(one.established.clockSkew, 3600);
    assert.strictEqual(other.established.clockSkew, -3600);
  });

  it("stays anonymous when the responder offers no method of authentication that it knows", () => {
    const one = initiator();
    one.start();
    one.receive(
      cells(
        VERSIONS,
        certsOf(RESPONDER.responderCerts),
        { _tag: "AUTH_CHALLENGE", challenge: Buffer.alloc(32), methods: [1] },
        NETINFO,
      ),
    );
    assert.deepStrictEqual(one.established.peer, RESPONDER.peer);
    assert.deepStrictEqual(one.sent, ["VERSIONS", "NETINFO"]);
  });

  it("takes a client that claims certificates and does not authenticate for anonymous", () => {
    const other = responder();
    other.receive(cells(VERSIONS, certsOf(INITIATOR.initiatorCerts), NETINFO));
    assert.isUndefined(other.established.peer);
  });

  it("stands on the cell after NETINFO when it is over", () => {
    const other = responder();
    other.receive(Buffer.concat([cells(VERSIONS, NETINFO), Buffer.alloc(514, 7)]));
    assert.isDefined(other.handshake.result());
    assert.strictEqual(other.decoder.buffered, 514);
  });

  it("accepts the responder of Arti's vectors", () => {
    const artiCerts = [
      { type: 2, body: arti.CERT_T2 },
      { type: 4, body: arti.CERT_T4 },
      { type: 5, body: arti.CERT_T5 },
      { type: 7, body: arti.CERT_T7 },
    ];
    const netinfo = Buffer.alloc(514);
    arti.NETINFO_PREFIX_WITH_TIME.copy(netinfo);
    const options = optionsOf("initiator", {
      now: () => arti.CERT_TIMESTAMP,
      tls: tlsOf("initiator", { certificateDigest: arti.PEER_CERT_DIGEST }),
    });
    const side = new Side(initiatorHandshake(options, undefined, { rsaId: arti.PEER_RSA, ed25519Id: arti.PEER_ED }));
    side.start();
    side.receive(
      Buffer.concat([
        arti.VERSIONS,
        arti.VPADDING,
        cells(certsOf(artiCerts)),
        arti.VPADDING,
        arti.AUTHCHALLENGE,
        arti.VPADDING,
        netinfo,
      ]),
    );
    assert.isTrue(side.established.peer?.rsaId.equals(arti.PEER_RSA));
    assert.isTrue(side.established.peer?.ed25519Id.equals(arti.PEER_ED));
    assert.strictEqual(side.established.linkProtocol, 5);
    assert.strictEqual(side.established.netinfo.timestamp, Date.UTC(2008, 7, 2, 17) / 1000);
  });
});
