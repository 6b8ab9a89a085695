import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { faultsOf } from "./hostile/case.ts";
import { playAtExit } from "./hostile/play-at-exit.ts";
import { hostileInitiators } from "./hostile/table.ts";

for (const { title, cases } of hostileInitiators) {
  describe(`a hostile client to an exit: ${title.toLowerCase()}`, () => {
    for (const hostile of cases) {
      it.effect(`${hostile.what}: ${hostile.end}`, () =>
        Effect.gen(function* () {
          const { outcome, faults } = yield* playAtExit(hostile);
          assert.strictEqual(outcome, hostile.end);
          assert.deepStrictEqual(faults, faultsOf(hostile));
        }).pipe(Effect.scoped),
      );
    }
  });
}
