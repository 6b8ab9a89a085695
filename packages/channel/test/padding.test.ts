import { ChannelCommand, type PaddingNegotiate } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect, Schema } from "effect";
import { TestClock } from "effect/testing";
import { Random } from "../../../test/support/fuzz.ts";
import { ChannelPadding, ChannelProtocolError, DEFAULT_PADDING_PARAMS, type PaddingParams } from "../src/index.ts";
import { acceptCircuit, openChannel, settle, type TestChannel, trainOf } from "./support/channel.ts";
import { makeIdentity } from "./support/identities.ts";

const RELAY = makeIdentity("peer", 0).peer;

const START = (itoLowMs: number, itoHighMs: number): PaddingNegotiate => ({
  _tag: "PADDING_NEGOTIATE",
  command: 2,
  itoLowMs,
  itoHighMs,
});
const STOP: PaddingNegotiate = { _tag: "PADDING_NEGOTIATE", command: 1, itoLowMs: 0, itoHighMs: 0 };

const machine = (
  options: {
    readonly params?: Partial<PaddingParams>;
    readonly linkProtocol?: number;
    readonly withClient?: boolean;
    readonly below?: (limit: number) => number;
  } = {},
): ChannelPadding =>
  new ChannelPadding({
    linkProtocol: options.linkProtocol ?? 5,
    withClient: options.withClient ?? true,
    params: () => ({ ...DEFAULT_PADDING_PARAMS, ...options.params }),
    below: options.below ?? (() => 0),
  });

/** The range from which a machine draws: with the lowest and the highest draws there are. */
const rangeOf = (configure: (padding: ChannelPadding) => void, params: Partial<PaddingParams> = {}) => {
  const [low, high] = [() => 0, (limit: number) => limit - 1].map((below) => {
    const padding = machine({ below, params });
    configure(padding);
    return padding.deadline(0, "traffic");
  });
  return [low, high];
};

