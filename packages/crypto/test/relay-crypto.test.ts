import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { Random } from "../../../test/support/fuzz.ts";
import {
  ClientCrypto,
  keyMaterialLength,
  type OutboundCrypto,
  type RelayCrypto,
  type RelayKeys,
  type RelaySuite,
  relayCrypto,
  relayPayloadLength,
  sendmeTagLength,
  splitKeyMaterial,
  tor1,
  tor1OnionService,
} from "../src/index.ts";

const suites = [tor1, tor1OnionService];
const seeds = { seed: Schema.Int, hops: Schema.Literals([1, 2, 3, 6]), suite: Schema.Literals([0, 1]) };
/** Where the fields of the cipher are; the rest of a payload is the sender's. */
const bodyAt = 9;

interface Circuit {
  readonly client: ClientCrypto;
  readonly relays: ReadonlyArray<RelayCrypto>;
}

const keysOf = (random: Random, suite: RelaySuite): RelayKeys =>
  splitKeyMaterial(random.bytes(keyMaterialLength(suite)), suite);

const circuit = (random: Random, hops: number, suite: RelaySuite = tor1): Circuit => {
  const client = new ClientCrypto();
  const relays = Array.from({ length: hops }, (_, hop) => {
    const keys = keysOf(random, suite);
    assert.strictEqual(client.addHop(keys), hop);
    return relayCrypto(keys);
  });
  return { client, relays };
};

/** A train of random payloads; what the cipher's fields hold before does not matter. */
const train = (random: Random, count: number): Buffer => random.bytes(count * relayPayloadLength);

const body = (slab: Buffer, index: number): string =>
  slab.toString("hex", index * relayPayloadLength + bodyAt, (index + 1) * relayPayloadLength);

/** Passes a train outwards; gives for each hop what it recognised: index in the train, body and tag. */
const outwards = ({ relays }: Circuit, sent: Buffer, count: number) => {
  const heard: Array<{ hop: number; index: number; body: string; tag: string }> = [];
  let slab = sent;
  let indices = Array.from({ length: count }, (_, index) => index);
  relays.forEach(({ inbound }, hop) => {
    const plain = inbound.decrypt(slab, indices.length);
    const left = indices.filter((index, at) => {
      if (inbound.origin(plain, at) === -1) return true;
      heard.push({ hop, index, body: body(plain, at), tag: inbound.tag().toString("hex") });
      return false;
    });
    // What a hop does not recognise it passes on, without the cells that were its own.
    slab = Buffer.concat(
      left.map((index) => {
        const at = indices.indexOf(index) * relayPayloadLength;
        return plain.subarray(at, at + relayPayloadLength);
      }),
    );
    indices = left;
  });
  return { heard, lost: indices };
};

/** Seals and encrypts one payload at a hop, and lets the nearer ones add their layers. */
const inwards = ({ relays }: Circuit, payload: Buffer, hop: number): { cell: Buffer; tag: string } => {
  const slab = Buffer.from(payload);
  const own = relays[hop]!.outbound;
  own.originate(slab, 0, 0);
  const tag = own.tag().toString("hex");
  let cell: Buffer = slab;
  for (let at = hop; at >= 0; at--) cell = relays[at]!.outbound.encrypt(cell, 1, 0);
  return { cell, tag };
};

