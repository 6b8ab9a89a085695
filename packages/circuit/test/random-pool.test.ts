import { Entropy, layerEntropySeeded } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { RandomPool, randomPoolOf } from "../src/index.ts";

describe("random bytes in small amounts", () => {
  it("are each given out once, in the order in which they were drawn", () => {
    const drawn: Array<Buffer> = [];
    let next = 0;
    const pool = new RandomPool({
      bytes: (length) => {
        const bytes = Buffer.from(Array.from({ length }, () => next++ & 0xff));
        drawn.push(bytes);
        return bytes;
      },
      below: () => 0,
    });
    const out = Buffer.alloc(16_000);
    for (let at = 0; at < out.length; at += 400) pool.fill(out, at, at + 400);
    assert.strictEqual(drawn.length, 1);
    assert.isTrue(out.equals(drawn[0]!.subarray(0, out.length)));
    // What is left does not do: the rest is not given out twice, nor mixed with the next.
    pool.fill(out, 0, 400);
    assert.strictEqual(drawn.length, 2);
    assert.isTrue(out.subarray(0, 400).equals(drawn[1]!.subarray(0, 400)));
  });

  it.effect("numbers are below their limit, all of them come, and about as often", () =>
    Effect.gen(function* () {
      const pool = new RandomPool(yield* Entropy);
      for (const limit of [1, 2, 7, 13, 100]) {
        const counts = new Array<number>(limit).fill(0);
        for (let draw = 0; draw < 1_000 * limit; draw++) counts[pool.below(limit)]!++;
        assert.isAbove(Math.min(...counts), 800);
        assert.isBelow(Math.max(...counts), 1_200);
      }
    }).pipe(Effect.provide(layerEntropySeeded("pool"))),
  );

  it.effect("circuits with the same entropy share a pool", () =>
    Effect.gen(function* () {
      const entropy = yield* Entropy;
      assert.strictEqual(randomPoolOf(entropy), randomPoolOf(entropy));
    }).pipe(Effect.provide(layerEntropySeeded("pool"))),
  );
});
