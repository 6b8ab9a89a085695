import { assert, describe, it } from "@effect/vitest";
import { Effect, Exit } from "effect";
import { Reactor, ReactorGroup } from "../src/index.ts";

const count = Reactor.make({
  name: "count",
  reads: {},
  writes: { numbers: Reactor.port<number>() },
  run: ({ numbers }) =>
    Effect.gen(function* () {
      for (let n = 1; ; n++) yield* numbers.offer(n);
    }),
});

const double = Reactor.make({
  name: "double",
  reads: { numbers: Reactor.port<number>() },
  writes: { doubled: Reactor.port<number>() },
  run: ({ numbers, doubled }) => Effect.forever(Effect.flatMap(numbers.take, (n) => doubled.offer(n * 2))),
});

const collect = (into: Array<number>, count: number) =>
  Reactor.make({
    name: "collect",
    reads: { numbers: Reactor.port<number>() },
    writes: {},
    run: ({ numbers }) =>
      Effect.repeat(
        Effect.map(numbers.take, (n) => into.push(n)),
        { times: count - 1 },
      ),
  });

describe("ReactorGroup", () => {
  it.effect("ends as a whole when one reactor ends, and names it", () =>
    Effect.gen(function* () {
      const seen: Array<number> = [];
      const end = yield* ReactorGroup.run({ name: "demo" }, (group) =>
        Effect.gen(function* () {
          const numbers = group.link<number>("numbers");
          const doubled = group.link<number>("doubled");
          yield* group.start(count.wire({ numbers: numbers.writer }));
          yield* group.start(double.wire({ numbers: numbers.reader, doubled: doubled.writer }));
          yield* group.start(collect(seen, 5).wire({ numbers: doubled.reader }));
        }),
      );
      assert.deepStrictEqual(seen, [2, 4, 6, 8, 10]);
      assert.strictEqual(end.cause._tag, "ReactorEnded");
      assert.isTrue(
        end.cause._tag === "ReactorEnded" && end.cause.reactor === "collect" && Exit.isSuccess(end.cause.exit),
      );
    }),
  );
});
