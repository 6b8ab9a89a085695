import { createHash } from "node:crypto";
import { assert, describe, it } from "@effect/vitest";
import { ClientCrypto, relayCrypto, relayPayloadLength, splitKeyMaterial } from "../src/index.ts";
import vectors from "./vectors/tor1-cells.json" with { type: "json" };

/** The 51 DATA cells of the vector: a fixed head, and 498 bytes of SHAKE256 each. */
const plainCells = (): Buffer => {
  const cells = 51;
  const body = relayPayloadLength - 11;
  const stream = createHash("shake256", { outputLength: cells * body })
    .update(vectors.shake256Seed)
    .digest();
  const slab = Buffer.alloc(cells * relayPayloadLength);
  for (let index = 0; index < cells; index++) {
    const at = index * relayPayloadLength;
    slab[at] = 2;
    slab[at + 4] = 1;
    slab[at + 9] = 1;
    slab[at + 10] = 242;
    stream.copy(slab, at + 11, index * body, (index + 1) * body);
  }
  return slab;
};

const keys = vectors.keys.map((text) => splitKeyMaterial(Buffer.from(text, "latin1")));

describe.each([1, 7, 51])("tor1 vectors in trains of %i", (train) => {
  it("a client seals the cells that tor's client seals, and the third relay opens them", () => {
    const slab = plainCells();
    const client = new ClientCrypto();
    for (const hop of keys) client.addHop(hop);
    const relays = keys.map(relayCrypto);
    const expected = new Map(vectors.cells.map((cell) => [cell.index, cell.payload]));
    let met = 0;
    for (let first = 0; first < 51; first += train) {
      const count = Math.min(train, 51 - first);
      const plain = slab.subarray(first * relayPayloadLength, (first + count) * relayPayloadLength);
      for (let index = 0; index < count; index++) client.outbound.originate(plain, index, 2);
      let cells = client.outbound.encrypt(plain, count, 2);
      for (let index = 0; index < count; index++) {
        const payload = expected.get(first + index);
        if (payload === undefined) continue;
        met++;
        const at = index * relayPayloadLength;
        assert.strictEqual(cells.toString("hex", at, at + relayPayloadLength).toUpperCase(), payload);
      }
      for (const { inbound } of relays) cells = inbound.decrypt(cells, count);
      for (let index = 0; index < count; index++) assert.strictEqual(relays[2]!.inbound.origin(cells, index), 0);
    }
    assert.strictEqual(met, vectors.cells.length);
  });
});
