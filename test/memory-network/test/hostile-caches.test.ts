import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { hostileCaches } from "../hostile/cases/caches.ts";
import { playCache } from "../hostile/play-cache.ts";
import { inVirtualTime } from "../index.ts";

for (const { title, cases } of hostileCaches) {
  describe(`a hostile cache: ${title.toLowerCase()}`, () => {
    for (const hostileCache of cases) {
      it.effect(`${hostileCache.what}: ${hostileCache.end}`, () =>
        Effect.gen(function* () {
          const { outcome, lies } = yield* playCache(hostileCache);
          assert.strictEqual(outcome, hostileCache.end);
          assert.isAbove(lies, 0);
        }).pipe(Effect.scoped, inVirtualTime),
      );
    }
  });
}
