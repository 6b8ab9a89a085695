import { layerEntropySeeded } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Exit, Fiber, Scope } from "effect";
import { TestClock } from "effect/testing";
import { MemoryResolver } from "../../src/exit/index.ts";
import { makeResolverCache, type ResolverCacheOptions } from "../../src/exit/resolver-cache.ts";
import { ORIGIN, ORIGIN6 } from "./support/exit.ts";

const start = (options: Partial<ResolverCacheOptions> = {}, seed = "cache") =>
  Effect.gen(function* () {
    const names = MemoryResolver.make();
    const cache = yield* makeResolverCache({ ipv6: () => true, ...options }).pipe(
      Effect.provide([names.layer, layerEntropySeeded(seed)]),
    );
    return { names, cache };
  });

describe("ResolverCache", () => {
  it.effect("asks for both families once, and keeps the answer for the shorter of the times it gave out", () =>
    Effect.gen(function* () {
      const { names, cache } = yield* start();
      names.setAddresses("example.com", [ORIGIN, ORIGIN6], 86_400);
      const first = yield* cache.forward("example.com");
      const ttl = Math.min(first.ipv4.ttl, first.ipv6?.ttl ?? 0);
      assert.isTrue(ttl >= 3_360 && ttl <= 3_840);
      yield* TestClock.adjust((ttl - 1) * 1_000);
      assert.strictEqual(yield* cache.forward("example.com"), first);
      assert.deepStrictEqual(names.questions, ["A example.com", "AAAA example.com"]);
      yield* TestClock.adjust(1_000);
      yield* cache.forward("example.com");
      assert.strictEqual(names.questions.length, 4);
    }),
  );

  it.effect("gives different times to different names, the same again for the same seed", () =>
    Effect.gen(function* () {
      const ttls = Effect.fnUntraced(function* (seed: string) {
        const { names, cache } = yield* start({}, seed);
        const found: Array<number> = [];
        for (let host = 0; host < 20; host++) {
          names.setAddresses(`${host}.example`, [ORIGIN], 60);
          found.push((yield* cache.forward(`${host}.example`)).ipv4.ttl);
        }
        return found;
      });
      const one = yield* ttls("one");
      assert.deepStrictEqual(yield* ttls("one"), one);
      assert.notDeepEqual(yield* ttls("other"), one);
      assert.isTrue(new Set(one).size > 10);
      assert.isTrue(one.every((ttl) => ttl >= 60 && ttl <= 540));
    }),
  );

  it.effect("keeps failures too, also those that may pass", () =>
    Effect.gen(function* () {
      const { names, cache } = yield* start({ ipv6: () => false });
      names.setFailure("broken.example", "transient");
      const failed = yield* cache.forward("broken.example");
      assert.strictEqual(failed.ipv4._tag === "Failed" && failed.ipv4.transient, true);
      names.setAddresses("broken.example", [ORIGIN]);
      yield* TestClock.adjust("59 seconds");
      assert.strictEqual((yield* cache.forward("broken.example")).ipv4._tag, "Failed");
      yield* TestClock.adjust("8 minutes");
      assert.strictEqual((yield* cache.forward("broken.example")).ipv4._tag, "Found");
    }),
  );

  it.effect("shares one question between all who ask for a name meanwhile", () =>
    Effect.gen(function* () {
      const { names, cache } = yield* start();
      names.setAddresses("example.com", [ORIGIN]);
      names.setHostName("8.8.8.8", "dns.example");
      names.setLatency("1 second");
      const dns = { family: 4, address: "8.8.8.8" } as const;
      const forward = yield* Effect.forkChild(
        Effect.all(
          [1, 2, 3].map(() => cache.forward("example.com")),
          { concurrency: 3 },
        ),
      );
      const reverse = yield* Effect.forkChild(
        Effect.all(
          [1, 2].map(() => cache.reverse(dns)),
          { concurrency: 2 },
        ),
      );
      yield* TestClock.adjust("500 millis");
      assert.strictEqual(cache.counts().asking, 2);
      yield* TestClock.adjust("500 millis");
      const [one, two, three] = yield* Fiber.join(forward);
      assert.strictEqual(one, two);
      assert.strictEqual(two, three);
      assert.strictEqual((yield* Fiber.join(reverse)).length, 2);
      assert.deepStrictEqual(names.questions, ["A example.com", "AAAA example.com", "PTR 8.8.8.8"]);
      assert.deepStrictEqual(cache.counts(), {
        cached: 2,
        asking: 0,
        questions: 3,
        // The name has no IPv6 address.
        failures: new Map([["ENODATA", 1]]),
        refused: 0,
      });
    }),
  );

  it.effect("answers those who still wait when the first who asked has gone", () =>
    Effect.gen(function* () {
      const { names, cache } = yield* start({ ipv6: () => false });
      names.setAddresses("example.com", [ORIGIN]);
      names.setLatency("1 second");
      const first = yield* Effect.forkChild(cache.forward("example.com"), { startImmediately: true });
      const second = yield* Effect.forkChild(cache.forward("example.com"), { startImmediately: true });
      yield* Fiber.interrupt(first);
      yield* TestClock.adjust("1 second");
      assert.strictEqual((yield* Fiber.join(second)).ipv4._tag, "Found");
    }),
  );

  it.effect("gives a question up after half a minute, and asks again when that failure is forgotten", () =>
    Effect.gen(function* () {
      const { names, cache } = yield* start({ ipv6: () => false });
      names.setSilent("silent.example");
      const asking = yield* Effect.forkChild(cache.forward("silent.example"));
      yield* TestClock.adjust("29 seconds");
      assert.isUndefined(asking.pollUnsafe());
      yield* TestClock.adjust("1 second");
      const { ipv4 } = yield* Fiber.join(asking);
      assert.strictEqual(ipv4._tag === "Failed" && ipv4.transient, true);
      assert.strictEqual(cache.counts().asking, 0);
      yield* TestClock.adjust("9 minutes");
      names.setAddresses("silent.example", [ORIGIN]);
      assert.strictEqual((yield* cache.forward("silent.example")).ipv4._tag, "Found");
    }),
  );

  it.effect("asks no more at once than it may; what is turned away is not kept", () =>
    Effect.gen(function* () {
      const { names, cache } = yield* start({ maxQueries: 4 });
      for (const name of ["a", "b", "c"]) names.setAddresses(`${name}.example`, [ORIGIN]);
      names.setLatency("1 second");
      const two = yield* Effect.forkChild(
        Effect.all([cache.forward("a.example"), cache.forward("b.example")], { concurrency: 2 }),
        { startImmediately: true },
      );
      const turnedAway = yield* cache.forward("c.example");
      assert.deepEqual(turnedAway.ipv4, { _tag: "Failed", transient: true, ttl: 0 });
      const reverse = yield* cache.reverse({ family: 4, address: ORIGIN });
      assert.deepEqual(reverse, { _tag: "Failed", transient: true, ttl: 0 });
      assert.strictEqual(cache.counts().refused, 2);
      yield* TestClock.adjust("1 second");
      yield* Fiber.join(two);
      const later = yield* Effect.forkChild(cache.forward("c.example"), { startImmediately: true });
      yield* TestClock.adjust("1 second");
      assert.strictEqual((yield* Fiber.join(later)).ipv4._tag, "Found");
    }),
  );

  it.effect("keeps no more names than it may", () =>
    Effect.gen(function* () {
      const { names, cache } = yield* start({ ipv6: () => false, maxCached: 3 });
      for (let host = 0; host < 10; host++) yield* cache.forward(`${host}.example`);
      assert.strictEqual(cache.counts().cached, 3);
      yield* cache.forward("9.example");
      assert.strictEqual(names.questions.length, 10);
      yield* cache.forward("0.example");
      assert.strictEqual(names.questions.length, 11);
    }),
  );

  it.effect("gives all questions up with its scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make();
      const { names, cache } = yield* start().pipe(Scope.provide(scope));
      names.setSilent("silent.example");
      const asking = yield* Effect.forkChild(cache.forward("silent.example"), { startImmediately: true });
      yield* Scope.close(scope, Exit.void);
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(asking)));
      assert.strictEqual(cache.counts().asking, 0);
      assert.strictEqual((yield* cache.forward("late.example")).ipv4._tag, "Failed");
      assert.isFalse(names.questions.includes("A late.example"));
    }),
  );
});
