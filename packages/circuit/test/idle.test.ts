import { ChannelCommand, DestroyReason, encodeChannelBody } from "@allium/cell";
import { type ChannelCircuit, layerEntropySeeded } from "@allium/channel";
import { Signal } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { assertNothingLeft, type Lab, makeLab, openRaw, settled } from "./support/lab.ts";
import { memoryInUse } from "./support/memory-in-use.ts";
import type { RawCircuit } from "./support/raw-client.ts";

const KIB = 1024;

/** Few enough that none is dropped since the answers to those before have not left. */
const BATCH = 500;

/** Circuits of one hop, to whose clients nothing has happened yet but CREATED_FAST. */
const openIdle = (lab: Lab, count: number) =>
  Effect.gen(function* () {
    const circuits: Array<ChannelCircuit> = [];
    const relay = lab.relays[0]!;
    while (circuits.length < count) {
      for (let index = 0; index < BATCH; index++) {
        const circuit = yield* Effect.orDie(lab.channel.openCircuit({ inbound: Signal.make() }));
        circuit.sendCell(
          ChannelCommand.CREATE_FAST,
          encodeChannelBody({ _tag: "CREATE_FAST", keyMaterial: Buffer.alloc(20, circuits.length) }),
        );
        circuits.push(circuit);
      }
      while (relay.circuits.circuits().length < circuits.length) yield* TestClock.adjust("1 millis");
    }
    yield* TestClock.adjust("100 millis");
    for (const circuit of circuits)
      assert.strictEqual(circuit.inbox.takeControl()?.command, ChannelCommand.CREATED_FAST);
    return circuits;
  });

const close = (lab: Lab, circuits: ReadonlyArray<{ readonly destroy: (reason: number) => void }>) =>
  Effect.gen(function* () {
    for (const circuit of circuits) circuit.destroy(DestroyReason.FINISHED);
    for (const { circuits } of lab.relays) {
      while (circuits.circuits().length > 0) yield* TestClock.adjust("1 millis");
    }
    yield* TestClock.adjust("1 seconds");
    // The lab's own notes.
    for (const ends of lab.ends as ReadonlyArray<Array<unknown>>) ends.length = 0;
  });

describe("idle circuits", () => {
  it.effect(
    "20,000 are held in 6 KiB each, the client's end included, and when they are closed the memory is what it was",
    () =>
      Effect.gen(function* () {
        const lab = yield* makeLab();
        // What is only made once, the platform's code among it.
        yield* close(lab, yield* openIdle(lab, 2_000));
        const before = yield* memoryInUse;
        const circuits = yield* openIdle(lab, 20_000);
        const held = (yield* memoryInUse) - before;
        assert.isBelow(held / circuits.length, 6 * KIB);
        yield* close(lab, circuits);
        assertNothingLeft(lab);
        circuits.length = 0;
        assert.isBelow((yield* memoryInUse) - before, 2 * KIB * KIB);
      }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("idle"))),
    { timeout: 120_000 },
  );

  it.effect(
    "1,000 that were extended are held in 16 KiB each, the client's end and the last hop included",
    () =>
      Effect.gen(function* () {
        const lab = yield* makeLab({ relays: 2 });
        const open = (count: number) =>
          Effect.gen(function* () {
            const circuits: Array<RawCircuit> = [];
            for (let index = 0; index < count; index++) {
              const circuit = yield* openRaw(lab, { congestionControl: true });
              yield* settled(circuit.extendTo(lab.relays[1]!.identity));
              circuits.push(circuit);
            }
            return circuits.map(({ near }) => near);
          });
        // As above, of which a hundred would not have made all.
        yield* close(lab, yield* open(500));
        const before = yield* memoryInUse;
        const circuits = yield* open(1_000);
        const held = (yield* memoryInUse) - before;
        assert.isBelow(held / circuits.length, 16 * KIB);
        yield* close(lab, circuits);
        assertNothingLeft(lab);
        circuits.length = 0;
        assert.isBelow((yield* memoryInUse) - before, KIB * KIB);
      }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("extended"))),
    { timeout: 120_000 },
  );
});
