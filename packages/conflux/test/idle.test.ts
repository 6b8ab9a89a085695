import { ConfluxUx } from "@allium/cell";
import { layerEntropySeeded } from "@allium/channel";
import { confluxParams, layerConflux } from "@allium/conflux";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { assertNothingLeft, type Lab, makeLab, openRaw, settled } from "../../circuit/test/support/lab.ts";
import { memoryInUse } from "../../circuit/test/support/memory-in-use.ts";
import type { RawCircuit } from "../../circuit/test/support/raw-client.ts";

const KIB = 1024;

type Pair = readonly [RawCircuit, RawCircuit];

const openPairs = (lab: Lab, count: number) =>
  Effect.gen(function* () {
    const pairs: Array<Pair> = [];
    const open = openRaw(lab, { congestionControl: true });
    for (let index = 0; index < count; index++) pairs.push([yield* open, yield* open]);
    return pairs;
  });

/** Links each pair, as a client does that wants nothing of it yet. */
const link = (lab: Lab, pairs: ReadonlyArray<Pair>) =>
  Effect.gen(function* () {
    for (const pair of pairs) {
      const nonce = lab.entropy.bytes(32);
      for (const circuit of pair) {
        const numbers = { lastSeqnoSent: 0n, lastSeqnoReceived: 0n };
        circuit.send(0, 0, { _tag: "CONFLUX_LINK", nonce, ...numbers, desiredUx: ConfluxUx.NO_OPINION });
        yield* settled(circuit.wait("CONFLUX_LINKED"));
        circuit.send(0, 0, { _tag: "CONFLUX_LINKED_ACK" });
        // The client's own notes.
        circuit.received.length = 0;
      }
    }
    yield* settled(Effect.sleep("1 seconds"));
  });

const end = (lab: Lab, pairs: ReadonlyArray<Pair>) =>
  Effect.gen(function* () {
    for (const { near } of pairs.flat()) near.destroy(9);
    yield* settled(Effect.sleep("1 seconds"));
    for (const ends of lab.ends as ReadonlyArray<Array<unknown>>) ends.length = 0;
  });

describe("idle sets", () => {
  it.effect(
    "1,000 are held in 14 KiB each beyond their two circuits, and when they are closed the memory is what it was",
    () =>
      Effect.gen(function* () {
        const lab = yield* makeLab({ conflux: layerConflux({ params: () => confluxParams(() => undefined) }) });
        // What is only made once, the platform's code among it.
        const first = yield* openPairs(lab, 500);
        yield* link(lab, first);
        yield* end(lab, first);
        first.length = 0;
        const before = yield* memoryInUse;
        const pairs = yield* openPairs(lab, 1_000);
        const unlinked = yield* memoryInUse;
        yield* link(lab, pairs);
        const held = (yield* memoryInUse) - unlinked;
        assert.isBelow(held / pairs.length, 14 * KIB);
        yield* end(lab, pairs);
        assertNothingLeft(lab);
        pairs.length = 0;
        assert.isBelow((yield* memoryInUse) - before, KIB * KIB);
      }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("idle sets"))),
    { timeout: 120_000 },
  );
});
