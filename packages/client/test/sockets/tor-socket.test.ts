import { once } from "node:events";
import { buffer } from "node:stream/consumers";
import { type Connection, connectionPair, type PairedConnection, TransportError } from "@allium/channel";
import { afterEach, assert, describe, it, vi } from "@effect/vitest";
import { connectionDuplex, StreamBrokenError, TorSocket, type TorSocketOptions } from "../../src/index.ts";
import { WRITE_AHEAD_BYTES } from "../../src/sockets/limits.ts";
import { HALF_CLOSED_MILLIS } from "../../src/sockets/timeouts.ts";
import { fakedClock } from "../support/faked-clock.ts";
import { turns } from "../support/turns.ts";

const KIB = 1024;

const broken = (code: string, kind: TransportError["kind"] = "other") =>
  new TransportError({ kind, code, endpoint: { host: "", port: 0 } });

/** A socket, and the far end that a reactor would hold. */
const makePair = (options?: TorSocketOptions, bytes?: number): readonly [TorSocket, PairedConnection] => {
  const [near, far] = connectionPair(bytes);
  return [connectionDuplex(near, options), far];
};

/** What has been heard of a socket. */
const listen = (socket: TorSocket) => {
  const events: Array<string> = [];
  for (const name of ["end", "finish", "close", "connect", "timeout"]) socket.on(name, () => events.push(name));
  socket.on("error", (error: NodeJS.ErrnoException) => events.push(`error ${error.code}`));
  return events;
};

const readAll = (connection: Connection): Buffer => {
  const chunks: Array<Buffer> = [];
  for (let chunk = connection.read(); chunk !== undefined; chunk = connection.read()) chunks.push(chunk);
  return Buffer.concat(chunks);
};

