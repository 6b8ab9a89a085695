import { assert, describe } from "@effect/vitest";
import { Effect, type Scope } from "effect";
import { Random } from "../../../../test/support/fuzz.ts";
import type { Connection } from "../../src/index.ts";
import { readAll } from "../support/read-all.ts";

/** How the suite makes the connections of one implementation, and lets its time pass. */
export interface ConnectionSubject {
  readonly name: string;
  /** `it.live` or `it.effect`. */
  readonly it: (name: string, run: () => Effect.Effect<void, unknown, Scope.Scope>) => void;
  /** Two connections that lead to each other, each with this bound on unread bytes. The suite destroys them. */
  readonly open: (readBufferBytes: number) => Effect.Effect<readonly [Connection, Connection], unknown, Scope.Scope>;
  /** Lets things happen: a turn of the event loop, or a millisecond of the test clock. */
  readonly pass: Effect.Effect<void>;
  /** Bytes that lie between the two ends beyond the bound: what an operating system buffers. */
  readonly slack: number;
}

const BOUND = 64 * 1024;

/** Turns after which a test that still waits has failed. */
const PATIENCE = 1_000_000;

/**
 * What every `Connection` has to do, whatever carries its bytes. Each implementation runs this suite.
 */
export const connectionCompliance = (subject: ConnectionSubject): void => {
  const { pass } = subject;

  const until = (what: string, holds: () => boolean): Effect.Effect<void> =>
    Effect.gen(function* () {
      for (let turn = 0; !holds(); turn++) {
        if (turn === PATIENCE) return yield* Effect.die(new Error(`waited in vain: ${what}`));
        yield* pass;
      }
    });

  const open = (readBufferBytes = BOUND) =>
    Effect.acquireRelease(subject.open(readBufferBytes), (ends) =>
      Effect.sync(() => {
        for (const end of ends) end.destroy();
      }),
    );

  const collect = (connection: Connection, length: number): Effect.Effect<Buffer> =>
    Effect.gen(function* () {
      let got = readAll(connection);
      yield* until(`${length} bytes`, () => {
        const more = readAll(connection);
        if (more.length > 0) got = Buffer.concat([got, more]);
        return got.length >= length;
      });
      return got;
    });

  /** Writes without looking at `pending`, as long as there are bytes. */
  const writeInPieces = (connection: Connection, bytes: Buffer, random: Random): void => {
    for (let at = 0; at < bytes.length; ) {
      const to = at + 1 + random.below(9000);
      connection.write(bytes.subarray(at, to));
      at = to;
    }
  };

  describe(`${subject.name} as a Connection`, () => {
    subject.it("starts open, with nothing to read and nothing pending", () =>
      Effect.gen(function* () {
        for (const end of yield* open()) {
          assert.strictEqual(end.status, "open");
          assert.strictEqual(end.readable, 0);
          assert.strictEqual(end.pending, 0);
          assert.isUndefined(end.read());
          assert.isUndefined(end.failure);
        }
      }),
    );

    subject.it("carries bytes both ways, whole and in order", () =>
      Effect.gen(function* () {
        const random = new Random(1);
        const [one, other] = yield* open();
        const there = random.bytes(300_000);
        const back = random.bytes(200_000);
        writeInPieces(one, there, random);
        writeInPieces(other, back, random);
        const [gotThere, gotBack] = yield* Effect.all([collect(other, there.length), collect(one, back.length)], {
          concurrency: 2,
        });
        assert.isTrue(gotThere.equals(there));
        assert.isTrue(gotBack.equals(back));
        yield* until("all has left", () => one.pending === 0 && other.pending === 0);
      }),
    );

    subject.it("counts what can be read", () =>
      Effect.gen(function* () {
        const [one, other] = yield* open();
        one.write(Buffer.alloc(100));
        one.write(Buffer.alloc(23));
        yield* until("123 bytes", () => other.readable === 123);
        const first = other.read();
        assert.isDefined(first);
        assert.strictEqual(other.readable, 123 - first!.length);
        readAll(other);
        assert.strictEqual(other.readable, 0);
      }),
    );

    subject.it("tells its listener of arrivals, of written bytes that left, and of the end", () =>
      Effect.gen(function* () {
        const [one, other] = yield* open();
        let told = 0;
        other.onChange(() => told++);
        one.write(Buffer.from("x"));
        yield* until("the arrival", () => told > 0 && other.readable > 0);
        readAll(other);
        let left = false;
        one.onChange(() => {
          left ||= one.pending === 0;
        });
        one.write(Buffer.alloc(1000));
        // A pair within the process takes its bytes for sent when they were read.
        yield* until("the bytes to leave", () => {
          readAll(other);
          return left;
        });
        told = 0;
        one.end();
        yield* until("the end", () => told > 0 && other.status === "ended");
      }),
    );

    subject.it("has only one listener, the last", () =>
      Effect.gen(function* () {
        const [one, other] = yield* open();
        let first = 0;
        let second = 0;
        other.onChange(() => first++);
        other.onChange(() => second++);
        one.write(Buffer.from("x"));
        yield* until("the arrival", () => second > 0);
        assert.strictEqual(first, 0);
      }),
    );

    subject.it("lets a writer use its buffer again once nothing is pending", () =>
      Effect.gen(function* () {
        const [one, other] = yield* open();
        const buffer = Buffer.alloc(20_000);
        const kept: Array<Buffer> = [];
        let got = 0;
        const drain = () => {
          for (let chunk = other.read(); chunk !== undefined; chunk = other.read()) {
            kept.push(chunk);
            got += chunk.length;
          }
        };
        for (let round = 1; round <= 10; round++) {
          buffer.fill(round);
          one.write(buffer);
          yield* until("the buffer to leave", () => {
            drain();
            return one.pending === 0;
          });
        }
        buffer.fill(0);
        yield* until("all bytes", () => {
          drain();
          return got === 200_000;
        });
        // The reader kept what it was given: it must be as it was when it was read.
        const all = Buffer.concat(kept);
        for (let round = 1; round <= 10; round++) {
          assert.isTrue(all.subarray((round - 1) * 20_000, round * 20_000).every((byte) => byte === round));
        }
      }),
    );

    subject.it("stops the writer while nobody reads, and goes on when somebody does", () =>
      Effect.gen(function* () {
        const [one, other] = yield* open();
        const piece = Buffer.alloc(64 * 1024, 7);
        const total = subject.slack + 8 * BOUND;
        for (let written = 0; written < total; written += piece.length) one.write(piece);
        for (let turn = 0; turn < 200; turn++) yield* pass;
        assert.isAbove(one.pending, 0);
        // One delivery more than the bound may have been on its way when reading stopped.
        assert.isAtMost(other.readable, 3 * BOUND);
        let got = 0;
        yield* until("the rest", () => {
          got += readAll(other).length;
          return got >= total && one.pending === 0;
        });
      }),
    );

    subject.it("delivers what was written before its end, and can still be written back to", () =>
      Effect.gen(function* () {
        const random = new Random(2);
        const [one, other] = yield* open();
        const last = random.bytes(150_000);
        writeInPieces(one, last, random);
        one.end();
        assert.isTrue((yield* collect(other, last.length)).equals(last));
        yield* until("the end", () => other.status === "ended");
        assert.notStrictEqual(one.status, "closed");
        const answer = random.bytes(90_000);
        writeInPieces(other, answer, random);
        assert.isTrue((yield* collect(one, answer.length)).equals(answer));
        other.end();
        yield* until("both to close", () => one.status === "closed" && other.status === "closed");
        assert.isUndefined(one.failure);
        assert.isUndefined(other.failure);
      }),
    );

    subject.it("keeps unread bytes readable after the end", () =>
      Effect.gen(function* () {
        const [one, other] = yield* open();
        one.write(Buffer.from("last words"));
        one.end();
        yield* until("the end", () => other.status === "ended");
        assert.strictEqual(readAll(other).toString(), "last words");
      }),
    );

    subject.it("keeps unread bytes readable after both have ended", () =>
      Effect.gen(function* () {
        const [one, other] = yield* open();
        other.end();
        one.write(Buffer.from("last words"));
        one.end();
        yield* until("the close", () => other.status === "closed");
        assert.strictEqual(other.readable, 10);
        assert.strictEqual(readAll(other).toString(), "last words");
      }),
    );

    subject.it("ignores writes after its end, and a second end", () =>
      Effect.gen(function* () {
        const [one, other] = yield* open();
        one.write(Buffer.from("before"));
        one.end();
        one.write(Buffer.from("after"));
        one.end();
        yield* until("the end", () => other.status === "ended");
        assert.strictEqual(readAll(other).toString(), "before");
      }),
    );

    subject.it("delivers what had left before it was destroyed, and the other side learns of it", () =>
      Effect.gen(function* () {
        const [one, other] = yield* open();
        other.onChange(() => {});
        one.write(Buffer.from("goodbye"));
        yield* until("the arrival", () => other.readable === 7);
        one.destroy();
        yield* until("the other side to learn", () => other.status !== "open");
        assert.strictEqual(readAll(other).toString(), "goodbye");
      }),
    );

    subject.it("is silent and empty once destroyed", () =>
      Effect.gen(function* () {
        const [one, other] = yield* open();
        other.write(Buffer.from("unread"));
        yield* until("the arrival", () => one.readable > 0);
        let told = 0;
        one.onChange(() => told++);
        one.destroy();
        assert.strictEqual(one.status, "closed");
        assert.strictEqual(one.readable, 0);
        assert.isUndefined(one.read());
        const heard = told;
        one.write(Buffer.from("never"));
        one.end();
        one.destroy();
        other.write(Buffer.from("to nobody"));
        other.end();
        for (let turn = 0; turn < 50; turn++) yield* pass;
        assert.strictEqual(told, heard);
        assert.strictEqual(one.readable, 0);
        assert.strictEqual(one.status, "closed");
        assert.strictEqual(one.pending, 0);
      }),
    );

    subject.it("closes in the end when it writes to one that was destroyed", () =>
      Effect.gen(function* () {
        const [one, other] = yield* open();
        one.destroy();
        yield* until("the close", () => {
          other.write(Buffer.alloc(1000));
          return other.status === "closed";
        });
        assert.strictEqual(other.status, "closed");
      }),
    );

    subject.it("delivers what had arrived before it was reset, and the other side learns that it was no end", () =>
      Effect.gen(function* () {
        const [one, other] = yield* open();
        let told = 0;
        other.onChange(() => told++);
        one.write(Buffer.from("torn"));
        yield* until("the arrival", () => other.readable === 4);
        const heard = told;
        one.reset();
        one.reset();
        assert.deepStrictEqual([one.status, one.readable, one.pending], ["closed", 0, 0]);
        yield* until("the other side to learn", () => other.status !== "open");
        assert.isAbove(told, heard);
        assert.strictEqual(readAll(other).toString(), "torn");
        if (one.tls === undefined) assert.deepStrictEqual([other.status, other.failure?.kind], ["closed", "reset"]);
        one.destroy();
      }),
    );

    subject.it("can be destroyed with bytes pending in both directions", () =>
      Effect.gen(function* () {
        const [one, other] = yield* open();
        const piece = Buffer.alloc(64 * 1024);
        for (let written = 0; written < subject.slack + 4 * BOUND; written += piece.length) {
          one.write(piece);
          other.write(piece);
        }
        one.destroy();
        other.destroy();
        for (const end of [one, other]) {
          assert.strictEqual(end.status, "closed");
          assert.strictEqual(end.pending, 0);
        }
        for (let turn = 0; turn < 10; turn++) yield* pass;
      }),
    );
  });
};

