import { assert, describe, it } from "@effect/vitest";
import { Effect, Exit, Scope } from "effect";
import { type Metric, Metrics } from "../src/index.ts";

const gauge = (name: string, read: Metric["read"]): Metric => ({ name, help: `About ${name}.`, type: "gauge", read });

const ownRegistry = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, Metrics.layer);

describe("Metrics", () => {
  it.effect("reads a metric when somebody looks, and at no other time", () =>
    Effect.gen(function* () {
      let reads = 0;
      yield* Metrics.register(gauge("things", () => ++reads));
      assert.strictEqual(reads, 0);
      assert.deepStrictEqual(yield* Metrics.collect, [
        { name: "things", help: "About things.", type: "gauge", samples: [{ value: 1 }] },
      ]);
      yield* Metrics.collect;
      assert.strictEqual(reads, 2);
    }).pipe(Effect.scoped, ownRegistry),
  );

  it.effect("joins metrics of one name, and orders families by name", () =>
    Effect.gen(function* () {
      yield* Metrics.register(
        gauge("z", () => 1),
        gauge("a", () => [{ labels: { kind: "one" }, value: 2 }]),
      );
      yield* Metrics.register(gauge("a", () => [{ labels: { kind: "two" }, value: 3 }]));
      const families = yield* Metrics.collect;
      assert.deepStrictEqual(
        families.map(({ name, samples }) => [name, samples]),
        [
          [
            "a",
            [
              { labels: { kind: "one" }, value: 2 },
              { labels: { kind: "two" }, value: 3 },
            ],
          ],
          ["z", [{ value: 1 }]],
        ],
      );
    }).pipe(Effect.scoped, ownRegistry),
  );

  it.effect("forgets a metric with its scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make();
      yield* Scope.provide(Metrics.register(gauge("things", () => 1)), scope);
      yield* Scope.close(scope, Exit.void);
      assert.deepStrictEqual(yield* Metrics.collect, []);
    }).pipe(Effect.scoped, ownRegistry),
  );

  it("refuses what would make a page that nobody can read", () => {
    const registry = Metrics.makeUnsafe();
    assert.throws(() => registry.add(gauge("no name", () => 1)), /no name of a metric/);
    registry.add(gauge("things", () => 1));
    assert.throws(() => registry.add({ ...gauge("things", () => 1), type: "counter" }), /is a gauge already/);
  });
});