describe("a stream as a socket of the platform", () => {
  it("carries bytes both ways, and the end", async () => {
    const [socket, far] = makePair();
    socket.write("from here, ");
    socket.end("all of it");
    await turns();
    assert.strictEqual(readAll(far).toString(), "from here, all of it");
    far.write(Buffer.from("from there"));
    far.end();
    assert.strictEqual((await buffer(socket)).toString(), "from there");
    await turns();
    assert.isTrue(socket.destroyed);
    assert.strictEqual(far.status, "closed");
    assert.deepStrictEqual([socket.bytesRead, socket.bytesWritten], [10, 20]);
  });

  it("leaves in the connection what its reader does not ask for", async () => {
    const [socket, far] = makePair();
    const taken: Array<Buffer> = [];
    socket.on("data", (chunk: Buffer) => {
      taken.push(chunk);
      socket.pause();
    });
    for (let chunk = 0; chunk < 64; chunk++) far.write(Buffer.alloc(16 * KIB, chunk));
    await turns();
    assert.isAtMost(taken.length, 1);
    assert.isAtMost(socket.readableLength, 16 * KIB);
    // What the far end sees of it: the reader has not taken more than two chunks.
    assert.isAtLeast(far.pending, 62 * 16 * KIB);
    socket.removeAllListeners("data");
    far.end();
    const rest = await buffer(socket);
    assert.strictEqual(rest.length + 16 * KIB * taken.length, 1024 * KIB);
    assert.strictEqual(rest.at(-1), 63);
  });

  it("makes a writer wait until the connection has let go of what it wrote", async () => {
    const [socket, far] = makePair();
    const written: Array<number> = [];
    const answers = Array.from({ length: 16 }, (_, index) =>
      socket.write(Buffer.alloc(16 * KIB, index), () => written.push(index)),
    );
    await turns();
    assert.deepStrictEqual(written, []);
    assert.isTrue(answers[0]);
    assert.isFalse(answers.at(-1));
    assert.strictEqual(socket.writableHighWaterMark, WRITE_AHEAD_BYTES);
    let drained = false;
    socket.once("drain", () => {
      drained = true;
    });
    let got = 0;
    for (let round = 0; round < 20; round++) {
      got += readAll(far).length;
      await turns(1);
    }
    assert.strictEqual(got, 256 * KIB);
    assert.strictEqual(written.length, 16);
    assert.isTrue(drained);
    socket.destroy();
  });

  it.each(["readable", "data"])("is read from before it has begun, by %s", async (event) => {
    const [socket, far] = makePair();
    const chunks: Array<Buffer> = [];
    if (event === "data") socket.on("data", (chunk) => chunks.push(chunk));
    else
      socket.on("readable", () => {
        for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) chunks.push(chunk);
      });
    far.write(Buffer.from("there"));
    await turns();
    assert.strictEqual(Buffer.concat(chunks).toString(), "there");
    socket.destroy();
  });

  it("runs a program's listeners outside of whoever moves the bytes", async () => {
    const [socket, far] = makePair();
    let within = false;
    const seen: Array<boolean> = [];
    socket.on("data", () => seen.push(within));
    socket.write("x", () => seen.push(within));
    await turns();
    within = true;
    far.write(Buffer.from("y"));
    far.read();
    within = false;
    await turns();
    assert.deepStrictEqual(seen, [false, false]);
    socket.destroy();
  });

  it("keeps the order for readers that pause, resume and read by themselves", async () => {
    const [socket, far] = makePair({}, 8 * KIB);
    const sent = Buffer.from(Array.from({ length: 40_000 }, (_, index) => (index * 31) & 0xff));
    const got: Array<Buffer> = [];
    let count = 0;
    socket.on("data", (chunk: Buffer) => {
      got.push(chunk);
      if (++count % 3 === 0) {
        socket.pause();
        setImmediate(() => socket.resume());
      }
      if (count % 5 === 0) socket.read(0);
    });
    for (let at = 0, length = 1; at < sent.length; at += length, length = ((length * 7) % 1500) + 1) {
      far.write(sent.subarray(at, at + length));
      if (length % 4 === 0) await turns(1);
    }
    far.end();
    await once(socket, "end");
    assert.isTrue(Buffer.concat(got).equals(sent));
  });

  it.each([
    ["END_CONNRESET", "reset", "ECONNRESET"],
    ["END_DESTROY", "other", "ECONNRESET"],
    ["END_TIMEOUT", "timeout", "ETIMEDOUT"],
    ["ENETDOWN", "other", "ENETDOWN"],
  ] as const)("tells of %s behind the last byte", async (word, kind, code) => {
    const [socket, far] = makePair();
    const events = listen(socket);
    far.write(Buffer.from("the last words"));
    far.fail(broken(word, kind));
    await turns();
    assert.deepStrictEqual(events, []);
    let got = "";
    const error = await new Promise<StreamBrokenError>((resolve) => {
      socket.on("error", resolve).on("data", (chunk) => {
        got += chunk;
      });
    });
    assert.strictEqual(got, "the last words");
    assert.instanceOf(error, StreamBrokenError);
    assert.strictEqual(error.code, code);
    assert.instanceOf(error.cause, TransportError);
    assert.include(error.message, word);
    await turns();
    assert.deepStrictEqual(events, [`error ${code}`, "close"]);
  });

  it("is closed at once by destroy, and an error resets it", async () => {
    const [calm, calmFar] = makePair();
    calm.destroy();
    await turns();
    assert.deepStrictEqual([calmFar.status, calmFar.failure], ["closed", undefined]);
    const [angry, angryFar] = makePair();
    const written = new Promise<Error | null | undefined>((resolve) => angry.write("lost", resolve));
    const events = listen(angry);
    angry.destroy(Object.assign(new Error("enough"), { code: "ENOUGH" }));
    assert.strictEqual((await written)?.message, "enough");
    await turns();
    assert.strictEqual(angryFar.failure?.kind, "reset");
    assert.deepStrictEqual(events, ["error ENOUGH", "close"]);
  });

  it("sends the rest before it closes, if it is not in a hurry", async () => {
    const [socket, far] = makePair();
    socket.write(Buffer.alloc(300 * KIB));
    socket.destroySoon();
    await turns();
    assert.isFalse(socket.destroyed);
    let got = 0;
    for (let round = 0; round < 10; round++) {
      got += readAll(far).length;
      await turns(1);
    }
    assert.strictEqual(got, 300 * KIB);
    assert.isTrue(socket.destroyed);
  });
});

