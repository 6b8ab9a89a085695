import { ChannelCommand, DestroyReason, encodeChannelBody, HandshakeType } from "@allium/cell";
import { type Channel, type ChannelCircuit, layerEntropySeeded } from "@allium/channel";
import { splitKeyMaterial } from "@allium/crypto";
import { Signal } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Exit, Scope } from "effect";
import { TestClock } from "effect/testing";
import {
  type Answered,
  type CircuitRefusal,
  congestionParams,
  type HandshakeRefused,
  type HandshakeService,
  handshakesInline,
  UnknownHandshake,
} from "../../src/index.ts";
import { aSecond, assertNothingLeft, type Lab, type LabOptions, makeLab, openRaw } from "../support/lab.ts";

const agreed = congestionParams(() => undefined, "exit").fixedWindow;

/** A service whose every answer comes when the test says so. */
class Workers implements HandshakeService {
  readonly concurrency: number;
  /** Work that was begun and is not done, by the first byte of the handshake. */
  readonly open = new Map<number, (answer: Effect.Effect<Answered, HandshakeRefused>) => void>();
  begun: Array<number> = [];
  most = 0;
  interrupted = 0;

  constructor(concurrency: number) {
    this.concurrency = concurrency;
  }

  readonly answer: HandshakeService["answer"] = (message) =>
    Effect.callback((resume) => {
      const number = message._tag === "CREATE2" ? message.handshake[0]! : -1;
      this.begun.push(number);
      this.open.set(number, resume);
      this.most = Math.max(this.most, this.open.size);
      return Effect.sync(() => {
        this.interrupted++;
      });
    });

  /** The work on a handshake ends. */
  finish(number: number, answer: Effect.Effect<Answered, HandshakeRefused> = Effect.succeed(answerTo(number))): void {
    const resume = this.open.get(number);
    assert.isDefined(resume, `nobody works on ${number}`);
    this.open.delete(number);
    resume(answer);
  }
}

const answerTo = (number: number): Answered => ({
  command: ChannelCommand.CREATED2,
  payload: encodeChannelBody({ _tag: "CREATED2", handshake: Buffer.alloc(64, number) }),
  keys: splitKeyMaterial(Buffer.alloc(92, number)),
  agreed,
});

const payloadOf = (number: number): Buffer =>
  encodeChannelBody({ _tag: "CREATE2", handshakeType: HandshakeType.NTOR, handshake: Buffer.alloc(84, number) });

/** A client that wants a circuit: `number` tells it from others. */
const ask = (channel: Channel, number: number) =>
  Effect.map(Effect.orDie(channel.openCircuit({ inbound: Signal.make() })), (near) => {
    near.sendCell(ChannelCommand.CREATE2, payloadOf(number));
    return near;
  });

const askAll = (channel: Channel, numbers: ReadonlyArray<number>) =>
  Effect.forEach(numbers, (number) => ask(channel, number));

/** What the client was answered: the number of its handshake, the reason of a DESTROY, or nothing yet. */
const answerOf = ({ inbox }: ChannelCircuit): string | undefined => {
  const created = inbox.takeControl();
  if (created !== undefined) return `created ${created.payload[2]}`;
  const end = inbox.ended();
  if (end === undefined) return undefined;
  return end._tag === "Destroyed" ? `destroyed ${end.reason}` : end._tag;
};

const settle = Effect.repeat(TestClock.adjust("1 millis"), { times: 20 });

const range = (from: number, to: number): ReadonlyArray<number> =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** A lab whose relay answers by workers, and what it refused. */
const labWith = (workers: HandshakeService, options: LabOptions = {}) =>
  Effect.gen(function* () {
    const refused: Array<CircuitRefusal> = [];
    const lab = yield* makeLab({
      ...options,
      handshakes: workers,
      create: { onRefused: (refusal) => refused.push(refusal), ...options.create },
    });
    return { lab, refused, circuits: lab.relays[0]!.circuits };
  });

const leavesNothing = (lab: Lab) =>
  Effect.gen(function* () {
    for (const circuit of lab.relays[0]!.circuits.circuits()) circuit.stop("finished");
    yield* aSecond;
    assertNothingLeft(lab);
    assert.strictEqual(lab.relays[0]!.circuits.counters.queued, 0);
  });

