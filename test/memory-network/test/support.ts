import type { Begin } from "@allium/cell";
import type { ClientCircuit } from "@allium/circuit";
import type { Target, TorClientService } from "@allium/client";
import { assert } from "@effect/vitest";
import { Effect } from "effect";
import { readBytes } from "../../../packages/circuit/test/support/application.ts";
import { whileTimePasses } from "../index.ts";

/** A BEGIN to a name. */
export const beginOf = (name: string, port: number): Begin => ({
  _tag: "BEGIN",
  destination: { family: "name", address: name },
  port,
  flags: 0,
});

/** Asserts that an echo behind the last hop of a circuit answers. */
export const assertEchoes = (circuit: ClientCircuit, name: string, port = 80) =>
  Effect.gen(function* () {
    const { connection } = yield* circuit.open(beginOf(name, port));
    connection.write(Buffer.from("onion"));
    assert.strictEqual((yield* readBytes(connection, 5)).toString(), "onion");
    connection.end();
  }).pipe(whileTimePasses);

/** Fetches a document from the directory of a circuit's last hop. */
export const fetchOver = (circuit: ClientCircuit, target: string, headers = "") =>
  Effect.gen(function* () {
    const { connection } = yield* circuit.open({ _tag: "BEGIN_DIR" });
    connection.write(Buffer.from(`GET ${target} HTTP/1.0\r\nAccept-Encoding: deflate, x-zstd\r\n${headers}\r\n`));
    const answer = yield* readBytes(connection);
    const text = answer.toString("latin1");
    const body = answer.subarray(text.indexOf("\r\n\r\n") + 4);
    return { text, status: text.slice(9, 12), body, failure: connection.failure };
  }).pipe(whileTimePasses);

/** Asserts that an echo at a target answers a client, which may not be ready yet. */
export const assertAnswers = (client: TorClientService, target: Target) =>
  Effect.gen(function* () {
    const { connection } = yield* client.open(target);
    connection.write(Buffer.from("onion"));
    assert.strictEqual((yield* readBytes(connection, 5)).toString(), "onion");
    connection.end();
  }).pipe(whileTimePasses);
