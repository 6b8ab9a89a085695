import { EndReason } from "@allium/cell";
import type { ClientCircuit } from "@allium/circuit";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber } from "effect";
import { TestClock } from "effect/testing";
import { pattern, readBytes } from "../../../packages/circuit/test/support/application.ts";
import {
  hangsUp,
  MemoryTorNetwork,
  makePlainClient,
  resets,
  type Serve,
  sends,
  silent,
  web,
  whileTimePasses,
} from "../index.ts";
import { beginOf } from "./support.ts";

const ADDRESS = "93.184.216.34";

/** A network with a host that does so, and a client with a circuit. */
const withHost = (serve: Serve) =>
  Effect.gen(function* () {
    const network = yield* MemoryTorNetwork.make({ relays: { guards: 1, middles: 1, exits: 1 } });
    yield* network.internet.serve("example.com", ADDRESS, 80, serve);
    const client = yield* makePlainClient(network);
    const circuit = yield* whileTimePasses(client.build("guard0", "middle0", "exit0"));
    return { network, circuit };
  });

const open = (circuit: ClientCircuit, name = "example.com", port = 80) =>
  whileTimePasses(circuit.open(beginOf(name, port)));

/** The reason of the END of a stream that is refused. */
const refusal = (circuit: ClientCircuit, name: string, port: number) =>
  Effect.map(whileTimePasses(Effect.flip(circuit.open(beginOf(name, port)))), (error) =>
    error._tag === "StreamEnded" ? error.end.reason : assert.fail(error._tag),
  );

describe("a host behind the exits", () => {
  it.effect("sends what it has, every byte, over a line that is slow", () =>
    Effect.gen(function* () {
      const sent = pattern(7, 300_000);
      const { network, circuit } = yield* withHost(sends(sent));
      network.lines.setLine(network.relay("exit0").address, network.relay("middle0").address, { bandwidth: 100_000 });
      const { connection } = yield* open(circuit);
      const began = yield* TestClock.testClockWith((clock) => clock.currentTimeMillis);
      assert.isTrue((yield* whileTimePasses(readBytes(connection))).equals(sent));
      const took = (yield* TestClock.testClockWith((clock) => clock.currentTimeMillis)) - began;
      assert.isTrue(took > 3_000 && took < 4_000, `${took} ms`);
    }).pipe(Effect.scoped),
  );

  it.effect("that is silent keeps the stream open", () =>
    Effect.gen(function* () {
      const { circuit } = yield* withHost(silent);
      const { connection } = yield* open(circuit);
      connection.write(Buffer.from("GET"));
      const answer = yield* Effect.forkChild(readBytes(connection, 1));
      yield* TestClock.adjust("10 minutes");
      assert.isUndefined(answer.pollUnsafe());
      assert.strictEqual(connection.status, "open");
      yield* Fiber.interrupt(answer);
    }).pipe(Effect.scoped),
  );

  it.effect("that hangs up ends the stream", () =>
    Effect.gen(function* () {
      const { circuit } = yield* withHost(hangsUp);
      const { connection } = yield* open(circuit);
      assert.strictEqual((yield* whileTimePasses(readBytes(connection))).length, 0);
      assert.isUndefined(connection.failure);
    }).pipe(Effect.scoped),
  );

  it.effect("that resets breaks the stream", () =>
    Effect.gen(function* () {
      const { circuit } = yield* withHost(resets);
      const { connection } = yield* open(circuit);
      connection.write(Buffer.from("GET"));
      yield* whileTimePasses(readBytes(connection));
      assert.strictEqual(connection.failure?.code, "END_CONNRESET");
    }).pipe(Effect.scoped),
  );

  it.effect("where nobody listens refuses, and a name that nobody has does not resolve", () =>
    Effect.gen(function* () {
      const { network, circuit } = yield* withHost(silent);
      assert.strictEqual(yield* refusal(circuit, "example.com", 81), EndReason.CONNECTREFUSED);
      assert.strictEqual(yield* refusal(circuit, "example.org", 80), EndReason.RESOLVEFAILED);
      network.internet.names.setAddresses("guard.example", [network.relay("guard0").address]);
      // What has left the network does not enter it again.
      assert.strictEqual(yield* refusal(circuit, "guard.example", 9001), EndReason.CONNECTREFUSED);
    }).pipe(Effect.scoped),
  );

  it.effect("may be a web server", () =>
    Effect.gen(function* () {
      const { circuit } = yield* withHost(
        web(({ method, target, headers, body }) => ({
          status: target === "/" ? 200 : 404,
          headers: { "Content-Type": "text/plain" },
          body: `${method} ${headers.get("host")} ${body.length}`,
        })),
      );
      const { connection } = yield* open(circuit);
      connection.write(Buffer.from("POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 4\r\n\r\nbo"));
      yield* TestClock.adjust("1 second");
      connection.write(Buffer.from("dyGET /gone HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n"));
      assert.strictEqual(
        (yield* whileTimePasses(readBytes(connection))).toString(),
        "HTTP/1.1 200 200\r\nContent-Type: text/plain\r\nContent-Length: 18\r\n\r\nPOST example.com 4" +
          "HTTP/1.1 404 404\r\nContent-Type: text/plain\r\nContent-Length: 17\r\n\r\nGET example.com 0",
      );
    }).pipe(Effect.scoped),
  );
});
