import { DestroyReason } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber } from "effect";
import { TestClock } from "effect/testing";
import { readBytes } from "../../../packages/circuit/test/support/application.ts";
import { echo, MemoryTorNetwork, makePlainClient, whileTimePasses } from "../index.ts";
import { assertEchoes, beginOf } from "./support.ts";

/** A network with an echo at example.com, and a client with a circuit. */
const withCircuit = (options: MemoryTorNetwork.MemoryTorNetworkOptions = {}) =>
  Effect.gen(function* () {
    const network = yield* MemoryTorNetwork.make({ relays: { guards: 1, middles: 2, exits: 1 }, ...options });
    yield* network.internet.serve("example.com", "93.184.216.34", 80, echo);
    const client = yield* makePlainClient(network);
    const circuit = yield* whileTimePasses(client.build("guard0", "middle0", "exit0"));
    return { network, client, circuit };
  });

describe("a relay of a network in memory", () => {
  it.effect("that stops destroys its circuits, and nobody reaches it until it starts again", () =>
    Effect.gen(function* () {
      const { network, client, circuit } = yield* withCircuit();
      const middle = network.relay("middle0");
      yield* middle.stop;
      const end = yield* whileTimePasses(circuit.ended);
      assert.strictEqual(end.cause._tag, "ReactorEnded");
      assert.isFalse(middle.isRunning);
      const error = yield* whileTimePasses(Effect.flip(client.build("guard0", "middle0", "exit0")));
      assert.strictEqual(error.hop, 1);
      assert.deepStrictEqual(error.problem, { _tag: "Closed", reason: DestroyReason.CONNECTFAILED });
      yield* middle.start;
      yield* assertEchoes(yield* whileTimePasses(client.build("guard0", "middle0", "exit0")), "example.com");
    }).pipe(Effect.scoped),
  );

  it.effect("that is killed says nothing: its neighbours see the channel break", () =>
    Effect.gen(function* () {
      const { network, circuit } = yield* withCircuit();
      yield* network.relay("middle0").kill;
      yield* whileTimePasses(circuit.ended);
      assert.lengthOf(network.trace.find("guard0: channel with 5.2.0.1 ends: ChannelLost"), 1);
      assert.lengthOf(network.trace.find("exit0: channel with 5.2.0.1 ends: ChannelLost"), 1);
    }).pipe(Effect.scoped),
  );

  it.effect("that hangs keeps everybody waiting, and goes on where it was", () =>
    Effect.gen(function* () {
      const { network, client, circuit } = yield* withCircuit();
      const { connection } = yield* whileTimePasses(circuit.open(beginOf("example.com", 80)));
      const middle = network.relay("middle0");
      middle.stall(true);
      connection.write(Buffer.from("onion"));
      const answer = yield* Effect.forkChild(readBytes(connection, 5));
      const other = yield* Effect.forkChild(client.build("middle0"));
      yield* TestClock.adjust("20 seconds");
      assert.isUndefined(answer.pollUnsafe());
      assert.isUndefined(other.pollUnsafe());
      middle.stall(false);
      assert.strictEqual((yield* whileTimePasses(Fiber.join(answer))).toString(), "onion");
      assert.isUndefined((yield* whileTimePasses(Fiber.join(other))).end);
    }).pipe(Effect.scoped),
  );

  it.effect("has nothing left when its client has gone and its channels are idle", () =>
    Effect.gen(function* () {
      const { network, circuit } = yield* withCircuit();
      circuit.stop("finished");
      yield* TestClock.adjust("1 second");
      assert.deepStrictEqual(
        network.relays.map(({ openCircuits }) => openCircuits),
        network.relays.map(() => 0),
      );
      yield* TestClock.adjust("2 hours");
      assert.deepStrictEqual(
        network.relays.map(({ openChannels }) => openChannels),
        network.relays.map(() => 0),
      );
      assert.strictEqual(network.lines.connections(), 0);
    }).pipe(Effect.scoped),
  );

  it.effect("proves itself on channels days later, when its first certificates are over", () =>
    Effect.gen(function* () {
      const { client, circuit } = yield* withCircuit();
      circuit.stop("finished");
      yield* TestClock.adjust("3 days");
      yield* assertEchoes(yield* whileTimePasses(client.build("guard0", "middle1", "exit0")), "example.com");
    }).pipe(Effect.scoped),
  );

  it.effect("sees its circuits apart: which streams share one is what tests of isolation ask", () =>
    Effect.gen(function* () {
      const { network, client, circuit } = yield* withCircuit();
      const other = yield* whileTimePasses(client.build("guard0", "middle1", "exit0"));
      yield* assertEchoes(circuit, "example.com");
      yield* assertEchoes(other, "example.com");
      yield* assertEchoes(circuit, "example.com");
      assert.deepStrictEqual(
        network.relay("exit0").streams.map((stream) => [stream.circuit, stream.from]),
        [
          [1, network.relay("middle0").address],
          [2, network.relay("middle1").address],
          [1, network.relay("middle0").address],
        ],
      );
    }).pipe(Effect.scoped),
  );
});

describe("a line of a network in memory", () => {
  it.effect("is as slow as it is set", () =>
    Effect.gen(function* () {
      const { network, circuit } = yield* withCircuit({ line: { latency: 0 } });
      const { connection } = yield* whileTimePasses(circuit.open(beginOf("example.com", 80)));
      network.lines.setLine("9.0.0.1", network.relay("guard0").address, { latency: "2 seconds" });
      connection.write(Buffer.from("onion"));
      const answer = yield* Effect.forkChild(readBytes(connection, 5));
      yield* TestClock.adjust(1_999);
      assert.isUndefined(answer.pollUnsafe());
      yield* TestClock.adjust(1);
      assert.strictEqual((yield* Fiber.join(answer)).toString(), "onion");
    }).pipe(Effect.scoped),
  );

  it.effect("that is cut breaks what is on it, and carries the next connection", () =>
    Effect.gen(function* () {
      const { network, client, circuit } = yield* withCircuit();
      assert.strictEqual(network.lines.cut("9.0.0.1", network.relay("guard0").address), 1);
      yield* whileTimePasses(circuit.ended);
      yield* assertEchoes(yield* whileTimePasses(client.build("guard0", "middle0", "exit0")), "example.com");
    }).pipe(Effect.scoped),
  );
});