describe("when a channel pads", () => {
  it("is within the consensus' range", () => {
    assert.deepStrictEqual(
      rangeOf(() => {}),
      [1500, 9499],
    );
    assert.deepStrictEqual(
      rangeOf(() => {}, { lowMillis: 100, highMillis: 100 }),
      [100, 100],
    );
  });

  it("is the larger of two draws behind the last transfer", () => {
    const draws = [3, 7, 6, 2];
    const padding = machine({ below: () => draws.shift() ?? 0 });
    assert.strictEqual(padding.deadline(10_000, "traffic"), 10_000 + 1500 + 7);
    // The same answer until something is transferred.
    assert.strictEqual(padding.deadline(10_000, "traffic"), 10_000 + 1500 + 7);
    assert.strictEqual(padding.deadline(20_000, "traffic"), 20_000 + 1500 + 6);
  });

  it("is never on a link protocol that cannot negotiate it", () => {
    const padding = machine({ linkProtocol: 4 });
    assert.isUndefined(padding.deadline(0, "traffic"));
    padding.onNegotiate(START(0, 0));
    assert.isUndefined(padding.deadline(0, "traffic"));
    assert.isUndefined(padding.choose("reduced"));
  });

  it("is never between relays, unless the consensus says so", () => {
    assert.isUndefined(machine({ withClient: false }).deadline(0, "traffic"));
    assert.isDefined(machine({ withClient: false, params: { padRelays: true } }).deadline(0, "traffic"));
  });

  it("depends on what the channel was used for", () => {
    assert.isUndefined(machine().deadline(0, "none"));
    assert.isDefined(machine().deadline(0, "circuits"));
    const later = machine({ params: { padBeforeUsage: false } });
    assert.isUndefined(later.deadline(0, "circuits"));
    assert.isDefined(later.deadline(0, "traffic"));
  });

  it("is never when the consensus' range is nothing, whatever was negotiated", () => {
    const padding = machine({ params: { lowMillis: 0, highMillis: 0 } });
    assert.isUndefined(padding.deadline(0, "traffic"));
    padding.onNegotiate(START(3000, 5000));
    assert.isUndefined(padding.deadline(0, "traffic"));
  });

  it("may be made rarer by the peer, never denser", () => {
    assert.deepStrictEqual(
      rangeOf((padding) => padding.onNegotiate(START(4000, 12_000))),
      [4000, 11_999],
    );
    assert.deepStrictEqual(
      rangeOf((padding) => padding.onNegotiate(START(1, 2))),
      [1500, 9499],
    );
    assert.deepStrictEqual(
      rangeOf((padding) => padding.onNegotiate(START(0, 0))),
      [1500, 9499],
    );
    // An upper bound below the lower one is raised to it.
    assert.deepStrictEqual(
      rangeOf((padding) => padding.onNegotiate(START(60_000, 10))),
      [60_000, 60_000],
    );
  });

  it("ends with STOP, and comes back with START", () => {
    const padding = machine();
    padding.onNegotiate(STOP);
    assert.isUndefined(padding.deadline(0, "traffic"));
    padding.onNegotiate(START(0, 0));
    assert.strictEqual(padding.deadline(0, "traffic"), 1500);
  });

  it.prop("is never denser than the consensus allows", { seed: Schema.Int }, ({ seed }) => {
    const random = new Random(seed);
    const lowMillis = random.below(3000);
    const params = { lowMillis, highMillis: lowMillis + random.below(10_000) };
    const padding = machine({ params, below: (limit) => random.below(limit) });
    for (let step = 1; step < 50; step++) {
      if (random.oneIn(5)) padding.onNegotiate(START(random.below(65_536), random.below(65_536)));
      const deadline = padding.deadline(step, "traffic");
      if (deadline !== undefined) assert.isAtLeast(deadline - step, lowMillis);
    }
  });

  it("is a client's choice, of which it tells the relay", () => {
    const padding = machine();
    assert.deepStrictEqual(padding.choose("off"), STOP);
    assert.isUndefined(padding.deadline(0, "traffic"));
    assert.deepStrictEqual(padding.choose("reduced"), STOP);
    assert.strictEqual(padding.deadline(0, "traffic"), 9000);
    assert.deepStrictEqual(padding.choose("normal"), START(0, 0));
    assert.strictEqual(padding.deadline(0, "traffic"), 1500);
    assert.deepStrictEqual(
      rangeOf((other) => other.choose("reduced")),
      [9000, 13_999],
    );
    const { reducedLowMillis, reducedHighMillis, ...rest } = DEFAULT_PADDING_PARAMS;
    assert.deepStrictEqual([reducedLowMillis, reducedHighMillis], [9000, 14_000]);
    const plain = new ChannelPadding({ linkProtocol: 5, withClient: true, params: () => rest, below: () => 0 });
    plain.choose("reduced");
    assert.strictEqual(plain.deadline(0, "traffic"), 9000);
  });
});

const PADDED = { config: { padding: () => DEFAULT_PADDING_PARAMS } };

/** Marks the channel as one that carries a circuit of several hops. */
const use = (test: TestChannel) =>
  Effect.gen(function* () {
    const circuit = yield* acceptCircuit(test, 1);
    test.peer.relay(1, 0, ChannelCommand.RELAY_EARLY);
    test.peer.relay(1, 0);
    yield* settle;
    return circuit;
  });

/** The times, in milliseconds from now, at which padding arrives within this many seconds. */
const paddingTimes = (test: TestChannel, seconds: number) =>
  Effect.gen(function* () {
    const start = yield* Clock.currentTimeMillis;
    const times: Array<number> = [];
    for (let step = 0; step < seconds * 20; step++) {
      yield* TestClock.adjust("50 millis");
      const now = yield* Clock.currentTimeMillis;
      for (const name of test.peer.names()) {
        assert.strictEqual(name, "PADDING");
        times.push(now - start);
      }
    }
    return times;
  });

