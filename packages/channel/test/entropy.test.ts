import { assert, describe, it } from "@effect/vitest";
import { Effect, Schema } from "effect";
import { Entropy, layerEntropy, layerEntropySeeded } from "../src/index.ts";

const draw = (seed: string) =>
  Effect.gen(function* () {
    const { bytes, below } = yield* Entropy;
    return [bytes(40).toString("hex"), below(1000), bytes(0).length, bytes(7).toString("hex")];
  }).pipe(Effect.provide(layerEntropySeeded(seed)));

describe("chance", () => {
  it.effect("is the same for the same seed, and another for another", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* draw("one"), yield* draw("one"));
      assert.notDeepEqual(yield* draw("one"), yield* draw("two"));
    }),
  );

  it.effect("is the platform's in the live layer", () =>
    Effect.gen(function* () {
      const { bytes } = yield* Entropy;
      assert.strictEqual(bytes(32).length, 32);
      assert.isFalse(bytes(32).equals(bytes(32)));
      // From the pool and past its end, and from the generator itself.
      for (const length of [0, 1, 128, 129, 5_000]) {
        const drawn = new Set(Array.from({ length: 40 }, () => bytes(length).toString("hex")));
        for (const hex of drawn) assert.strictEqual(hex.length, 2 * length);
        if (length > 16) assert.strictEqual(drawn.size, 40);
      }
    }).pipe(Effect.provide(layerEntropy)),
  );

  it.effect.prop(
    "draws integers below a limit",
    { limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2 ** 32 })) },
    ({ limit }) =>
      Effect.gen(function* () {
        const { below } = yield* Entropy;
        for (let count = 0; count < 20; count++) {
          const drawn = below(limit);
          assert.isTrue(Number.isInteger(drawn) && drawn >= 0 && drawn < limit);
        }
      }).pipe(Effect.provide(layerEntropySeeded("below"))),
  );

  it.effect("says that nothing can be drawn from nothing, and does not look for it for ever", () =>
    Effect.gen(function* () {
      const { below } = yield* Entropy;
      for (const limit of [0, -1, Number.NaN]) assert.throws(() => below(limit), RangeError);
    }).pipe(Effect.provide(layerEntropySeeded("nothing"))),
  );

  it.effect("favours no integer", () =>
    Effect.gen(function* () {
      const { below } = yield* Entropy;
      const counts = [0, 0, 0, 0, 0, 0];
      for (let count = 0; count < 12_000; count++) counts[below(6)]!++;
      // Six standard deviations of 2000 expected draws each.
      for (const count of counts) assert.isAtMost(Math.abs(count - 2000), 245);
    }).pipe(Effect.provide(layerEntropySeeded("dice"))),
  );
});
