import { connectionPair, type PairedConnection, TransportError } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { Random } from "../../../../test/support/fuzz.ts";
import { Bridge } from "../../src/proxy-server/bridge.ts";
import { drain, settle, socks5, startProxy } from "./support/proxy.ts";

const BROKEN = new TransportError({ kind: "reset", code: "END_CONNRESET", endpoint: { host: "", port: 0 } });

/** An application with its stream. */
const open = (readBufferBytes?: number) =>
  Effect.gen(function* () {
    const proxy = yield* startProxy();
    const application = yield* proxy.connect(undefined, undefined, readBufferBytes);
    yield* proxy.say(application, socks5.hello);
    yield* proxy.say(application, socks5.request("example.com", 80));
    const far = proxy.client.asked[0]?.far as PairedConnection;
    /** That nobody is left. */
    const nothingLeft = Effect.gen(function* () {
      application.reset();
      yield* settle;
      assert.strictEqual(proxy.server.counts().connections, 0);
      assert.strictEqual(proxy.network.connections(), 0);
      assert.strictEqual(far.status, "closed");
    });
    return { ...proxy, application, far, nothingLeft };
  });

describe("an application with its stream", () => {
  it.effect("gets all that comes before the end, then the end, and is closed when it closes", () =>
    Effect.gen(function* () {
      const { application, far, server, nothingLeft } = yield* open();
      far.write(Buffer.from("the last words"));
      far.end();
      yield* settle;
      assert.strictEqual(drain(application).toString(), "the last words");
      assert.deepStrictEqual([application.status, application.failure], ["ended", undefined]);
      application.write(Buffer.from("to nobody"));
      application.end();
      yield* settle;
      assert.strictEqual(server.counts().connections, 0);
      yield* nothingLeft;
    }),
  );

  it.effect("is closed three seconds after the end if it does not close, whatever it still sends", () =>
    Effect.gen(function* () {
      const { application, far, server, nothingLeft } = yield* open();
      far.end();
      for (let second = 0; second < 2; second++) {
        application.write(Buffer.alloc(1_000));
        yield* TestClock.adjust("1 second");
      }
      assert.strictEqual(server.counts().connections, 1);
      yield* TestClock.adjust("3 seconds");
      assert.strictEqual(server.counts().connections, 0);
      yield* nothingLeft;
    }),
  );

  it.effect("is reset behind the last byte if the stream breaks", () =>
    Effect.gen(function* () {
      const { application, far, nothingLeft } = yield* open();
      far.write(Buffer.from("half of"));
      far.fail(BROKEN);
      yield* settle;
      assert.strictEqual(drain(application).toString(), "half of");
      assert.deepStrictEqual([application.status, application.failure?.kind], ["closed", "reset"]);
      yield* nothingLeft;
    }),
  );

  it.effect("is reset if the stream is closed without an end", () =>
    Effect.gen(function* () {
      const { application, far, nothingLeft } = yield* open();
      far.destroy();
      yield* settle;
      assert.deepStrictEqual([application.status, application.failure?.kind], ["closed", "reset"]);
      yield* nothingLeft;
    }),
  );

  for (const how of ["destroy", "reset"] as const) {
    it.effect(`takes its stream along when it vanishes (${how})`, () =>
      Effect.gen(function* () {
        const { application, far, nothingLeft, server } = yield* open();
        application[how]();
        yield* settle;
        // Who closes looks at first as who only sends no more: what comes tells.
        far.write(Buffer.from("anybody there?"));
        yield* settle;
        assert.strictEqual(far.status, "closed");
        assert.strictEqual(server.counts().connections, 0);
        yield* nothingLeft;
      }),
    );
  }

  it.effect("may say that it sends no more, and still get its answer", () =>
    Effect.gen(function* () {
      const { application, far, nothingLeft } = yield* open();
      application.write(Buffer.from("GET /"));
      application.end();
      yield* settle;
      assert.strictEqual(drain(far).toString(), "GET /");
      assert.strictEqual(far.status, "open");
      for (let second = 0; second < 30; second += 9) {
        yield* TestClock.adjust("9 seconds");
        far.write(Buffer.from("."));
      }
      far.end();
      yield* settle;
      assert.strictEqual(drain(application).toString(), "....");
      assert.deepStrictEqual([application.status, application.failure], ["closed", undefined]);
      yield* nothingLeft;
    }),
  );

  it.effect("that sends no more ends its stream ten seconds after the last byte of it, and may miss something", () =>
    Effect.gen(function* () {
      const { application, far, nothingLeft } = yield* open();
      application.write(Buffer.from("an upload"));
      application.end();
      yield* TestClock.adjust("9 seconds");
      assert.strictEqual(far.status, "open");
      yield* TestClock.adjust("3 seconds");
      assert.strictEqual(drain(far).toString(), "an upload");
      assert.strictEqual(far.status, "ended");
      // As the stream does once it has sent its END.
      far.end();
      yield* settle;
      assert.deepStrictEqual([application.status, application.failure?.kind], ["closed", "reset"]);
      yield* nothingLeft;
    }),
  );

  it.effect("that does not read stops the stream, which holds no more than it may", () =>
    Effect.gen(function* () {
      const { application, far, nothingLeft } = yield* open(1_000);
      const piece = Buffer.alloc(16 * 1024);
      for (let sent = 0; sent < 100; sent++) far.write(piece);
      yield* settle;
      // 64 KiB wait for the application, a piece is at it, and 16 KiB may be underway; the rest is the far end's.
      assert.isAtLeast(far.pending, (100 - 7) * piece.length);
      let got = 0;
      for (let round = 0; round < 200 && got < 100 * piece.length; round++) {
        got += drain(application).length;
        yield* settle;
      }
      assert.strictEqual(got, 100 * piece.length);
      assert.strictEqual(far.pending, 0);
      yield* nothingLeft;
    }),
  );

  it.effect("is not read while its stream takes nothing", () =>
    Effect.gen(function* () {
      const { application, far, nothingLeft } = yield* open();
      const piece = Buffer.alloc(16 * 1024);
      for (let sent = 0; sent < 100; sent++) application.write(piece);
      yield* settle;
      // At the stream's end 64 KiB and a piece, at the application's end 64 KiB and what is underway.
      assert.isAtMost(far.readable, 5 * piece.length);
      assert.isAtLeast(application.pending, (100 - 11) * piece.length);
      let got = 0;
      for (let round = 0; round < 200 && got < 100 * piece.length; round++) {
        got += drain(far).length;
        yield* settle;
      }
      assert.strictEqual(got, 100 * piece.length);
      yield* nothingLeft;
    }),
  );

  it.effect("may take the rest of a stream that is over as slowly as it likes, as long as it takes something", () =>
    Effect.gen(function* () {
      const { application, far, nothingLeft } = yield* open(1_000);
      const piece = Buffer.alloc(16 * 1024);
      for (let sent = 0; sent < 20; sent++) far.write(piece);
      far.end();
      let got = 0;
      for (let minute = 0; minute < 60 && application.status === "open"; minute++) {
        yield* TestClock.adjust("1 minute");
        got += application.read()?.length ?? 0;
      }
      yield* settle;
      got += drain(application).length;
      assert.strictEqual(got, 20 * piece.length);
      assert.deepStrictEqual([application.status, application.failure], ["ended", undefined]);
      yield* nothingLeft;
    }),
  );

  it.effect("is reset when it takes nothing of the rest for two minutes", () =>
    Effect.gen(function* () {
      const { application, far, server, nothingLeft } = yield* open(1_000);
      for (let sent = 0; sent < 10; sent++) far.write(Buffer.alloc(16 * 1024));
      far.end();
      yield* TestClock.adjust("100 seconds");
      assert.strictEqual(server.counts().connections, 1);
      yield* TestClock.adjust("25 seconds");
      assert.strictEqual(server.counts().connections, 0);
      drain(application);
      yield* settle;
      assert.strictEqual(application.failure?.kind, "reset");
      yield* nothingLeft;
    }),
  );

  it.effect("gets what comes after a pause at once, and what comes then in fewer writes", () =>
    Effect.gen(function* () {
      const { application, far, nothingLeft } = yield* open();
      far.write(Buffer.from("first"));
      yield* settle;
      assert.strictEqual(drain(application).toString(), "first");
      for (const text of ["a", "b"]) {
        far.write(Buffer.from(text));
        yield* settle;
      }
      assert.strictEqual(application.readable, 0);
      yield* settle;
      yield* settle;
      assert.strictEqual(drain(application).toString(), "ab");
      // So much waits for nobody.
      far.write(Buffer.alloc(40_000));
      yield* settle;
      assert.strictEqual(drain(application).length, 40_000);
      yield* TestClock.adjust("10 millis");
      far.write(Buffer.from("later"));
      yield* settle;
      assert.strictEqual(drain(application).toString(), "later");
      yield* nothingLeft;
    }),
  );

  it.effect("gets at once what came before an end", () =>
    Effect.gen(function* () {
      const { application, far, nothingLeft } = yield* open();
      far.write(Buffer.from("first"));
      far.write(Buffer.from(" and last"));
      far.end();
      yield* settle;
      assert.strictEqual(drain(application).toString(), "first and last");
      assert.strictEqual(application.status, "ended");
      yield* nothingLeft;
    }),
  );

  it.effect("may be idle for as long as it likes", () =>
    Effect.gen(function* () {
      const { application, far, nothingLeft } = yield* open();
      yield* TestClock.adjust("2 hours");
      far.write(Buffer.from("still there?"));
      yield* settle;
      assert.strictEqual(drain(application).toString(), "still there?");
      yield* nothingLeft;
    }),
  );
});