describe("between a client and its relays", () => {
  it.prop("every cell reaches its hop, unchanged, with the same SENDME tag at both ends", seeds, (drawn) => {
    const random = new Random(drawn.seed);
    const path = circuit(random, drawn.hops, suites[drawn.suite]!);
    const { outbound } = path.client;
    for (let round = 0; round < 6; round++) {
      // One train goes to one hop, as egress sends it; which one changes from train to train.
      const hop = random.below(drawn.hops);
      const count = 1 + random.below(34);
      const slab = train(random, count);
      const tags = Array.from({ length: count }, (_, index) => {
        outbound.originate(slab, index, hop);
        return outbound.tag().toString("hex");
      });
      const bodies = Array.from({ length: count }, (_, index) => body(slab, index));
      const { heard, lost } = outwards(path, outbound.encrypt(slab, count, hop), count);
      assert.deepStrictEqual(lost, []);
      assert.deepStrictEqual(
        heard,
        bodies.map((text, index) => ({ hop, index, body: text, tag: tags[index]! })),
      );
      for (const { tag } of heard) assert.lengthOf(tag, 2 * sendmeTagLength);
    }
  });

  it.prop("a train of cells from any hops comes back, each from its hop, with the same tag", seeds, (drawn) => {
    const random = new Random(drawn.seed);
    const path = circuit(random, drawn.hops, suites[drawn.suite]!);
    const { inbound } = path.client;
    for (let round = 0; round < 6; round++) {
      const count = 1 + random.below(34);
      const sent = Array.from({ length: count }, () => {
        const payload = train(random, 1);
        const hop = random.below(drawn.hops);
        return { ...inwards(path, payload, hop), hop, body: body(payload, 0) };
      });
      const plain = inbound.decrypt(Buffer.concat(sent.map(({ cell }) => cell)), count);
      sent.forEach(({ hop, tag, body: expected }, index) => {
        assert.strictEqual(inbound.origin(plain, index), hop);
        assert.strictEqual(body(plain, index), expected);
        assert.strictEqual(inbound.tag().toString("hex"), tag);
      });
    }
  });

  it.prop("how cells are cut into trains does not matter", seeds, (drawn) => {
    const run = (trainOf: (random: Random) => number): string => {
      const random = new Random(drawn.seed);
      const path = circuit(random, drawn.hops, suites[drawn.suite]!);
      const payloads = train(random, 40);
      const hop = random.below(drawn.hops);
      const cells: Array<Buffer> = [];
      for (let first = 0; first < 40; ) {
        const count = Math.min(trainOf(random), 40 - first);
        const slab = payloads.subarray(first * relayPayloadLength, (first + count) * relayPayloadLength);
        for (let index = 0; index < count; index++) path.client.outbound.originate(slab, index, hop);
        cells.push(path.client.outbound.encrypt(slab, count, hop));
        first += count;
      }
      return Buffer.concat(cells).toString("hex");
    };
    assert.strictEqual(
      run(() => 1),
      run((random) => 1 + random.below(32)),
    );
  });

  it.prop("cells that are nobody's disturb nothing", seeds, (drawn) => {
    const random = new Random(drawn.seed);
    const keys = keysOf(random, suites[drawn.suite]!);
    const relay = relayCrypto(keys);
    const client = new ClientCrypto();
    client.addHop(keys);
    for (let round = 0; round < 30; round++) {
      const slab = train(random, 1);
      const ours = round === 0 || random.oneIn(2);
      if (ours) client.outbound.originate(slab, 0, 0);
      // Passes the cheap check, and then has another digest: what happens once in 65536 cells of somebody else's.
      else slab.fill(0, 1, 3);
      const before = Buffer.from(slab);
      const plain = relay.inbound.decrypt(client.outbound.encrypt(slab, 1, 0), 1);
      assert.strictEqual(relay.inbound.origin(plain, 0), ours ? 0 : -1);
      if (!ours) assert.deepStrictEqual(plain, before);
      assert.deepStrictEqual(relay.inbound.tag(), client.outbound.tag());
    }
  });
});

describe("a cell that only looks as if it were for the hop that sees it", () => {
  /** A key whose key stream has zeros where `recognized` is: the first cell looks recognised one layer too early. */
  const looksRecognised = Buffer.from("0000000000000000000000000000321e", "hex");

  it("goes on to the next relay, and leaves the digest of the nearer one in order", () => {
    const random = new Random(3);
    const near = keysOf(random, tor1);
    const far = keysOf(random, tor1);
    far.forwardKey.set(looksRecognised);
    const client = new ClientCrypto();
    client.addHop(near);
    client.addHop(far);
    const path = { client, relays: [relayCrypto(near), relayCrypto(far)] };
    for (const hop of [1, 0, 1, 0]) {
      const slab = train(random, 1);
      client.outbound.originate(slab, 0, hop);
      const { heard } = outwards(path, client.outbound.encrypt(slab, 1, hop), 1);
      assert.deepStrictEqual(
        heard.map((cell) => cell.hop),
        [hop],
      );
    }
  });

  it("is peeled further by the client, and leaves the digest of the nearer hop in order", () => {
    const random = new Random(4);
    const near = keysOf(random, tor1);
    const far = keysOf(random, tor1);
    far.backwardKey.set(looksRecognised);
    const client = new ClientCrypto();
    client.addHop(near);
    client.addHop(far);
    const path = { client, relays: [relayCrypto(near), relayCrypto(far)] };
    const hops = [1, 0, 1, 0];
    const cells = hops.map((hop) => inwards(path, train(random, 1), hop).cell);
    const plain = client.inbound.decrypt(Buffer.concat(cells), hops.length);
    assert.deepStrictEqual(
      hops.map((_, index) => client.inbound.origin(plain, index)),
      hops,
    );
  });

  it("is nobody's when no hop is behind", () => {
    const random = new Random(5);
    const keys = keysOf(random, tor1);
    keys.backwardKey.set(looksRecognised);
    const client = new ClientCrypto();
    client.addHop(keys);
    const plain = client.inbound.decrypt(Buffer.alloc(relayPayloadLength), 1);
    assert.strictEqual(client.inbound.origin(plain, 0), -1);
  });
});

