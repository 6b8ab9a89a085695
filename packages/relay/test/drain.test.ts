import { DestroyReason } from "@allium/cell";
import { type CreateRequest, Transport } from "@allium/channel";
import type { RelayCircuit } from "@allium/circuit";
import { Signal } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Context, Duration, Effect, Fiber, Layer, Scope } from "effect";
import { TestClock } from "effect/testing";
import { drain } from "../src/drain.ts";
import { platform, RELAY, startTestRelay } from "./support/test-relay.ts";

/** A relay with some circuits, as far as its end sees it. */
const start = (circuits: number) =>
  Effect.gen(function* () {
    const open = Array.from({ length: circuits }, () => ({}) as RelayCircuit);
    const circuitEnded = Signal.make();
    const listening = yield* Scope.make();
    const seen: Array<string> = [];
    yield* Scope.addFinalizer(
      listening,
      Effect.sync(() => seen.push("port closed")),
    );
    let accept: ((request: CreateRequest) => void) | undefined;
    const draining = yield* Effect.forkScoped(
      drain(
        {
          channels: {
            acceptCircuits: (given) =>
              Effect.sync(() => {
                accept = given;
              }),
          },
          circuits: { circuits: () => open },
          circuitEnded,
          listening,
          refuseStreams: () => void seen.push("streams refused"),
        },
        Duration.seconds(30),
      ),
      { startImmediately: true },
    );
    const end = () => {
      open.pop();
      circuitEnded.notify();
    };
    const refusals: Array<number> = [];
    const create = () => accept?.({ refuse: (reason: number) => refusals.push(reason) } as unknown as CreateRequest);
    return { draining, end, create, refusals, seen };
  });

describe("an end that waits", () => {
  it.effect("is over with the last circuit, and accepts nothing until then", () =>
    Effect.gen(function* () {
      const { draining, end, create, refusals, seen } = yield* start(2);
      assert.deepStrictEqual(seen, ["streams refused", "port closed"]);
      create();
      assert.deepStrictEqual(refusals, [DestroyReason.HIBERNATING]);
      yield* TestClock.adjust("10 seconds");
      end();
      yield* TestClock.adjust("10 seconds");
      assert.isUndefined(draining.pollUnsafe());
      end();
      yield* Fiber.join(draining);
    }),
  );

  it.effect("is over when its time is", () =>
    Effect.gen(function* () {
      const { draining } = yield* start(1);
      yield* TestClock.adjust("29 seconds");
      assert.isUndefined(draining.pollUnsafe());
      yield* TestClock.adjust("1 second");
      yield* Fiber.join(draining);
    }),
  );

  it.effect("is over at once if there is nothing to wait for", () =>
    Effect.gen(function* () {
      yield* Fiber.join((yield* start(0)).draining);
    }),
  );

  it.effect("frees the ORPort of a relay at once", () =>
    Effect.gen(function* () {
      const { relay, network } = yield* startTestRelay();
      const elsewhere = Context.get(yield* Layer.build(network.host("198.51.100.9")), Transport);
      yield* elsewhere.connect({ host: RELAY, port: 9001 }, { tls: true });
      yield* relay.drain("30 seconds");
      const refused = yield* Effect.flip(elsewhere.connect({ host: RELAY, port: 9001 }, { tls: true }));
      assert.strictEqual(refused.code, "ECONNREFUSED");
    }).pipe(Effect.scoped, Effect.provide(platform)),
  );
});
