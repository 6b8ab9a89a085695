import { assert, describe, it } from "@effect/vitest";
import { Cause, Effect, Exit, Fiber, Schema, Scope } from "effect";
import { TestClock } from "effect/testing";
import { Random } from "../../../test/support/fuzz.ts";
import { LinkEnded, Mailbox, Reactor, ReactorGroup, Signal, Topology, Undeliverable } from "../src/index.ts";

type Command =
  | { readonly _tag: "Status"; readonly height: number }
  | { readonly _tag: "Range"; readonly from: number; readonly count: number }
  | { readonly _tag: "NewBlock"; readonly hash: string }
  | { readonly _tag: "SendHeaders"; readonly request: number };

const policies = {
  Status: Mailbox.coalesce(),
  Range: Mailbox.coalesce((command: Extract<Command, { _tag: "Range" }>) => command.from),
  NewBlock: Mailbox.drop,
  SendHeaders: Mailbox.neverDrop,
};

const makeMailbox = (capacity: number) => Mailbox.make<Command>()({ name: "peer", capacity, policies });

const status = (height: number): Extract<Command, { _tag: "Status" }> => ({ _tag: "Status", height });
const range = (from: number, count: number): Extract<Command, { _tag: "Range" }> => ({ _tag: "Range", from, count });
const newBlock = (hash: string): Extract<Command, { _tag: "NewBlock" }> => ({ _tag: "NewBlock", hash });
const sendHeaders = (request: number): Extract<Command, { _tag: "SendHeaders" }> => ({ _tag: "SendHeaders", request });