describe("a channel that pads", () => {
  it.effect("does so in the pauses of a client's traffic, at random times between 1.5 and 9.5 s", () =>
    Effect.gen(function* () {
      const test = yield* openChannel(PADDED);
      yield* use(test);
      const times = yield* paddingTimes(test, 200);
      const gaps = times.map((time, index) => time - (times[index - 1] ?? 0));
      for (const gap of gaps) {
        assert.isAtLeast(gap, 1450);
        assert.isAtMost(gap, 9550);
      }
      assert.isAtLeast(gaps.length, 20);
      assert.isAtLeast(new Set(gaps).size, 10);
      assert.strictEqual(test.channel.counters.paddingOut, gaps.length);
    }),
  );

  it.effect("counts the time from the last transfer in either direction", () =>
    Effect.gen(function* () {
      const test = yield* openChannel(PADDED);
      const circuit = yield* use(test);
      for (let step = 0; step < 40; step++) {
        if (step % 2 === 0) test.peer.relay(1, 0);
        else yield* circuit.send(trainOf(1));
        yield* TestClock.adjust("1400 millis");
      }
      assert.notInclude(test.peer.names(), "PADDING");
      const [first] = yield* paddingTimes(test, 10);
      assert.isDefined(first);
      assert.isAtMost(first!, 9550 - 1400);
    }),
  );

  it.effect("does not while cells wait to be written, and begins soon after they left", () =>
    Effect.gen(function* () {
      const test = yield* openChannel(PADDED);
      const circuit = yield* use(test);
      test.network.stall("10.0.0.2", "10.0.0.1", true);
      yield* circuit.send(trainOf(3));
      yield* settle;
      yield* circuit.send(trainOf(3));
      yield* TestClock.adjust("5 minutes");
      test.network.stall("10.0.0.2", "10.0.0.1", false);
      yield* settle;
      assert.deepStrictEqual(new Set(test.peer.names()), new Set(["RELAY"]));
      const [first] = yield* paddingTimes(test, 11);
      assert.isAtLeast(first!, 1450);
      assert.isAtMost(first!, 9550 + 1000);
    }),
  );

  it.effect("does not before a circuit of several hops, nor between relays", () =>
    Effect.gen(function* () {
      const unused = yield* openChannel(PADDED);
      yield* acceptCircuit(unused, 1);
      unused.peer.relay(1, 0);
      assert.deepStrictEqual(yield* paddingTimes(unused, 30), []);
      const between = yield* openChannel({ ...PADDED, peer: RELAY });
      yield* acceptCircuit(between, 1);
      between.peer.relay(1, 0, ChannelCommand.RELAY_EARLY);
      assert.deepStrictEqual(yield* paddingTimes(between, 30), []);
    }),
  );

  it.effect("heeds PADDING_NEGOTIATE at any time", () =>
    Effect.gen(function* () {
      const test = yield* openChannel(PADDED);
      yield* use(test);
      test.peer.message(0, STOP);
      assert.deepStrictEqual(yield* paddingTimes(test, 30), []);
      test.peer.message(0, START(20_000, 20_000));
      const times = yield* paddingTimes(test, 65);
      assert.strictEqual(times.length, 3);
      for (const [index, time] of times.entries()) {
        assert.isAtLeast(time - (times[index - 1] ?? 0), 19_900);
        assert.isAtMost(time - (times[index - 1] ?? 0), 20_150);
      }
    }),
  );

  it.effect("as a client pads too, once its circuits are extended, and tells the relay its wish", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ ...PADDED, peer: RELAY, initiated: true, anonymous: true });
      const circuit = yield* test.channel.openCircuit({
        inbound: { notify: () => {}, wait: Effect.never, isSet: false },
      });
      assert.deepStrictEqual(yield* paddingTimes(test, 30), []);
      yield* circuit.send(trainOf(1, 0, ChannelCommand.RELAY_EARLY));
      yield* settle;
      test.peer.take();
      assert.isAtLeast((yield* paddingTimes(test, 30)).length, 2);
      test.channel.setPadding("off");
      yield* settle;
      const [negotiate] = test.peer.take();
      assert.strictEqual(negotiate?.name, "PADDING_NEGOTIATE");
      assert.strictEqual(negotiate?.body.toString("hex", 0, 6), "000100000000");
      assert.deepStrictEqual(yield* paddingTimes(test, 30), []);
    }),
  );

  it.effect("as a client lets no relay tell it how to pad", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ peer: RELAY, initiated: true, anonymous: true });
      test.peer.message(0, STOP);
      const end = yield* test.end;
      assert.instanceOf(end, ChannelProtocolError);
      assert.strictEqual((end as ChannelProtocolError).where, "PADDING_NEGOTIATE");
    }),
  );

  it.effect("says nothing of its wish where nobody would understand it", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ peer: RELAY, initiated: true, anonymous: true, linkProtocol: 4 });
      test.channel.setPadding("off");
      yield* settle;
      assert.deepStrictEqual(test.peer.take(), []);
    }),
  );
});