describe("a socket one of whose sides has ended", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("still receives the answer, and its stream ends with the other side", async () => {
    const [socket, far] = makePair();
    socket.end("the question");
    await turns();
    assert.strictEqual(readAll(far).toString(), "the question");
    assert.strictEqual(far.status, "open");
    far.write(Buffer.from("the answer"));
    far.end();
    assert.strictEqual((await buffer(socket)).toString(), "the answer");
    await turns();
    assert.strictEqual(far.status, "closed");
  });

  it("ends its stream when nothing comes any more, but not while its reader is what is slow", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const [socket, far] = makePair({ clock: fakedClock });
    const chunks: Array<Buffer> = [];
    socket.end();
    far.write(Buffer.from("unread"));
    await turns();
    vi.advanceTimersByTime(HALF_CLOSED_MILLIS);
    assert.strictEqual(far.status, "open");
    socket.on("data", (chunk) => chunks.push(chunk));
    await turns();
    vi.advanceTimersByTime(HALF_CLOSED_MILLIS - 1);
    far.write(Buffer.from(", and in time"));
    await turns();
    vi.advanceTimersByTime(HALF_CLOSED_MILLIS - 1);
    assert.strictEqual(far.status, "open");
    vi.advanceTimersByTime(1);
    assert.strictEqual(far.status, "ended");
    assert.strictEqual(Buffer.concat(chunks).toString(), "unread, and in time");
    far.end();
    await turns();
    assert.isTrue(socket.destroyed);
    assert.strictEqual(vi.getTimerCount(), 0);
  });

  it("tells a writer of the end behind it, if it is read", async () => {
    const [socket, far] = makePair();
    const events = listen(socket);
    socket.resume();
    socket.write("nobody takes this");
    far.end();
    await turns();
    assert.deepStrictEqual(events, ["end", "error EPIPE", "close"]);
  });

  it("tells a writer at once if there is nothing to read, and nobody who would", async () => {
    const [socket, far] = makePair();
    const events = listen(socket);
    socket.write("nobody takes this");
    far.end();
    await turns();
    assert.deepStrictEqual(events, ["error EPIPE", "close"]);
  });

  it("lets the last bytes be read before it tells a writer", async () => {
    const [socket, far] = makePair();
    const events = listen(socket);
    const written: Array<string | undefined> = [];
    socket.write("nobody takes this", (error) => written.push((error as NodeJS.ErrnoException | undefined)?.code));
    far.write(Buffer.from("last"));
    far.fail(broken("END_CONNRESET", "reset"));
    await turns();
    assert.deepStrictEqual([events, written], [[], []]);
    assert.strictEqual(String(socket.read()), "last");
    assert.isNull(socket.read());
    await turns();
    assert.deepStrictEqual(written, ["ECONNRESET"]);
    assert.deepStrictEqual(events, ["error ECONNRESET", "close"]);
  });

  it("goes on in the other direction where that is possible", async () => {
    const [socket, far] = makePair({ allowHalfOpen: true });
    far.end();
    socket.resume();
    await once(socket, "end");
    socket.write("still ");
    await turns();
    socket.end("here");
    await turns();
    assert.strictEqual(readAll(far).toString(), "still ");
    await turns();
    assert.strictEqual(readAll(far).toString(), "here");
    await turns();
    assert.strictEqual(far.status, "closed");
    const [other, otherFar] = makePair({ allowHalfOpen: true });
    other.end();
    await turns();
    assert.strictEqual(otherFar.status, "ended");
    other.destroy();
  });
});