describe("a bridge between two connections", () => {
  it("carries every byte once, in order, whatever is written and read when", () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = new Random(seed);
      const [application, near] = connectionPair(1 + random.below(5_000));
      const [stream, far] = connectionPair(1 + random.below(5_000));
      let ends = 0;
      let gathers = false;
      const bridge = new Bridge(near, stream, {
        watch: () => {},
        gather: () => {
          gathers = true;
        },
        onEnd: () => ends++,
      });
      bridge.start(Buffer.from("first"));
      const sent = { up: "first", down: "" };
      const got = { up: "", down: "" };
      for (let step = 0; step < 300; step++) {
        const text = `${step} `.repeat(random.below(40));
        if (random.below(2) === 0) {
          application.write(Buffer.from(text));
          sent.up += text;
        } else {
          far.write(Buffer.from(text));
          sent.down += text;
        }
        if (gathers && random.below(5) === 0) {
          gathers = false;
          bridge.passOn();
        }
        if (random.below(3) === 0) got.up += far.read()?.toString() ?? "";
        if (random.below(3) === 0) got.down += application.read()?.toString() ?? "";
      }
      far.end();
      for (let round = 0; round < 50; round++) {
        bridge.passOn();
        got.up += drain(far).toString();
        got.down += drain(application).toString();
      }
      assert.isTrue(got.down === sent.down, `seed ${seed}`);
      assert.isTrue(sent.up.startsWith(got.up), `seed ${seed}`);
      assert.strictEqual(application.status, "ended");
      application.end();
      assert.strictEqual(ends, 1);
      assert.deepStrictEqual([bridge.down, near.status, stream.status], [sent.down.length, "closed", "closed"]);
    }
  });
});
