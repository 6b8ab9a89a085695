import { Topology } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber } from "effect";
import { acceptCircuit, drainNumbers, openChannel, settle, trainOf } from "./support/channel.ts";

describe("a channel in the topology", () => {
  it.effect("shows its reactors, and each circuit's inbox and outbox as links", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ id: 7, config: { outboxLimitCells: 1 } });
      const circuit = yield* acceptCircuit(test, 1);
      yield* acceptCircuit(test, 2);
      test.peer.relay(1, 0);
      yield* settle;
      yield* circuit.send(trainOf(1));
      yield* settle;
      const snapshot = yield* Topology.snapshot;
      const [group] = snapshot.groups;
      assert.strictEqual(group!.name, "channel 7");
      assert.deepStrictEqual(
        group!.reactors.map(({ name }) => name),
        ["reader", "writer", "keeper"],
      );
      const linkOf = (id: number) => snapshot.links.find((link) => link.id === id);
      const [reader, writer] = group!.reactors;
      assert.deepStrictEqual(
        reader!.writes.map(({ port, link }) => [port, linkOf(link)?.name, linkOf(link)?.items]),
        [
          ["circuit 1", "inbox 1", 1],
          ["circuit 2", "inbox 2", 0],
        ],
      );
      assert.deepStrictEqual(
        writer!.reads.map(({ port, link }) => [port, linkOf(link)?.name, linkOf(link)?.items]),
        [
          ["circuit 1", "outbox 1", 1],
          ["circuit 2", "outbox 2", 0],
        ],
      );
      assert.include(Topology.toMermaid(snapshot), "inbox 1");
      assert.deepStrictEqual(JSON.parse(JSON.stringify(snapshot.links)), snapshot.links);
    }).pipe(Effect.provide(Topology.layer)),
  );

  it.effect("tells how long a circuit's writer has waited", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ config: { outboxLimitCells: 1 } });
      const circuit = yield* acceptCircuit(test, 1);
      test.network.stall("10.0.0.2", "10.0.0.1", true);
      yield* circuit.send(trainOf(1));
      yield* settle;
      yield* circuit.send(trainOf(1));
      const waiting = yield* Effect.forkChild(circuit.send(trainOf(1)));
      for (let count = 0; count < 5; count++) yield* settle;
      const { links } = yield* Topology.snapshot;
      const outbox = links.find(({ name }) => name === "outbox 1");
      assert.strictEqual(outbox?.writerBlocks, 1);
      assert.strictEqual(outbox?.writerBlockedNanos, 5_000_000);
      yield* Fiber.interrupt(waiting);
    }).pipe(Effect.provide(Topology.layer)),
  );

  it.effect("is gone with the channel, and circuits with their ends", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      const circuit = yield* acceptCircuit(test, 1);
      test.peer.relay(1, 0);
      yield* settle;
      assert.deepStrictEqual(drainNumbers(circuit), [0]);
      circuit.destroy(0);
      assert.deepStrictEqual((yield* Topology.snapshot).links, []);
      test.channel.close("shutdown");
      yield* test.end;
      assert.deepStrictEqual((yield* Topology.snapshot).groups, []);
    }).pipe(Effect.provide(Topology.layer)),
  );
});
