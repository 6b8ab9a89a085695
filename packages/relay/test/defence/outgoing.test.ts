import { type Channel, type Connection, type Endpoint, Transport, TransportError } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Deferred, Effect, Exit, Fiber } from "effect";
import { Outgoing, type OutgoingBound } from "../../src/defence/outgoing.ts";
import { FakeConnection } from "../exit/support/fake-connection.ts";

/** A transport whose attempts the test ends, and what bounds it. */
const start = (bounds: { readonly max?: number; readonly maxDials?: number }) => {
  const told: Array<OutgoingBound> = [];
  const attempts: Array<Deferred.Deferred<Connection, TransportError>> = [];
  const outgoing = new Outgoing({
    max: () => bounds.max ?? 100,
    maxDials: bounds.maxDials ?? 100,
    onBound: (bound) => told.push(bound),
  });
  const transport = outgoing.limit(
    Transport.of({
      connect: () =>
        Effect.suspend(() => {
          const attempt = Deferred.makeUnsafe<Connection, TransportError>();
          attempts.push(attempt);
          return Deferred.await(attempt);
        }),
      listen: () => Effect.die("not asked for"),
    }),
  );
  const dial = (host = "192.0.2.1", tls = true) =>
    Effect.forkChild(transport.connect({ host, port: 1 }, { tls }), { startImmediately: true });
  /** An attempt succeeds. */
  const answer = (index: number) =>
    Effect.gen(function* () {
      // Endpoints are told apart by identity: two connections may lead to one address.
      const connection = Object.assign(new FakeConnection(), { remote: { host: "192.0.2.1", port: 1 } });
      Deferred.doneUnsafe(attempts[index]!, Exit.succeed<Connection>(connection));
      yield* settle;
      return connection;
    });
  return { outgoing, told, attempts, dial, answer };
};

const settle = Effect.repeat(Effect.yieldNow, { times: 20 });

/** A channel that was opened, on a connection. */
const channelOn = ({ remote }: { readonly remote: Endpoint }, circuitCount = 0) => {
  const channel = {
    initiated: true,
    remote,
    circuitCount,
    closed: undefined as string | undefined,
    close: (reason: string) => {
      channel.closed = reason;
    },
  };
  return channel as typeof channel & Channel;
};

const codeOf = (fiber: Fiber.Fiber<Connection, TransportError>) =>
  Effect.map(Effect.flip(Fiber.join(fiber)), ({ code }) => code);

describe("connections that a relay opens", () => {
  it.effect("are so many at a time: the oldest is given up, whether or not it is connected", () =>
    Effect.gen(function* () {
      const { outgoing, told, dial, answer } = start({ maxDials: 3 });
      const fibers = [yield* dial(), yield* dial(), yield* dial()];
      const second = yield* answer(1);
      assert.strictEqual(outgoing.opening, 3);
      yield* dial();
      assert.strictEqual(yield* codeOf(fibers[0]!), "GIVEN_UP");
      // Its link handshake is under way, and takes its time.
      yield* dial();
      assert.isTrue(second.destroyed);
      assert.deepStrictEqual(told, ["dials", "dials"]);
      assert.strictEqual(outgoing.opening, 3);
    }),
  );

  it.effect("give their place back when they fail, are given up, or come to nothing in their handshakes", () =>
    Effect.gen(function* () {
      const { outgoing, told, dial, answer, attempts } = start({ maxDials: 3 });
      const fibers = [yield* dial(), yield* dial(), yield* dial()];
      const endpoint = { host: "192.0.2.1", port: 1 };
      Deferred.doneUnsafe(
        attempts[0]!,
        Exit.fail(new TransportError({ kind: "refused", code: "ECONNREFUSED", endpoint })),
      );
      assert.strictEqual(yield* codeOf(fibers[0]!), "ECONNREFUSED");
      yield* Fiber.interrupt(fibers[1]!);
      assert.strictEqual(outgoing.opening, 1);
      const third = yield* answer(2);
      assert.strictEqual(outgoing.opening, 1);
      third.destroy();
      assert.strictEqual(outgoing.opening, 0);
      for (let count = 0; count < 3; count++) yield* dial();
      assert.deepStrictEqual(told, []);
    }),
  );

  it.effect("are so many in all: one without circuits makes room, and if there is none, no other is opened", () =>
    Effect.gen(function* () {
      const { outgoing, told, dial, answer } = start({ max: 3 });
      for (let count = 0; count < 3; count++) yield* dial();
      const channels = [];
      for (const [index, circuits] of [1, 0, 2].entries()) {
        const channel = channelOn(yield* answer(index), circuits);
        outgoing.onOpen(channel);
        channels.push(channel);
      }
      assert.strictEqual(outgoing.opening, 0);
      const fourth = yield* dial();
      assert.deepStrictEqual(
        channels.map(({ closed }) => closed),
        [undefined, "idle", undefined],
      );
      assert.deepStrictEqual(told, []);
      assert.strictEqual(yield* codeOf(yield* dial()), "TOO_MANY");
      assert.deepStrictEqual(told, ["outgoing"]);
      // One that ends makes room as well.
      outgoing.onEnd(channels[0]!);
      yield* dial();
      assert.strictEqual(outgoing.opening, 2);
      assert.isUndefined(fourth.pollUnsafe());
    }),
  );

  it.effect("are not those of streams, nor incoming ones", () =>
    Effect.gen(function* () {
      const { outgoing, told, dial } = start({ max: 1, maxDials: 1 });
      for (let count = 0; count < 3; count++) yield* dial("192.0.2.1", false);
      outgoing.onOpen({ initiated: false } as Channel);
      yield* dial();
      assert.strictEqual(outgoing.opening, 1);
      assert.deepStrictEqual(told, []);
    }),
  );

  it.effect("that are made for somebody who has gone are closed", () =>
    Effect.gen(function* () {
      const { outgoing, dial, attempts } = start({});
      const fiber = yield* dial();
      const connection = new FakeConnection();
      Deferred.doneUnsafe(attempts[0]!, Exit.succeed<Connection>(connection));
      fiber.interruptUnsafe();
      const exit = yield* Fiber.await(fiber);
      yield* settle;
      // Whoever waited has it, or nobody.
      assert.strictEqual(connection.destroyed, Exit.isFailure(exit));
      assert.strictEqual(outgoing.opening, Exit.isFailure(exit) ? 0 : 1);
    }),
  );
});