describe("CREATEs", () => {
  it.effect("are worked on as many at once as the service can, and answered in whatever order it answers", () =>
    Effect.gen(function* () {
      const workers = new Workers(2);
      const { lab, circuits } = yield* labWith(workers);
      const asked = yield* askAll(lab.channel, [1, 2, 3, 4]);
      yield* settle;
      assert.deepStrictEqual(workers.begun, [1, 2]);
      assert.strictEqual(circuits.counters.queued, 2);
      workers.finish(2);
      yield* settle;
      assert.deepStrictEqual(asked.map(answerOf), [undefined, "created 2", undefined, undefined]);
      assert.deepStrictEqual(workers.begun, [1, 2, 3]);
      for (const number of [3, 4, 1]) {
        workers.finish(number);
        yield* settle;
      }
      assert.deepStrictEqual(asked.map(answerOf), ["created 1", undefined, "created 3", "created 4"]);
      assert.strictEqual(workers.most, 2);
      assert.deepStrictEqual(circuits.counters.handshakes, { fast: 0, ntor: 4, ntor_v3: 0 });
      assert.strictEqual(circuits.circuits().length, 4);
      yield* leavesNothing(lab);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("order"))),
  );

  it.effect("CREATE_FAST does not wait", () =>
    Effect.gen(function* () {
      const { lab } = yield* labWith({
        ...handshakesInline,
        answer: (message, options) =>
          message._tag === "CREATE_FAST" ? handshakesInline.answer(message, options) : Effect.never,
      });
      yield* askAll(lab.channel, range(1, 10));
      yield* settle;
      const near = yield* Effect.orDie(lab.channel.openCircuit({ inbound: Signal.make() }));
      near.sendCell(ChannelCommand.CREATE_FAST, Buffer.alloc(20));
      yield* settle;
      assert.strictEqual(near.inbox.takeControl()?.command, ChannelCommand.CREATED_FAST);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("fast"))),
  );

  it.effect("a flood on one channel takes every other turn of another channel, and no more", () =>
    Effect.gen(function* () {
      const workers = new Workers(1);
      const { lab } = yield* labWith(workers);
      const other = yield* lab.connect("10.1.0.2");
      yield* askAll(lab.channel, range(1, 40));
      yield* settle;
      yield* askAll(other, [101, 102]);
      yield* settle;
      for (let count = 0; count < 6; count++) {
        workers.finish(workers.begun.at(-1)!);
        yield* settle;
      }
      assert.deepStrictEqual(workers.begun, [1, 2, 101, 3, 102, 4, 5]);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("fair"))),
  );

  it.effect("when too many wait, the channel with most loses its oldest: DESTROY with RESOURCELIMIT", () =>
    Effect.gen(function* () {
      const workers = new Workers(1);
      const { lab, refused, circuits } = yield* labWith(workers, {
        // A millisecond each is assumed.
        create: { handshakes: { maxDelayMillis: () => 60, cutoffMillis: () => 5_000 } },
      });
      const other = yield* lab.connect("10.1.0.2");
      const quiet = yield* askAll(other, [201, 202, 203]);
      yield* settle;
      const flood = yield* askAll(lab.channel, range(1, 100));
      yield* aSecond;
      assert.strictEqual(circuits.counters.queued, 60);
      const destroyed = `destroyed ${DestroyReason.RESOURCELIMIT}`;
      const answers = flood.map(answerOf);
      // One of the quiet ones is worked on, two wait.
      assert.deepStrictEqual(answers, [...range(1, 42).map(() => destroyed), ...range(43, 100).map(() => undefined)]);
      assert.deepStrictEqual(quiet.map(answerOf), [undefined, undefined, undefined]);
      assert.strictEqual(refused.filter((refusal) => refusal === "queueFull").length, 42);
      assert.strictEqual(circuits.counters.refused, 42);
      assert.deepStrictEqual(circuits.counters.dropped, { fast: 0, ntor: 42, ntor_v3: 0 });
      assert.strictEqual(lab.relays[0]!.channels.channels().length, 2);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("full"))),
  );

  it.effect("what has waited for too long is refused when its turn comes", () =>
    Effect.gen(function* () {
      const workers = new Workers(1);
      const { lab, refused } = yield* labWith(workers);
      const asked = yield* askAll(lab.channel, [1, 2]);
      yield* Effect.repeat(TestClock.adjust("100 millis"), { times: 30 });
      asked.push(yield* ask(lab.channel, 3));
      yield* Effect.repeat(TestClock.adjust("100 millis"), { times: 30 });
      workers.finish(1);
      yield* settle;
      assert.deepStrictEqual(workers.begun, [1, 3]);
      assert.deepStrictEqual(asked.map(answerOf), ["created 1", `destroyed ${DestroyReason.RESOURCELIMIT}`, undefined]);
      assert.deepStrictEqual(refused, ["queueLate"]);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("late"))),
  );

  it.effect("that their peers give up are forgotten, in the queue and at work", () =>
    Effect.gen(function* () {
      const workers = new Workers(1);
      const { lab, refused, circuits } = yield* labWith(workers);
      const asked = yield* askAll(lab.channel, [1, 2, 3]);
      yield* settle;
      for (const index of [0, 1]) asked[index]!.destroy(DestroyReason.FINISHED);
      yield* settle;
      assert.strictEqual(circuits.counters.queued, 1);
      workers.finish(1);
      yield* settle;
      assert.deepStrictEqual(workers.begun, [1, 3]);
      assert.strictEqual(circuits.circuits().length, 0);
      workers.finish(3);
      yield* settle;
      assert.strictEqual(answerOf(asked[2]!), "created 3");
      assert.deepStrictEqual(refused, []);
      assert.strictEqual(circuits.counters.handshakes.ntor, 1);
      yield* leavesNothing(lab);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("given up"))),
  );

  it.effect("whose channel closes are forgotten", () =>
    Effect.gen(function* () {
      const workers = new Workers(1);
      const { lab, circuits } = yield* labWith(workers);
      const other = yield* lab.connect("10.1.0.2");
      yield* askAll(other, [1, 2, 3]);
      yield* settle;
      other.close("shutdown");
      yield* settle;
      assert.strictEqual(circuits.counters.queued, 0);
      workers.finish(1);
      yield* leavesNothing(lab);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("closed"))),
  );

  it.effect("a second one for an ID that waits is dropped, and the first is answered", () =>
    Effect.gen(function* () {
      const workers = new Workers(1);
      const { lab } = yield* labWith(workers);
      const [, second] = yield* askAll(lab.channel, [1, 2]);
      yield* settle;
      second!.sendCell(ChannelCommand.CREATE2, payloadOf(99));
      yield* settle;
      workers.finish(1);
      yield* settle;
      workers.finish(2);
      yield* settle;
      assert.deepStrictEqual(workers.begun, [1, 2]);
      assert.strictEqual(answerOf(second!), "created 2");
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("second"))),
  );

  it.effect("cells that come before the answer are a violation, as at tor", () =>
    Effect.gen(function* () {
      const workers = new Workers(1);
      const { lab, refused } = yield* labWith(workers);
      const near = yield* ask(lab.channel, 1);
      near.outbox.push({ command: ChannelCommand.RELAY, count: 1, slab: Buffer.alloc(509) });
      yield* settle;
      assert.strictEqual(lab.relays[0]!.memory.used, 509);
      workers.finish(1);
      yield* settle;
      assert.strictEqual(answerOf(near), `destroyed ${DestroyReason.PROTOCOL}`);
      assert.deepStrictEqual(refused, ["early"]);
      yield* leavesNothing(lab);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("early"))),
  );

  it.effect("that hold memory when there is none left are ended", () =>
    Effect.gen(function* () {
      const workers = new Workers(1);
      const { lab } = yield* labWith(workers, { memoryLimit: 20_000 });
      const near = yield* ask(lab.channel, 1);
      for (let train = 0; train < 2; train++) {
        near.outbox.push({ command: ChannelCommand.RELAY, count: 32, slab: Buffer.alloc(32 * 509) });
        yield* settle;
      }
      assert.strictEqual(answerOf(near), `destroyed ${DestroyReason.RESOURCELIMIT}`);
      assert.strictEqual(lab.relays[0]!.memory.used, 0);
      workers.finish(1);
      yield* leavesNothing(lab);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("memory"))),
  );

  it.effect("are refused before anything else if they are not admitted", () =>
    Effect.gen(function* () {
      const workers = new Workers(1);
      let admitted = 0;
      const { lab, refused } = yield* labWith(workers, { create: { admit: () => ++admitted === 1 } });
      const asked = yield* askAll(lab.channel, [1, 2]);
      yield* settle;
      assert.deepStrictEqual(workers.begun, [1]);
      assert.strictEqual(answerOf(asked[1]!), `destroyed ${DestroyReason.RESOURCELIMIT}`);
      assert.deepStrictEqual(refused, ["notAdmitted"]);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("admit"))),
  );

  it.effect("a channel may have as many circuits as are left for all, so that a flood leaves places for others", () =>
    Effect.gen(function* () {
      const workers = new Workers(4);
      const { lab, refused, circuits } = yield* labWith(workers, { create: { maxCircuits: () => 12 } });
      const destroyed = `destroyed ${DestroyReason.RESOURCELIMIT}`;
      const flood = yield* askAll(lab.channel, range(1, 10));
      yield* settle;
      // Those that wait for their handshake count.
      assert.deepStrictEqual(flood.map(answerOf), [
        ...range(1, 6).map(() => undefined),
        ...range(7, 10).map(() => destroyed),
      ]);
      for (const number of range(1, 6)) {
        workers.finish(number);
        yield* settle;
      }
      assert.strictEqual(circuits.circuits().length, 6);
      const second = yield* askAll(yield* lab.connect("10.1.0.2"), range(11, 20));
      yield* settle;
      assert.strictEqual(second.map(answerOf).filter((answer) => answer === undefined).length, 3);
      // Whoever has few always has a place, until the last is taken.
      for (const host of ["10.1.0.3", "10.1.0.4", "10.1.0.5"]) {
        const [first] = yield* askAll(yield* lab.connect(host), [21]);
        yield* settle;
        assert.isUndefined(answerOf(first!), host);
      }
      const [last] = yield* askAll(yield* lab.connect("10.1.0.6"), [22]);
      yield* settle;
      assert.strictEqual(answerOf(last!), destroyed);
      // A circuit that ends gives its place back.
      flood[0]!.destroy(DestroyReason.FINISHED);
      yield* settle;
      const [next] = yield* askAll(yield* lab.connect("10.1.0.6"), [23]);
      yield* settle;
      assert.isUndefined(answerOf(next!));
      assert.deepStrictEqual(new Set(refused), new Set(["tooMany"]));
      assert.strictEqual(circuits.counters.refusals.tooMany, 4 + 7 + 1);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("many"))),
  );

  it.effect("a bug costs the circuit that meets it, and nobody else", () =>
    Effect.gen(function* () {
      const workers = new Workers(1);
      const { lab, refused } = yield* labWith(workers);
      const asked = yield* askAll(lab.channel, [1, 2, 3]);
      yield* settle;
      workers.finish(1, Effect.die(new Error("meant to be logged")));
      yield* settle;
      workers.finish(2, Effect.fail(new UnknownHandshake(2)));
      yield* settle;
      workers.finish(3);
      yield* settle;
      assert.deepStrictEqual(asked.map(answerOf), [
        `destroyed ${DestroyReason.INTERNAL}`,
        `destroyed ${DestroyReason.PROTOCOL}`,
        "created 3",
      ]);
      assert.deepStrictEqual(refused, ["bug", "unknownHandshake"]);
      yield* leavesNothing(lab);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("bug"))),
  );

  it.effect("those that wait when the relay's circuits end are told", () =>
    Effect.gen(function* () {
      const workers = new Workers(1);
      const scope = yield* Scope.make();
      const { lab } = yield* labWith(workers).pipe(Scope.provide(scope));
      const asked = yield* askAll(lab.channel, [1, 2]);
      yield* settle;
      yield* Effect.forkChild(Scope.close(scope, Exit.void));
      yield* settle;
      assert.strictEqual(workers.interrupted, 1);
      // The client's own channels close in the same scope: what counts is that nobody is left waiting.
      for (const near of asked) assert.isDefined(answerOf(near));
      assert.strictEqual(lab.relays[0]!.memory.used, 0);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("end"))),
  );

  it.effect("four at most are answered on the spot before others have a turn", () =>
    Effect.gen(function* () {
      let answered = 0;
      const { lab } = yield* labWith({
        ...handshakesInline,
        answer: (message, options) => {
          answered++;
          return handshakesInline.answer(message, options);
        },
      });
      yield* openRaw(lab);
      const channels = yield* Effect.forEach(range(2, 7), (host) => lab.connect(`10.1.0.${host}`));
      yield* settle;
      answered = 0;
      for (const channel of channels) yield* askAll(channel, range(1, 8));
      let before = 0;
      yield* Effect.forkChild(settle);
      for (let turn = 0; turn < 2_000 && answered < 48; turn++) {
        yield* Effect.yieldNow;
        assert.isAtMost(answered - before, 4);
        before = answered;
      }
      assert.strictEqual(answered, 48);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("inline"))),
  );
});
