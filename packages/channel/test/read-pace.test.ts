import { assert, describe, it } from "@effect/vitest";
import { Effect, Exit, Scope } from "effect";
import { TestClock } from "effect/testing";
import { eventLoopTurn } from "../../../test/support/event-loop.ts";
import { BULK_BYTES, FULL_BYTES, makeReadPace } from "../src/read-pace.ts";
import { READ_PAUSE_MILLIS } from "../src/timeouts.ts";
import { openSockets } from "./support/sockets.ts";

/** Lets time pass, and what it has woken run. */
const pass = (millis: number) => Effect.andThen(Effect.andThen(eventLoopTurn, TestClock.adjust(millis)), eventLoopTurn);

describe("the pace of reading", () => {
  const make = Effect.gen(function* () {
    const scope = yield* Scope.make();
    const pace = yield* Scope.provide(makeReadPace, scope);
    const woken: Array<string> = [];
    const rest = (name: string) => pace.rest({ goOn: () => woken.push(name) });
    return { woken, rest, close: Scope.close(scope, Exit.void) };
  });

  it.effect("lets a reader go on after the pause, once", () =>
    Effect.gen(function* () {
      const { woken, rest } = yield* make;
      assert.isTrue(rest("a"));
      yield* pass(READ_PAUSE_MILLIS - 1);
      assert.deepStrictEqual(woken, []);
      yield* pass(1);
      assert.deepStrictEqual(woken, ["a"]);
      yield* pass(10 * READ_PAUSE_MILLIS);
      assert.deepStrictEqual(woken, ["a"]);
      rest("a");
      yield* pass(READ_PAUSE_MILLIS);
      assert.deepStrictEqual(woken, ["a", "a"]);
    }),
  );

  it.effect("wakes those together whose pauses overlap, when the first is over", () =>
    Effect.gen(function* () {
      const { woken, rest } = yield* make;
      rest("a");
      yield* pass(READ_PAUSE_MILLIS - 1);
      rest("b");
      yield* pass(1);
      assert.deepStrictEqual(woken, ["a", "b"]);
    }),
  );

  it.effect("wakes everybody at its end, and lets nobody rest from then on", () =>
    Effect.gen(function* () {
      const { woken, rest, close } = yield* make;
      rest("long");
      yield* pass(1);
      rest("short");
      yield* close;
      assert.deepStrictEqual(woken, ["long", "short"]);
      assert.isFalse(rest("late"));
    }),
  );
});

describe("a socket", () => {
  const received = (bytes: number) =>
    Effect.gen(function* () {
      const [client, server] = yield* openSockets(128 * 1_024);
      client.write(Buffer.alloc(bytes));
      let got = 0;
      while (got < bytes) {
        yield* eventLoopTurn;
        for (let chunk = server.read(); chunk !== undefined; chunk = server.read()) got += chunk.length;
      }
      client.destroy();
      server.destroy();
      return got;
    });

  it.live("loses nothing to its rests, whatever it brings", () =>
    Effect.gen(function* () {
      for (const bytes of [1, BULK_BYTES - 1, BULK_BYTES, FULL_BYTES, 5_000_001]) {
        assert.strictEqual(yield* received(bytes), bytes);
      }
    }).pipe(Effect.scoped),
  );
});
