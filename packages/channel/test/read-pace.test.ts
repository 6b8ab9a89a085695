import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { vi } from "vitest";
import { BULK_BYTES, FULL_BYTES, ReadPace } from "../src/read-pace.ts";
import { READ_PAUSE_MILLIS } from "../src/timeouts.ts";
import { eventLoopTurn, openSockets } from "./support/sockets.ts";

describe("the pace of reading", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "setImmediate"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const make = () => {
    const pace = new ReadPace();
    const woken: Array<string> = [];
    const rest = (name: string, overflowing = false) => pace.rest({ overflowing, goOn: () => woken.push(name) });
    return { woken, rest };
  };

  it("lets a reader go on after the pause, once", () => {
    const { woken, rest } = make();
    rest("a");
    vi.advanceTimersByTime(READ_PAUSE_MILLIS - 1);
    assert.deepStrictEqual(woken, []);
    vi.advanceTimersByTime(1);
    assert.deepStrictEqual(woken, ["a"]);
    vi.advanceTimersByTime(10 * READ_PAUSE_MILLIS);
    assert.deepStrictEqual(woken, ["a"]);
    rest("a");
    vi.advanceTimersByTime(READ_PAUSE_MILLIS);
    assert.deepStrictEqual(woken, ["a", "a"]);
  });

  it("wakes those together whose pauses overlap, when the first is over", () => {
    const { woken, rest } = make();
    rest("a");
    vi.advanceTimersByTime(READ_PAUSE_MILLIS - 1);
    rest("b");
    vi.advanceTimersByTime(1);
    assert.deepStrictEqual(woken, ["a", "b"]);
  });

  it("lets a reader that has more than one turn brings go on in the next", () => {
    const { woken, rest } = make();
    rest("quiet");
    rest("full", true);
    vi.advanceTimersByTime(0);
    assert.deepStrictEqual(woken, ["full"]);
    vi.advanceTimersByTime(READ_PAUSE_MILLIS);
    assert.deepStrictEqual(woken, ["full", "quiet"]);
  });
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
