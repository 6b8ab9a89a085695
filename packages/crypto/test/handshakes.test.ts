import { assert, describe, it } from "@effect/vitest";
import { Random } from "../../../test/support/fuzz.ts";
import {
  fastClientEnd,
  fastServer,
  HandshakeError,
  type HandshakeServerKeys,
  type HandshakeTarget,
  kdfNtor,
  kdfTor,
  keyMaterialLength,
  ntorClientBegin,
  ntorClientEnd,
  ntorServer,
  ntorV3ClientBegin,
  ntorV3ClientEnd,
  ntorV3Server,
  splitKeyMaterial,
  tor1,
  tor1OnionService,
  X25519KeyPair,
} from "../src/index.ts";
import { flipped, hex, thrown, x25519Key } from "./support.ts";
import fastVectors from "./vectors/fast.json" with { type: "json" };
import kdfVectors from "./vectors/kdf.json" with { type: "json" };
import ntorVector from "./vectors/ntor.json" with { type: "json" };
import ntorV3Vector from "./vectors/ntor-v3.json" with { type: "json" };

const random = new Random(11);
const length = keyMaterialLength(tor1);
const [current, previous] = [x25519Key(20), x25519Key(21)];
const keys: HandshakeServerKeys = {
  rsaIdentity: random.bytes(20),
  ed25519Identity: random.bytes(32),
  onionKeys: [current, previous],
};
const target: HandshakeTarget = { ...keys, onionKey: current.publicKey };
const weak = Buffer.alloc(32);
const problemOf = (run: () => unknown): string => {
  const error = thrown(HandshakeError, run);
  assert.strictEqual(error._tag, "HandshakeError");
  return `${error.handshake} ${error.problem}`;
};
const withBytes = (bytes: Buffer, at: number, replacement: Uint8Array): Buffer => {
  const out = Buffer.from(bytes);
  out.set(replacement, at);
  return out;
};

describe("key derivation", () => {
  it.each(kdfVectors.kdfTor)("KDF-TOR of '$secret'", ({ secret, output }) => {
    assert.strictEqual(kdfTor(Buffer.from(secret), 100).toString("hex"), output);
  });

  it.each(kdfVectors.kdfNtor)("HKDF of ntor of '$secret'", ({ secret, output }) => {
    assert.strictEqual(kdfNtor(Buffer.from(secret), 100).toString("hex"), output);
  });

  it("splits key material in the order of tor-spec 5.2.2, for both suites", () => {
    assert.strictEqual(keyMaterialLength(tor1), 92);
    assert.strictEqual(keyMaterialLength(tor1OnionService), 148);
    const material = Buffer.from(Array.from({ length: 92 }, (_, index) => index));
    const split = splitKeyMaterial(material);
    assert.deepStrictEqual(
      [split.forwardDigest, split.backwardDigest, split.forwardKey, split.backwardKey, split.binding],
      [
        material.subarray(0, 20),
        material.subarray(20, 40),
        material.subarray(40, 56),
        material.subarray(56, 72),
        material.subarray(72),
      ],
    );
  });
});

