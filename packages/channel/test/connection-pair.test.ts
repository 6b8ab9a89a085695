import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { connectionPair, TransportError } from "../src/index.ts";
import { connectionCompliance } from "./compliance/connection.ts";

connectionCompliance({
  name: "a pair within the process",
  it: it.effect,
  open: (bytes) => Effect.sync(() => connectionPair(bytes)),
  pass: Effect.yieldNow,
  slack: 0,
});

describe("an end that breaks off", () => {
  const failure = new TransportError({ kind: "reset", code: "ECONNRESET", endpoint: { host: "", port: 0 } });

  it("is found behind the last byte, however slowly that is read", () => {
    const [one, other] = connectionPair(4);
    let changes = 0;
    other.onChange(() => changes++);
    for (const text of ["abcd", "efgh", "ijkl"]) one.write(Buffer.from(text));
    one.fail(failure);
    one.write(Buffer.from("never"));
    assert.strictEqual(other.status, "open");
    const read: Array<string> = [];
    for (let bytes = other.read(); bytes !== undefined; bytes = other.read()) {
      read.push(bytes.toString());
      if (read.length < 2) assert.strictEqual(other.status, "open");
    }
    assert.strictEqual(read.join(""), "abcdefghijkl");
    assert.deepStrictEqual([other.status, other.failure], ["closed", failure]);
    assert.deepStrictEqual([one.status, one.failure, one.pending], ["closed", undefined, 0]);
    assert.isAbove(changes, 0);
  });

  it("drops what the other end had not got rid of, and counts once", () => {
    const [one, other] = connectionPair(4);
    other.write(Buffer.from("abcd"));
    other.write(Buffer.from("efgh"));
    one.fail(failure);
    one.end();
    one.fail(new TransportError({ kind: "timeout", code: "ETIMEDOUT", endpoint: { host: "", port: 0 } }));
    assert.deepStrictEqual([other.status, other.failure, other.pending], ["closed", failure, 0]);
  });

  it("is no failure behind an end that came before", () => {
    const [one, other] = connectionPair();
    one.end();
    one.fail(failure);
    assert.deepStrictEqual([other.status, other.failure], ["ended", undefined]);
  });
});
