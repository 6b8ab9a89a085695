import { EndReason } from "@allium/cell";
import { type Connection, connectionPair, type PairedConnection, TransportError } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Deferred, Effect, Exit, Fiber, Scope } from "effect";
import type { Socket } from "effect/socket";
import { TestClock } from "effect/testing";
import { eventLoopTurn, until } from "../../../../test/support/event-loop.ts";
import { ConnectError, makeSocket, StreamBrokenError } from "../../src/index.ts";
import { SOCKET_LINGER_MILLIS } from "../../src/sockets/timeouts.ts";
import { CERTIFICATE, httpsServer, type tcpServer } from "../support/servers.ts";
import { TorStandIn } from "../support/stand-in.ts";

const KIB = 1024;

const turns = Effect.repeat(eventLoopTurn, { times: 5 });

/** A socket each of whose readers gets a connection of its own, and the far ends of them. */
const makeTest = (bytes?: number) => {
  const fars: Array<PairedConnection> = [];
  const socket = makeSocket(
    Effect.sync((): Connection => {
      const [near, far] = connectionPair(bytes);
      fars.push(far);
      return near;
    }),
  );
  return { socket, fars, far: () => fars.at(-1) as PairedConnection };
};

const readAll = (connection: Connection): Buffer => {
  const chunks: Array<Buffer> = [];
  for (let chunk = connection.read(); chunk !== undefined; chunk = connection.read()) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const reasonOf = <A>(exit: Exit.Exit<A, Socket.SocketError>): Socket.SocketErrorReason => {
  const error = Exit.isFailure(exit) ? exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error : undefined;
  if (error === undefined) throw new Error("it did not fail");
  return error.reason;
};

const text = (chunks: ReadonlyArray<Uint8Array | string>): string =>
  chunks.map((chunk) => (typeof chunk === "string" ? chunk : Buffer.from(chunk).toString())).join("");

const serve = (make: () => ReturnType<typeof tcpServer>) =>
  Effect.acquireRelease(Effect.promise(make), (server) => Effect.promise(() => server[Symbol.asyncDispose]()));

describe("a stream as a socket of Effect's", () => {
  it.effect("is opened by each who acquires its reader, and carries bytes both ways", () =>
    Effect.gen(function* () {
      const { socket, fars, far } = makeTest();
      for (const round of [1, 2]) {
        yield* Effect.gen(function* () {
          const { pull } = yield* socket.reader;
          const { write, writeAll } = yield* socket.writer;
          assert.strictEqual(fars.length, round);
          const written = yield* Effect.forkChild(
            Effect.andThen(write("a question"), writeAll([Buffer.from(", "), "and more"])),
          );
          yield* turns;
          const first = readAll(far());
          yield* turns;
          assert.strictEqual(Buffer.concat([first, readAll(far())]).toString(), "a question, and more");
          yield* Fiber.join(written);
          far().write(Buffer.from("an answer"));
          assert.strictEqual(text(yield* pull), "an answer");
        }).pipe(Effect.scoped);
        yield* turns;
        assert.strictEqual(far().status, "closed");
      }
    }),
  );

  it.effect("lets a writer wait for it", () =>
    Effect.gen(function* () {
      const { socket, far } = makeTest();
      const { write } = yield* socket.writer;
      const writing = yield* Effect.forkChild(write("early"));
      yield* turns;
      assert.isUndefined(writing.pollUnsafe());
      yield* socket.reader;
      yield* Fiber.join(writing);
      yield* turns;
      assert.strictEqual(readAll(far()).toString(), "early");
    }).pipe(Effect.scoped),
  );

  it.effect("makes a writer wait for a slow far end, and leaves unread what is not pulled", () =>
    Effect.gen(function* () {
      const { socket, far } = makeTest(16 * KIB);
      const { pull } = yield* socket.reader;
      const { write } = yield* socket.writer;
      let written = 0;
      const writing = yield* Effect.forkChild(
        Effect.forever(
          Effect.tap(write(Buffer.alloc(16 * KIB)), () =>
            Effect.sync(() => {
              written++;
            }),
          ),
        ),
      );
      yield* turns;
      assert.isBelow(written, 10);
      const before = written;
      for (let round = 0; round < 20; round++) {
        readAll(far());
        yield* turns;
      }
      assert.isAbove(written, before + 10);
      yield* Fiber.interrupt(writing);
      for (let chunk = 0; chunk < 10; chunk++) far().write(Buffer.alloc(16 * KIB));
      yield* turns;
      assert.isAtLeast(far().pending, 8 * 16 * KIB);
      let got = 0;
      while (got < 160 * KIB) for (const chunk of yield* pull) got += chunk.length;
      assert.strictEqual(got, 160 * KIB);
    }).pipe(Effect.scoped),
  );

  it.effect("fails its reader with the reason why there is no stream", () =>
    Effect.gen(function* () {
      for (const [failure, kind] of [
        ["no-exit", "Unknown"],
        ["timeout", "Timeout"],
        [{ end: EndReason.TIMEOUT }, "Timeout"],
      ] as const) {
        const socket = makeSocket(Effect.fail(new ConnectError({ failure })));
        const reason = reasonOf(yield* Effect.exit(Effect.scoped(socket.reader)));
        assert.isTrue(reason._tag === "SocketOpenError" && reason.kind === kind, kind);
        assert.isTrue(reason._tag === "SocketOpenError" && reason.cause instanceof ConnectError);
      }
    }),
  );

  it.effect("gives up the stream that is being opened when its reader is interrupted", () =>
    Effect.gen(function* () {
      const tor = new TorStandIn({ "silent.tld.invalid:80": "silence" });
      const reading = yield* Effect.forkChild(
        Effect.scoped(tor.service.connect({ host: "silent.tld.invalid", port: 80 }).reader),
      );
      yield* turns;
      yield* Fiber.interrupt(reading);
      assert.strictEqual(tor.givenUp, 1);
    }),
  );

  it.effect("tells of an end, and of a break, behind the last byte", () =>
    Effect.gen(function* () {
      const ended = makeTest();
      yield* Effect.gen(function* () {
        const { pull } = yield* ended.socket.reader;
        ended.far().write(Buffer.from("all"));
        ended.far().end();
        assert.strictEqual(text(yield* pull), "all");
        const reason = reasonOf(yield* Effect.exit(pull));
        assert.isTrue(reason._tag === "SocketCloseError" && reason.code === 1000);
      }).pipe(Effect.scoped);
      const failed = makeTest();
      yield* Effect.gen(function* () {
        const { pull } = yield* failed.socket.reader;
        failed.far().write(Buffer.from("some"));
        failed.far().fail(new TransportError({ kind: "other", code: "END_DESTROY", endpoint: { host: "", port: 0 } }));
        assert.strictEqual(text(yield* pull), "some");
        const reason = reasonOf(yield* Effect.exit(pull));
        assert.isTrue(reason._tag === "SocketReadError" && reason.cause instanceof StreamBrokenError);
        const { write } = yield* failed.socket.writer;
        yield* turns;
        assert.isTrue(Exit.isFailure(yield* Effect.exit(write("too late"))));
      }).pipe(Effect.scoped);
    }),
  );

  it.effect("ends a pull that waits when its scope closes", () =>
    Effect.gen(function* () {
      const { socket } = makeTest();
      const scope = yield* Scope.make();
      const { pull } = yield* Scope.provide(socket.reader, scope);
      const pulling = yield* Effect.forkChild(Effect.exit(pull));
      yield* turns;
      yield* Scope.close(scope, Exit.void);
      assert.strictEqual(reasonOf(yield* Fiber.join(pulling))._tag, "SocketCloseError");
    }),
  );

  it.effect("still receives the answer after its writer is released", () =>
    Effect.gen(function* () {
      const { socket, far } = makeTest();
      const { pull } = yield* socket.reader;
      yield* Effect.scoped(Effect.flatMap(socket.writer, ({ write }) => write("a question")));
      yield* turns;
      assert.strictEqual(readAll(far()).toString(), "a question");
      yield* turns;
      far().write(Buffer.from("an answer"));
      far().end();
      assert.strictEqual(text(yield* pull), "an answer");
    }).pipe(Effect.scoped),
  );

  it.effect("lets what was written leave when its scope closes, for a while", () =>
    Effect.gen(function* () {
      for (const patient of [true, false]) {
        const { socket, far } = makeTest();
        yield* Effect.gen(function* () {
          yield* socket.reader;
          const { write } = yield* socket.writer;
          yield* write(Buffer.alloc(60 * KIB));
        }).pipe(Effect.scoped);
        yield* turns;
        assert.notStrictEqual(far().status, "closed");
        if (patient) {
          assert.strictEqual(readAll(far()).length, 60 * KIB);
        } else {
          yield* TestClock.adjust(SOCKET_LINGER_MILLIS - 1);
          yield* turns;
          assert.notStrictEqual(far().status, "closed");
          yield* TestClock.adjust(1);
        }
        yield* turns;
        assert.strictEqual(far().status, "closed");
      }
    }),
  );

  it.effect("closes at once when what uses it fails", () =>
    Effect.gen(function* () {
      const { socket, far } = makeTest();
      yield* Effect.gen(function* () {
        yield* socket.reader;
        const { write } = yield* socket.writer;
        yield* write(Buffer.alloc(60 * KIB));
        return yield* Effect.fail("enough");
      }).pipe(Effect.scoped, Effect.exit);
      yield* turns;
      assert.strictEqual(far().status, "closed");
    }),
  );

  it.live("speaks TLS after an upgrade, and checks the certificate against the name", () =>
    Effect.gen(function* () {
      const server = yield* serve(() => httpsServer((_, response) => response.end("secret")));
      const tor = new TorStandIn({ "secure.tld.invalid:443": server.port });
      const connect = () => tor.service.connect({ host: "secure.tld.invalid", port: 443 });
      yield* Effect.gen(function* () {
        const socket = connect();
        const { pull, upgrade } = yield* socket.reader;
        yield* upgrade({ servername: "secure.tld.invalid", ca: CERTIFICATE });
        const { write } = yield* socket.writer;
        yield* write("GET / HTTP/1.1\r\nHost: secure.tld.invalid\r\nConnection: close\r\n\r\n");
        let answer = "";
        yield* Effect.forever(
          Effect.map(pull, (chunks) => {
            answer += text(chunks);
          }),
        ).pipe(Effect.ignore);
        assert.match(answer, /^HTTP\/1\.1 200 OK\r\n.*secret$/s);
      }).pipe(Effect.scoped);
      yield* Effect.gen(function* () {
        const { upgrade } = yield* connect().reader;
        const reason = reasonOf(yield* Effect.exit(upgrade({ servername: "other.tld.invalid", ca: CERTIFICATE })));
        assert.strictEqual(reason._tag, "SocketUpgradeError");
      }).pipe(Effect.scoped);
      yield* until(() => tor.open === 0);
    }).pipe(Effect.scoped),
  );

  it.live("sends all that was written over TLS before its scope closes", () =>
    Effect.gen(function* () {
      const got = yield* Deferred.make<number>();
      const server = yield* serve(() =>
        httpsServer((request, response) => {
          let length = 0;
          request.on("data", (chunk: Buffer) => {
            length += chunk.length;
            if (length === 1_000 * KIB) Effect.runSync(Deferred.succeed(got, length));
          });
          request.on("error", () => {});
          response.on("error", () => {});
        }),
      );
      const tor = new TorStandIn({ "secure.tld.invalid:443": server.port });
      yield* Effect.gen(function* () {
        const socket = tor.service.connect({ host: "secure.tld.invalid", port: 443 });
        const { upgrade } = yield* socket.reader;
        yield* upgrade({ servername: "secure.tld.invalid", ca: CERTIFICATE });
        const { write } = yield* socket.writer;
        yield* write(`PUT / HTTP/1.1\r\nHost: secure.tld.invalid\r\nContent-Length: ${1_000 * KIB}\r\n\r\n`);
        yield* write(Buffer.alloc(1_000 * KIB));
      }).pipe(Effect.scoped);
      assert.strictEqual(yield* Deferred.await(got), 1_000 * KIB);
    }).pipe(Effect.scoped),
  );
});