describe("a relay's crypto", () => {
  const count = 8;

  it("passes on what it does not recognise, and is passed through by it", () => {
    const random = new Random(5);
    const path = circuit(random, 3);
    const slab = train(random, count);
    for (let index = 0; index < count; index++) path.client.outbound.originate(slab, index, 2);
    const plainest = Buffer.from(slab);
    let cells = path.client.outbound.encrypt(slab, count, 2);
    for (const { inbound } of path.relays) cells = inbound.decrypt(cells, count);
    assert.deepStrictEqual(cells, plainest);
  });

  it("works on the first payloads of a longer slab, and leaves the slab alone", () => {
    const random = new Random(6);
    const keys = keysOf(random, tor1);
    const [one, other] = [relayCrypto(keys), relayCrypto(keys)];
    const slab = train(random, count);
    const copy = Buffer.from(slab);
    const some = one.outbound.encrypt(slab, 3, 0);
    assert.strictEqual(some.length, 3 * relayPayloadLength);
    assert.deepStrictEqual(slab, copy);
    assert.deepStrictEqual(some, other.outbound.encrypt(slab.subarray(0, 3 * relayPayloadLength), 3, 0));
  });

  it("gives the tags of the last cell of each direction by itself", () => {
    const random = new Random(7);
    const path = circuit(random, 1);
    const [relay] = path.relays as [RelayCrypto];
    const seal = (outbound: OutboundCrypto) => {
      const slab = train(random, 1);
      outbound.originate(slab, 0, 0);
      return outbound.encrypt(slab, 1, 0);
    };
    relay.inbound.origin(relay.inbound.decrypt(seal(path.client.outbound), 1), 0);
    const { inbound } = path.client;
    inbound.origin(inbound.decrypt(seal(relay.outbound), 1), 0);
    assert.deepStrictEqual(relay.inbound.tag(), path.client.outbound.tag());
    assert.deepStrictEqual(inbound.tag(), relay.outbound.tag());
    assert.notDeepEqual(inbound.tag(), relay.inbound.tag());
  });
});

describe("a client's crypto", () => {
  it("grows hop by hop while cells flow", () => {
    const random = new Random(8);
    const client = new ClientCrypto();
    const relays: Array<RelayCrypto> = [];
    for (let hop = 0; hop < 4; hop++) {
      assert.strictEqual(client.hops, hop);
      const keys = keysOf(random, tor1);
      assert.strictEqual(client.addHop(keys), hop);
      relays.push(relayCrypto(keys));
      const slab = train(random, 3);
      for (let index = 0; index < 3; index++) client.outbound.originate(slab, index, hop);
      const { heard } = outwards({ client, relays }, client.outbound.encrypt(slab, 3, hop), 3);
      assert.deepStrictEqual(
        heard.map((cell) => cell.hop),
        [hop, hop, hop],
      );
    }
  });

  it("recognises a train longer than any before", () => {
    const random = new Random(9);
    const path = circuit(random, 2);
    const count = 70;
    const cells = Array.from({ length: count }, () => inwards(path, train(random, 1), 1).cell);
    const plain = path.client.inbound.decrypt(Buffer.concat(cells), count);
    for (let index = 0; index < count; index++) assert.strictEqual(path.client.inbound.origin(plain, index), 1);
  });
});
