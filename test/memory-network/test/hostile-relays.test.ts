import { DestroyReason } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { play } from "../hostile/play.ts";
import { hostileRelays } from "../hostile/table.ts";
import { inVirtualTime } from "../index.ts";
import { assertEchoes } from "./support.ts";

for (const { title, cases } of hostileRelays) {
  describe(`a hostile relay: ${title.toLowerCase()}`, () => {
    for (const hostileCase of cases) {
      it.effect(`${hostileCase.what}: ${hostileCase.end}`, () =>
        Effect.gen(function* () {
          const { outcome, destroyed, left, neighbour } = yield* play(hostileCase);
          assert.strictEqual(outcome, hostileCase.end);
          // The relay learns that the circuit is over, and never why. What relays in between tell it is theirs.
          if (outcome.includes("violation")) {
            assert.strictEqual(destroyed, hostileCase.place === "guard" ? DestroyReason.NONE : DestroyReason.DESTROYED);
          }
          assert.strictEqual(left, 0);
          yield* assertEchoes(neighbour, "example.com");
        }).pipe(Effect.scoped, inVirtualTime),
      );
    }
  });
}