describe("a socket that is being opened", () => {
  it("holds back what is written", async () => {
    const [near, far] = connectionPair();
    const opening = Promise.withResolvers<Connection>();
    const socket = new TorSocket(() => opening.promise);
    const events = listen(socket);
    socket.write("early");
    await turns();
    assert.isTrue(socket.connecting);
    opening.resolve(near);
    await turns();
    assert.isFalse(socket.connecting);
    assert.deepStrictEqual(events, ["connect"]);
    assert.strictEqual(readAll(far).toString(), "early");
    socket.destroy();
  });

  it("fails with what kept it from being opened", async () => {
    const cause = Object.assign(new Error("no"), { code: "ENO" });
    for (const [rejection, message] of [
      [cause, "no"],
      ["no word", "no word"],
    ] as const) {
      const socket = new TorSocket(() => Promise.reject(rejection));
      const [error] = (await once(socket, "error")) as [Error];
      assert.strictEqual(error.message, message);
      await turns();
      assert.isTrue(socket.destroyed);
      assert.isFalse(socket.connecting);
    }
    const socket = new TorSocket(() => {
      throw new Error("at once");
    });
    const [error] = (await once(socket, "error")) as [Error];
    assert.strictEqual(error.message, "at once");
  });

  it("gives it up when it is destroyed, and closes what comes too late", async () => {
    const [near, far] = connectionPair();
    const opening = Promise.withResolvers<Connection>();
    let given: AbortSignal | undefined;
    const socket = new TorSocket((signal) => {
      given = signal;
      return opening.promise;
    });
    const events = listen(socket);
    await turns();
    socket.destroy();
    assert.isTrue(given?.aborted);
    await turns();
    assert.deepStrictEqual(events, ["close"]);
    opening.resolve(near);
    await turns();
    assert.strictEqual(far.status, "closed");
    const late = new TorSocket(
      (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    );
    const lateEvents = listen(late);
    await turns();
    late.destroy(Object.assign(new Error("too slow"), { code: "ESLOW" }));
    await turns();
    assert.deepStrictEqual(lateEvents, ["error ESLOW", "close"]);
  });

  it("is not opened at all if it is destroyed first", async () => {
    let dialled = 0;
    const socket = new TorSocket(() => {
      dialled++;
      return new Promise(() => {});
    });
    socket.destroy();
    await turns();
    assert.isTrue(socket.closed);
    assert.strictEqual(dialled, 0);
  });
});

describe("the timeout of a socket", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("tells of a time in which nothing happened, and ends nothing", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const [socket, far] = makePair({ clock: fakedClock });
    const events = listen(socket);
    let told = 0;
    const onTimeout = () => {
      told++;
    };
    assert.strictEqual(socket.setTimeout(1_000, onTimeout), socket);
    assert.strictEqual(socket.timeout, 1_000);
    socket.resume();
    vi.advanceTimersByTime(999);
    far.write(Buffer.from("a sign of life"));
    await turns();
    vi.advanceTimersByTime(999);
    socket.write("another");
    await turns();
    vi.advanceTimersByTime(999);
    readAll(far);
    await turns();
    vi.advanceTimersByTime(999);
    assert.deepStrictEqual(events, []);
    vi.advanceTimersByTime(1);
    assert.deepStrictEqual([events, told], [["timeout"], 1]);
    assert.isFalse(socket.destroyed);
    socket.setTimeout(1_000, onTimeout);
    socket.setTimeout(0, onTimeout);
    vi.advanceTimersByTime(10_000);
    assert.strictEqual(told, 1);
    socket.setTimeout(1_000);
    socket.destroy();
    assert.strictEqual(vi.getTimerCount(), 0);
  });

  it("covers the opening", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const socket = new TorSocket(() => new Promise(() => {}), { clock: fakedClock });
    const events = listen(socket);
    socket.setTimeout(5_000);
    await turns();
    vi.advanceTimersByTime(5_000);
    assert.deepStrictEqual(events, ["timeout"]);
    socket.destroy();
  });

  it("comes with what else libraries expect of a socket", () => {
    const [socket] = makePair();
    assert.strictEqual(socket.setNoDelay().setKeepAlive().ref().unref(), socket);
    socket.destroy();
  });
});
