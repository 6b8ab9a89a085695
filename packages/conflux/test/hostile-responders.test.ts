import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { inVirtualTime } from "../../../test/memory-network/index.ts";
import { faultsOf } from "./hostile/case.ts";
import { playAtInitiator } from "./hostile/play-at-initiator.ts";
import { hostileResponders } from "./hostile/table.ts";

for (const { title, cases } of hostileResponders) {
  describe(`a hostile exit or guard to a client: ${title.toLowerCase()}`, () => {
    for (const hostile of cases) {
      it.effect(`${hostile.what}: ${hostile.end}`, () =>
        Effect.gen(function* () {
          const { outcome, faults } = yield* playAtInitiator(hostile);
          assert.strictEqual(outcome, hostile.end);
          assert.deepStrictEqual(faults, faultsOf(hostile));
        }).pipe(Effect.scoped, inVirtualTime),
      );
    }
  });
}