describe("ntor", () => {
  it("runs as the published vector does", () => {
    const onionKey = X25519KeyPair.fromSecret(hex(ntorVector.onionSecret));
    assert.strictEqual(onionKey.publicKey.toString("hex"), ntorVector.onionPublic);
    const rsaIdentity = hex(ntorVector.rsaIdentity);
    const client = ntorClientBegin(
      { rsaIdentity, onionKey: onionKey.publicKey },
      X25519KeyPair.fromSecret(hex(ntorVector.clientSecret)),
    );
    assert.strictEqual(client.request.toString("hex"), ntorVector.request);
    const wanted = ntorVector.keys.length / 2;
    const server = ntorServer(
      { rsaIdentity, onionKeys: [onionKey] },
      client.request,
      X25519KeyPair.fromSecret(hex(ntorVector.serverSecret)),
      wanted,
    );
    assert.strictEqual(server.reply.toString("hex"), ntorVector.reply);
    assert.strictEqual(server.material.toString("hex"), ntorVector.keys);
    assert.strictEqual(ntorClientEnd(client.state, server.reply, wanted).toString("hex"), ntorVector.keys);
  });

  it.each([
    ["current", current],
    ["previous", previous],
  ])("works with the %s onion key", (_which, onionKey) => {
    const client = ntorClientBegin({ ...target, onionKey: onionKey.publicKey }, x25519Key(30));
    const server = ntorServer(keys, client.request, x25519Key(31), length);
    assert.deepStrictEqual(ntorClientEnd(client.state, server.reply, length), server.material);
  });

  const { request, state } = ntorClientBegin(target, x25519Key(30));
  it.each([
    ["too short", request.subarray(1), "ntor bad-length"],
    ["too long", Buffer.concat([request, weak]), "ntor bad-length"],
    ["for another relay", flipped(request, 0), "ntor unknown-key"],
    ["for an onion key that is gone", flipped(request, 20), "ntor unknown-key"],
    ["with a key of small order", withBytes(request, 52, weak), "ntor weak-key"],
  ])("a relay refuses a request %s", (_what, bytes, expected) => {
    assert.strictEqual(
      problemOf(() => ntorServer(keys, bytes, x25519Key(31), length)),
      expected,
    );
  });

  const { reply } = ntorServer(keys, request, x25519Key(31), length);
  it.each([
    ["too short", reply.subarray(1), "ntor bad-length"],
    ["with another key", flipped(reply, 3), "ntor bad-auth"],
    ["with another proof", flipped(reply, 63), "ntor bad-auth"],
    ["with a key of small order", withBytes(reply, 0, weak), "ntor weak-key"],
  ])("a client refuses a reply %s", (_what, bytes, expected) => {
    assert.strictEqual(
      problemOf(() => ntorClientEnd(state, bytes, length)),
      expected,
    );
  });

  it("a client notices that somebody else has the relay's name", () => {
    const impostor = { rsaIdentity: keys.rsaIdentity, onionKeys: [x25519Key(66)] };
    const asked = withBytes(request, 20, x25519Key(66).publicKey);
    const answer = ntorServer(impostor, asked, x25519Key(67), length);
    assert.strictEqual(
      problemOf(() => ntorClientEnd(state, answer.reply, length)),
      "ntor bad-auth",
    );
  });
});

