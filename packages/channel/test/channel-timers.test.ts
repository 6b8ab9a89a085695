import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { type ChannelState, ChannelTimers } from "../src/channel-timers.ts";
import { acceptCircuit, openChannel, settle, trainOf } from "./support/channel.ts";

const MINUTE = 60_000;

const state = (changes: Partial<ChannelState> = {}): ChannelState => ({
  circuits: 0,
  idleSince: 0,
  lastTransfer: 0,
  lastSent: 0,
  usage: "none",
  waiting: false,
  pending: 0,
  ...changes,
});

const timers = (paddingAfter?: number): ChannelTimers =>
  new ChannelTimers({
    idleTimeoutMillis: () => 60 * MINUTE,
    paddingDeadline: (lastTransfer) => (paddingAfter === undefined ? undefined : lastTransfer + paddingAfter),
  });

describe("the timers of a channel", () => {
  it("close it when it has had no circuit for long", () => {
    assert.isUndefined(timers().due(60 * MINUTE - 1, state({ lastSent: 59 * MINUTE })));
    assert.strictEqual(timers().due(60 * MINUTE, state({ lastSent: 59 * MINUTE })), "idle");
    assert.isUndefined(timers().due(600 * MINUTE, state({ circuits: 1, lastSent: 599 * MINUTE })));
  });

  it("close it when its bytes do not leave", () => {
    const stuck = state({ circuits: 1, pending: 1, lastSent: 10 * MINUTE });
    assert.isUndefined(timers().due(60 * MINUTE - 1, stuck));
    assert.strictEqual(timers().due(60 * MINUTE, stuck), "stuck");
  });

  it("send padding when it is due, and not while cells wait", () => {
    const quiet = state({ circuits: 1, lastTransfer: 1000, lastSent: 1000 });
    assert.isUndefined(timers(2000).due(2999, quiet));
    assert.strictEqual(timers(2000).due(3000, quiet), "padding");
    assert.isUndefined(timers(2000).due(3000, { ...quiet, waiting: true }));
    assert.isUndefined(timers(2000).due(3000, { ...quiet, pending: 5 }));
  });

  it("keep a silent line open", () => {
    const silent = state({ circuits: 1 });
    assert.isUndefined(timers().due(5 * MINUTE - 1, silent));
    assert.strictEqual(timers().due(5 * MINUTE, silent), "padding");
  });

  it("let the keeper sleep until the first of them, and not for long", () => {
    assert.strictEqual(timers().sleep(0, state({ circuits: 1 })), 10_000);
    assert.strictEqual(timers(3000).sleep(0, state({ circuits: 1 })), 3000);
    assert.strictEqual(timers(3000).sleep(2000, state({ circuits: 1 })), 1000);
    assert.strictEqual(timers().sleep(60 * MINUTE - 4, state({ lastSent: 60 * MINUTE })), 4);
    assert.strictEqual(timers(3000).sleep(0, state({ waiting: true })), 1000);
    assert.strictEqual(timers(0).sleep(50, state()), 1);
  });
});

describe("a channel over time", () => {
  it.effect("expires when nobody used it", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ config: { idleTimeoutMillis: () => 30 * MINUTE } });
      yield* TestClock.adjust("29 minutes");
      assert.strictEqual(test.channel.closed, false);
      yield* TestClock.adjust("1 minute");
      assert.strictEqual(yield* test.end, "idle");
      assert.strictEqual(test.connection.status, "closed");
    }),
  );

  it.effect("stays while it has circuits, and expires some time after the last", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ config: { idleTimeoutMillis: () => 30 * MINUTE } });
      const circuit = yield* acceptCircuit(test, 1);
      yield* TestClock.adjust("3 hours");
      assert.strictEqual(test.channel.closed, false);
      circuit.destroy(0);
      yield* TestClock.adjust("29 minutes");
      assert.strictEqual(test.channel.closed, false);
      yield* TestClock.adjust("70 seconds");
      assert.strictEqual(yield* test.end, "idle");
    }),
  );

  it.effect("sends a cell now and then when it has nothing to say", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      yield* acceptCircuit(test, 1);
      yield* TestClock.adjust("31 minutes");
      assert.deepStrictEqual(test.peer.names(), ["PADDING", "PADDING", "PADDING", "PADDING", "PADDING", "PADDING"]);
    }),
  );

  it.effect("gives up a peer that takes nothing any more", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      const circuit = yield* acceptCircuit(test, 1);
      test.network.stall("10.0.0.2", "10.0.0.1", true);
      yield* circuit.send(trainOf(1));
      yield* TestClock.adjust("49 minutes");
      assert.strictEqual(test.channel.closed, false);
      yield* TestClock.adjust("2 minutes");
      assert.strictEqual(yield* test.end, "stuck");
      yield* settle;
      assert.deepStrictEqual(circuit.inbox.ended(), { _tag: "ChannelClosed" });
    }),
  );
});