describe("Mailbox", () => {
  it.effect("delivers in the order of sending", () =>
    Effect.gen(function* () {
      const mailbox = yield* makeMailbox(8);
      const commands = [newBlock("a"), sendHeaders(1), status(7), newBlock("b")];
      for (const command of commands) assert.strictEqual(mailbox.sendUnsafe(command), "queued");
      assert.strictEqual(mailbox.size, 4);
      const taken: Array<Command> = [];
      for (const _ of commands) taken.push(yield* mailbox.reader.take);
      assert.deepStrictEqual(taken, commands);
      assert.strictEqual(mailbox.size, 0);
    }),
  );

  it.effect("coalesces: the newest wins, in the place of the oldest, full or not", () =>
    Effect.gen(function* () {
      const mailbox = yield* makeMailbox(1);
      assert.strictEqual(yield* mailbox.send(status(1)), "queued");
      assert.strictEqual(yield* mailbox.send(sendHeaders(1)), "queued");
      assert.strictEqual(yield* mailbox.send(status(2)), "coalesced");
      assert.strictEqual(yield* mailbox.send(status(3)), "coalesced");
      assert.deepStrictEqual(yield* mailbox.reader.take, status(3));
      assert.deepStrictEqual(yield* mailbox.reader.take, sendHeaders(1));
      assert.strictEqual(yield* mailbox.send(status(4)), "queued");
    }),
  );

  it.effect("coalesces by key: each key keeps its newest, and a new key needs room", () =>
    Effect.gen(function* () {
      const mailbox = yield* makeMailbox(2);
      assert.strictEqual(yield* mailbox.send(range(10, 1)), "queued");
      assert.strictEqual(yield* mailbox.send(range(20, 1)), "queued");
      assert.strictEqual(yield* mailbox.send(range(10, 2)), "coalesced");
      assert.strictEqual(yield* mailbox.send(range(30, 1)), "dropped");
      assert.deepStrictEqual(yield* mailbox.reader.take, range(10, 2));
      assert.deepStrictEqual(yield* mailbox.reader.take, range(20, 1));
      assert.strictEqual(yield* mailbox.send(range(10, 3)), "queued");
    }),
  );

  it.effect("always has room for a kind that coalesces without a key", () =>
    Effect.gen(function* () {
      const mailbox = yield* makeMailbox(1);
      yield* mailbox.send(sendHeaders(1));
      assert.strictEqual(yield* mailbox.send(status(1)), "queued");
      assert.strictEqual(mailbox.size, 2);
    }),
  );

  it.effect("drops what may be dropped when it is full, and counts it", () =>
    Effect.gen(function* () {
      const mailbox = yield* makeMailbox(1);
      yield* mailbox.send(newBlock("a"));
      assert.strictEqual(yield* mailbox.send(newBlock("b")), "dropped");
      assert.strictEqual(mailbox.sendUnsafe(newBlock("c")), "dropped");
      assert.deepStrictEqual(mailbox.counters().NewBlock, { queued: 1, coalesced: 0, dropped: 2, undeliverable: 0 });
    }),
  );

  it.effect("tells the sender when what must not be dropped cannot be delivered", () =>
    Effect.gen(function* () {
      const mailbox = yield* makeMailbox(1);
      yield* mailbox.send(newBlock("a"));
      const full = yield* Effect.flip(mailbox.send(sendHeaders(1)));
      assert.deepStrictEqual(full, new Undeliverable("peer", sendHeaders(1), "full"));
      assert.strictEqual(mailbox.sendUnsafe(sendHeaders(2)), "undeliverable");
      yield* mailbox.reader.take;
      assert.strictEqual(yield* mailbox.send(sendHeaders(3)), "queued");
      assert.deepStrictEqual(mailbox.counters().SendHeaders, { queued: 1, coalesced: 0, dropped: 0, undeliverable: 2 });
    }),
  );

  it.effect("once closed delivers nothing, and says so by the same policies", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make();
      const mailbox = yield* Scope.provide(makeMailbox(4), scope);
      yield* mailbox.send(newBlock("lost"));
      yield* mailbox.send(status(1));
      yield* Scope.close(scope, Exit.void);
      assert.strictEqual(mailbox.size, 0);
      assert.strictEqual(yield* mailbox.send(newBlock("x")), "dropped");
      assert.strictEqual(yield* mailbox.send(status(2)), "dropped");
      const closed = yield* Effect.flip(mailbox.send(sendHeaders(1)));
      assert.deepStrictEqual(closed, new Undeliverable("peer", sendHeaders(1), "closed"));
      assert.deepStrictEqual(yield* Effect.flip(mailbox.reader.take), new LinkEnded("peer", false));
    }),
  );

  it.effect("wakes its owner, also by a signal, and tells it of the close", () =>
    Effect.gen(function* () {
      const mailbox = yield* makeMailbox(4);
      const taking = yield* Effect.forkChild(mailbox.reader.take, { startImmediately: true });
      mailbox.sendUnsafe(status(1));
      assert.deepStrictEqual(yield* Fiber.join(taking), status(1));
      const signal = Signal.make();
      yield* mailbox.reader.wakes(signal);
      assert.isFalse(signal.isSet);
      mailbox.sendUnsafe(status(2));
      yield* signal.wait;
      yield* mailbox.reader.take;
      yield* mailbox.reader.close;
      yield* signal.wait;
      assert.deepStrictEqual(mailbox.reader.takeUnsafe(), Exit.fail(new LinkEnded("peer", false)));
    }),
  );

  it.effect("is read by a reactor through a port, and is seen in the topology", () =>
    Effect.gen(function* () {
      const mailbox = yield* makeMailbox(4);
      const handled: Array<string> = [];
      const owner = Reactor.make({
        name: "owner",
        reads: { commands: Reactor.port<Command>() },
        writes: {},
        run: ({ commands }) => Effect.forever(Effect.map(commands.take, (command) => handled.push(command._tag))),
      });
      const group = yield* ReactorGroup.make({ name: "peer" });
      yield* group.start(owner.wire({ commands: mailbox.reader }));
      yield* mailbox.send(status(1));
      yield* mailbox.send(newBlock("a"));
      yield* TestClock.adjust(0);
      yield* TestClock.adjust("1 millis");
      assert.deepStrictEqual(handled, ["Status", "NewBlock"]);
      const snapshot = yield* Topology.snapshot;
      assert.strictEqual(snapshot.links.length, 1);
      assert.deepInclude(snapshot.links[0], { name: "peer", items: 2, readerBlockedNanos: 1_000_000 });
    }).pipe(Effect.provideService(Topology.Registry, Topology.makeUnsafe())),
  );

  it.effect("does not compile without a policy for each kind, and takes a kind that it does not know for a bug", () =>
    Effect.gen(function* () {
      const { NewBlock: _, ...some } = policies;
      // @ts-expect-error NewBlock has no policy
      const mailbox = yield* Mailbox.make<Command>()({ name: "m", capacity: 1, policies: some });
      const exit = yield* Effect.exit(mailbox.send(newBlock("a")));
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause));
    }),
  );

  it.effect("fails only for kinds that must not be dropped, as the types say", () =>
    Effect.gen(function* () {
      const mailbox = yield* makeMailbox(1);
      const lossy: Effect.Effect<unknown> = mailbox.send(newBlock("a"));
      const precious: Effect.Effect<unknown, Undeliverable> = mailbox.send(sendHeaders(1));
      // @ts-expect-error it may fail
      const wrong: Effect.Effect<unknown> = precious;
      yield* Effect.ignore(Effect.all([lossy, precious, wrong]));
      assert.strictEqual(mailbox.size, 1);
    }),
  );

  it.effect.prop("behaves as its model, whatever is sent and taken", { seed: Schema.Int }, ({ seed }) =>
    Effect.gen(function* () {
      const random = new Random(seed);
      const capacity = 1 + random.below(4);
      const mailbox = yield* makeMailbox(capacity);
      let model: Array<Command> = [];
      const same = (a: Command, b: Command) =>
        a._tag === b._tag && (a._tag === "Status" || (a._tag === "Range" && b._tag === "Range" && a.from === b.from));
      for (let step = 0; step < 60; step++) {
        if (random.oneIn(3)) {
          const expected = model[0];
          model = model.slice(1);
          assert.deepStrictEqual(
            mailbox.reader.takeUnsafe(),
            expected === undefined ? undefined : Exit.succeed(expected),
          );
          continue;
        }
        const command = random.pick<() => Command>([
          () => status(step),
          () => range(random.below(3), step),
          () => newBlock(`${step}`),
          () => sendHeaders(step),
        ])();
        const older = model.findIndex((waiting) => same(waiting, command));
        const full = model.filter((waiting) => waiting._tag !== "Status").length >= capacity;
        const sent = mailbox.sendUnsafe(command);
        if (older >= 0) {
          assert.strictEqual(sent, "coalesced");
          model[older] = command;
        } else if (!full || command._tag === "Status") {
          assert.strictEqual(sent, "queued");
          model.push(command);
        } else {
          assert.strictEqual(sent, command._tag === "SendHeaders" ? "undeliverable" : "dropped");
        }
        assert.strictEqual(mailbox.size, model.length);
      }
    }),
  );
});