describe("ntor-v3", () => {
  const echo = (message: Buffer) => message;

  it("runs as the published vector does", () => {
    const onionKey = X25519KeyPair.fromSecret(hex(ntorV3Vector.onionSecret));
    const ed25519Identity = hex(ntorV3Vector.ed25519Identity);
    const verification = hex(ntorV3Vector.verification);
    const client = ntorV3ClientBegin(
      { ed25519Identity, onionKey: onionKey.publicKey },
      X25519KeyPair.fromSecret(hex(ntorV3Vector.clientSecret)),
      hex(ntorV3Vector.clientMessage),
      verification,
    );
    assert.strictEqual(client.request.toString("hex"), ntorV3Vector.request);
    const wanted = ntorV3Vector.keys.length / 2;
    let heard = "";
    const server = ntorV3Server(
      { ed25519Identity, onionKeys: [onionKey] },
      client.request,
      X25519KeyPair.fromSecret(hex(ntorV3Vector.serverSecret)),
      (message) => {
        heard = message.toString("hex");
        return hex(ntorV3Vector.serverMessage);
      },
      wanted,
      verification,
    );
    assert.strictEqual(heard, ntorV3Vector.clientMessage);
    assert.strictEqual(server.reply.toString("hex"), ntorV3Vector.reply);
    assert.strictEqual(server.material.toString("hex"), ntorV3Vector.keys);
    const end = ntorV3ClientEnd(client.state, server.reply, wanted);
    assert.strictEqual(end.message.toString("hex"), ntorV3Vector.serverMessage);
    assert.strictEqual(end.material.toString("hex"), ntorV3Vector.keys);
  });

  it.each([
    ["current", current],
    ["previous", previous],
  ])("carries a message each way with the %s onion key", (_which, onionKey) => {
    const question = Buffer.from("congestion control, please");
    const client = ntorV3ClientBegin({ ...target, onionKey: onionKey.publicKey }, x25519Key(40), question);
    assert.notInclude(client.request.toString("latin1"), question.toString("latin1"));
    const answer = Buffer.from("with pleasure");
    const respond = (message: Buffer) => (message.equals(question) ? answer : undefined);
    const server = ntorV3Server(keys, client.request, x25519Key(41), respond, length);
    assert.notInclude(server.reply.toString("latin1"), answer.toString("latin1"));
    const end = ntorV3ClientEnd(client.state, server.reply, length);
    assert.deepStrictEqual(end.message, answer);
    assert.deepStrictEqual(end.material, server.material);
  });

  const { request, state } = ntorV3ClientBegin(target, x25519Key(40), hex("00"));
  it.each([
    ["too short", request.subarray(2), "ntor-v3 bad-length"],
    ["for another relay", flipped(request, 0), "ntor-v3 unknown-key"],
    ["for an onion key that is gone", flipped(request, 32), "ntor-v3 unknown-key"],
    ["with a key of small order", withBytes(request, 64, weak), "ntor-v3 weak-key"],
    ["with another key", flipped(request, 64), "ntor-v3 bad-mac"],
    ["with another message", flipped(request, 96), "ntor-v3 bad-mac"],
    ["with another MAC", flipped(request, request.length - 1), "ntor-v3 bad-mac"],
  ])("a relay refuses a request %s, unread", (_what, bytes, expected) => {
    const never = () => assert.fail("the message was not authenticated");
    assert.strictEqual(
      problemOf(() => ntorV3Server(keys, bytes, x25519Key(41), never, length)),
      expected,
    );
  });

  it("a relay may refuse what a client asks for", () => {
    assert.strictEqual(
      problemOf(() => ntorV3Server(keys, request, x25519Key(41), () => undefined, length)),
      "ntor-v3 refused",
    );
  });

  it("a handshake for something else is not one for circuits", () => {
    const other = ntorV3ClientBegin(target, x25519Key(40), hex(""), Buffer.from("something else"));
    assert.strictEqual(
      problemOf(() => ntorV3Server(keys, other.request, x25519Key(41), echo, length)),
      "ntor-v3 bad-mac",
    );
  });

  const { reply } = ntorV3Server(keys, request, x25519Key(41), echo, length);
  it.each([
    ["too short", reply.subarray(0, 63), "ntor-v3 bad-length"],
    ["with another key", flipped(reply, 3), "ntor-v3 bad-auth"],
    ["with another proof", flipped(reply, 63), "ntor-v3 bad-auth"],
    ["with another message", flipped(reply, 64), "ntor-v3 bad-auth"],
    ["with a longer message", Buffer.concat([reply, hex("00")]), "ntor-v3 bad-auth"],
    ["with a key of small order", withBytes(reply, 0, weak), "ntor-v3 weak-key"],
  ])("a client refuses a reply %s", (_what, bytes, expected) => {
    assert.strictEqual(
      problemOf(() => ntorV3ClientEnd(state, bytes, length)),
      expected,
    );
  });

  it("neither side goes on with a relay whose onion key or ephemeral key is weak", () => {
    assert.strictEqual(
      problemOf(() => ntorV3ClientBegin({ ...target, onionKey: weak }, x25519Key(40), hex(""))),
      "ntor-v3 weak-key",
    );
  });
});

describe("CREATE_FAST", () => {
  it.each(fastVectors.runs)("runs as tor does ($request)", ({ request, reply, keys: expected }) => {
    // The vector has 100 bytes of keys; KH, which comes last here, is the proof in the reply.
    const ordered = `${expected}${reply.slice(40)}`;
    const server = fastServer(hex(request), hex(reply).subarray(0, 20), 120);
    assert.strictEqual(server.reply.toString("hex"), reply);
    assert.strictEqual(server.material.toString("hex"), ordered);
    assert.strictEqual(fastClientEnd(hex(request), hex(reply), 120).toString("hex"), ordered);
  });

  const sent = random.bytes(20);
  const { reply } = fastServer(sent, random.bytes(20), length);
  it.each([
    ["a short request", "fast bad-length", () => fastServer(sent.subarray(1), sent, length)],
    ["a short nonce", "fast bad-length", () => fastServer(sent, sent.subarray(1), length)],
    ["a short reply", "fast bad-length", () => fastClientEnd(sent, reply.subarray(1), length)],
    ["a false proof", "fast bad-auth", () => fastClientEnd(sent, flipped(reply, 39), length)],
  ])("refuses %s", (_what, expected, run) => {
    assert.strictEqual(problemOf(run), expected);
  });
});