/** What both ends of a TLS connection have to agree on. */
export const tlsBindingCompliance = (subject: ConnectionSubject): void => {
  describe(`${subject.name} as a TLS connection`, () => {
    subject.it("binds both ends to one session", () =>
      Effect.gen(function* () {
        const [client, server] = yield* subject.open(BOUND);
        const [second, secondServer] = yield* subject.open(BOUND);
        const context = Buffer.alloc(32, 1);
        const secret = client.tls!.exporter("EXPORTER test", context, 32);
        assert.strictEqual(secret.length, 32);
        assert.isTrue(secret.equals(server.tls!.exporter("EXPORTER test", context, 32)));
        assert.isFalse(secret.equals(server.tls!.exporter("EXPORTER other", context, 32)));
        assert.isFalse(secret.equals(server.tls!.exporter("EXPORTER test", Buffer.alloc(32, 2), 32)));
        assert.isFalse(secret.equals(second.tls!.exporter("EXPORTER test", context, 32)));
        assert.strictEqual(client.tls!.peerCertificateDigest!.length, 32);
        assert.isTrue(client.tls!.peerCertificateDigest!.equals(server.tls!.ownCertificateDigest!));
        assert.isUndefined(client.tls!.ownCertificateDigest);
        assert.isUndefined(server.tls!.peerCertificateDigest);
        for (const end of [client, server, second, secondServer]) end.destroy();
      }),
    );
  });
};
