import { EndReason, RelayCommand } from "@allium/cell";
import { type Connection, TransportError, type TransportErrorKind } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Deferred, Effect, Schema } from "effect";

import { Random } from "../../../test/support/fuzz.ts";
import { CircuitLimit, Micros, refuseStream } from "../src/index.ts";
import { Application, opened, type Sent, TableUnderTest } from "./support/table.ts";

const begin = (port = 80) =>
  ({ _tag: "BEGIN", destination: { family: "name", address: "example.com" }, port, flags: 0 }) as const;
const data = (length: number, fill = 1) => ({ _tag: "DATA", data: Buffer.alloc(length, fill) }) as const;
const end = { _tag: "END", reason: EndReason.DONE, resolved: undefined } as const;
const tags = (sent: ReadonlyArray<Sent>) => sent.map(({ tag }) => tag);
const dataOf = (sent: ReadonlyArray<Sent>, streamId: number) =>
  Buffer.concat(sent.filter((one) => one.tag === "DATA" && one.streamId === streamId).map(({ body }) => body));

/** A table whose streams all lead to `applications`, by port. */
const withApplications = (applications: ReadonlyArray<Connection>, variant = {}) =>
  new TableUnderTest({ begin: ({ port }) => opened(applications[port - 1] as Connection), ...variant });

describe("opening, at an exit", () => {
  it("answers CONNECTED, and data that came early is not lost", () => {
    const application = new Application();
    const connecting = Deferred.makeUnsafe<void>();
    const table = new TableUnderTest({ begin: () => Effect.andThen(Deferred.await(connecting), opened(application)) });
    table.deliver([7, begin()], [7, data(498)], [7, data(100)]);
    assert.deepStrictEqual(table.collect(), []);
    assert.strictEqual(table.table.bufferedBytes, 598);
    Deferred.doneUnsafe(connecting, Effect.void);
    return Effect.runPromise(Effect.yieldNow).then(() => {
      assert.deepStrictEqual(tags(table.collect()), ["CONNECTED"]);
      assert.strictEqual(application.bytesWritten, 598);
    });
  });

  it("answers END with the reason of the refusal", () => {
    const table = new TableUnderTest({ begin: () => Effect.fail(refuseStream(EndReason.EXITPOLICY)) });
    table.deliver([7, begin()]);
    const [sent] = table.collect();
    assert.deepInclude(sent?.message, { _tag: "END", reason: EndReason.EXITPOLICY });
    assert.strictEqual(table.table.size, 0);
  });

  it("answers END (INTERNAL) when the opener has a defect, and goes on", () => {
    const application = new Application();
    const table = new TableUnderTest({
      begin: ({ port }) => (port === 1 ? Effect.die(new Error("bug")) : opened(application)),
      resolve: () => Effect.die(new Error("bug")),
    });
    table.deliver([7, begin(1)], [8, begin(2)], [9, { _tag: "RESOLVE", query: { family: "name", address: "a.b" } }]);
    const sent = table.collect();
    assert.deepStrictEqual(
      sent.map(({ streamId, tag }) => [streamId, tag]),
      [
        [7, "END"],
        [8, "CONNECTED"],
        [9, "RESOLVED"],
      ],
    );
    assert.deepInclude(sent[0]?.message, { reason: EndReason.INTERNAL });
    assert.deepInclude(sent[2]?.message, { answers: [{ _tag: "ERROR", transient: true, ttl: 0 }] });
  });

  it("drops BEGIN, BEGIN_DIR and RESOLVE for an ID that is in use", () => {
    const application = new Application();
    const table = withApplications([application]);
    table.deliver([7, begin(1)]);
    table.collect();
    table.deliver([7, begin(1)], [7, { _tag: "BEGIN_DIR" }]);
    table.deliver([7, { _tag: "RESOLVE", query: { family: "name", address: "a.b" } }]);
    assert.deepStrictEqual(table.collect(), []);
    assert.strictEqual(table.table.size, 1);
  });

  it("refuses more than maxStreams with RESOURCELIMIT, and takes more when one has ended", () => {
    const applications = [new Application(), new Application(), new Application()];
    const table = withApplications(applications, { maxStreams: 2 });
    table.deliver([1, begin(1)], [2, begin(2)], [3, begin(3)]);
    table.deliver([4, { _tag: "RESOLVE", query: { family: "name", address: "a.b" } }]);
    const sent = table.collect();
    assert.deepStrictEqual(tags(sent), ["CONNECTED", "CONNECTED", "END", "RESOLVED"]);
    assert.deepInclude(sent[2]?.message, { reason: EndReason.RESOURCELIMIT });
    assert.deepInclude(sent[3]?.message, { answers: [{ _tag: "ERROR", transient: true, ttl: 0 }] });
    table.deliver([1, end], [3, begin(3)]);
    assert.deepStrictEqual(tags(table.collect()), ["CONNECTED"]);
  });

  it("answers BEGIN with MISC and RESOLVE with a failure when they are too many too fast, and serves BEGIN_DIR", () => {
    let admitted = 0;
    const table = withApplications([new Application()], { admit: () => (++admitted > 1 ? "refuse" : "open") });
    table.deliver([1, begin(1)], [2, begin(1)], [4, { _tag: "BEGIN_DIR" }]);
    table.deliver([3, { _tag: "RESOLVE", query: { family: "name", address: "a.b" } }], [1, begin(1)]);
    const sent = table.collect();
    assert.deepStrictEqual(
      sent.map(({ streamId, tag }) => [streamId, tag]),
      [
        [1, "CONNECTED"],
        [2, "END"],
        [4, "END"],
        [3, "RESOLVED"],
      ],
    );
    assert.deepInclude(sent[1]?.message, { reason: EndReason.MISC });
    // Of the opener: no directory.
    assert.notDeepInclude(sent[2]?.message, { reason: EndReason.MISC });
    assert.deepInclude(sent[3]?.message, { answers: [{ _tag: "ERROR", transient: true, ttl: 0 }] });
    // Neither BEGIN_DIR nor a BEGIN that is dropped was counted.
    assert.strictEqual(admitted, 3);
  });

  it("ends the circuit when they are too many and that is what is to be done", () => {
    for (const message of [begin(1), { _tag: "RESOLVE", query: { family: "name", address: "a.b" } }] as const) {
      const table = withApplications([new Application()], { admit: () => "closeCircuit" });
      assert.throws(() => table.deliver([1, message]), CircuitLimit);
    }
  });

  it("answers what is malformed, and blames nobody", () => {
    const table = new TableUnderTest();
    table.deliverBody(7, RelayCommand.BEGIN, Buffer.from("no port\0"));
    table.deliverBody(8, RelayCommand.BEGIN, Buffer.from("!!!:80\0"));
    table.deliverBody(9, RelayCommand.RESOLVE, Buffer.from(""));
    const sent = table.collect();
    assert.deepInclude(sent[0]?.message, { _tag: "END", reason: EndReason.TORPROTOCOL });
    assert.deepInclude(sent[1]?.message, { _tag: "END", reason: EndReason.RESOLVEFAILED });
    assert.deepInclude(sent[2]?.message, { _tag: "RESOLVED", answers: [{ _tag: "ERROR", transient: false, ttl: 0 }] });
  });

  it("does not answer a malformed request with the ID of a stream that is there", () => {
    const table = new TableUnderTest({ begin: () => opened(new Application()) });
    table.deliver([7, begin()]);
    table.collect();
    table.deliverBody(7, RelayCommand.BEGIN, Buffer.from("no port\0"));
    table.deliverBody(7, RelayCommand.RESOLVE, Buffer.from(""));
    assert.deepStrictEqual(tags(table.collect()), []);
    assert.strictEqual(table.table.size, 1);
  });

  it("takes offence at what is malformed on a stream, and not at the same for a stream that is not there", () => {
    const table = new TableUnderTest({ begin: () => opened(new Application()) });
    table.deliver([7, begin()]);
    assert.throws(() => table.deliverBody(7, RelayCommand.XON, Buffer.from("x")));
    table.deliverBody(8, RelayCommand.XON, Buffer.from("x"));
    table.deliverBody(8, RelayCommand.CONNECTED, Buffer.from("x"));
    assert.strictEqual(table.table.strayMessages, 2);
  });

  it("RESOLVE is answered by what the name leads to", () => {
    const answers = [{ _tag: "ADDRESS", address: { family: 4, address: "10.0.0.80" }, ttl: 60 }] as const;
    const table = new TableUnderTest({ resolve: () => Effect.succeed(answers) });
    table.deliver([7, { _tag: "RESOLVE", query: { family: "name", address: "example.com" } }]);
    assert.deepInclude(table.collect()[0]?.message, { _tag: "RESOLVED", answers });
    assert.strictEqual(table.table.size, 0);
  });

  it("END gives up what is being opened, and the ID may be used again at once", () => {
    let interrupted = 0;
    const never = Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++));
    const application = new Application();
    const table = new TableUnderTest({
      begin: ({ port }) => (port === 1 ? never : opened(application)),
      resolve: () => never,
    });
    table.deliver([7, begin(1)], [8, { _tag: "RESOLVE", query: { family: "name", address: "a.b" } }]);
    table.deliver([7, end], [8, end], [7, begin(2)]);
    assert.strictEqual(interrupted, 2);
    assert.deepStrictEqual(tags(table.collect()), ["CONNECTED"]);
    assert.strictEqual(table.table.size, 1);
  });
});

describe("ending", () => {
  it("sends all that the application wrote before END", () => {
    const application = new Application();
    const table = withApplications([application]);
    table.deliver([7, begin(1)]);
    const bytes = Buffer.alloc(50_000, "end");
    application.give(bytes);
    application.finish();
    const sent = table.collect();
    assert.strictEqual(sent[0]?.tag, "CONNECTED");
    assert.strictEqual(sent.at(-1)?.tag, "END");
    assert.deepInclude(sent.at(-1)?.message, { reason: EndReason.DONE });
    assert.isTrue(dataOf(sent, 7).equals(bytes));
    assert.deepStrictEqual(table.lingering, [application]);
  });

  it("hands over all that came before END, in the same train too", () => {
    const application = new Application(false);
    const table = withApplications([application]);
    table.deliver([7, begin(1)], [7, data(498)], [7, data(498)], [7, end]);
    assert.strictEqual(application.bytesWritten, 996);
    assert.deepStrictEqual(table.lingering, [application]);
    assert.strictEqual(table.table.size, 0);
    assert.strictEqual(table.table.bufferedBytes, 0);
  });

  const reasons: ReadonlyArray<readonly [TransportErrorKind, number]> = [
    ["reset", EndReason.CONNRESET],
    ["timeout", EndReason.TIMEOUT],
    ["other", EndReason.MISC],
  ];
  for (const [kind, reason] of reasons) {
    it(`tells of a connection that broke by ${kind}`, () => {
      const application = new Application();
      const table = withApplications([application]);
      table.deliver([7, begin(1)]);
      table.collect();
      application.finish(new TransportError({ kind, code: "E", endpoint: application.remote }));
      assert.deepInclude(table.collect()[0]?.message, { _tag: "END", reason });
    });
  }

  it("closeAll lets go of every connection, and gives up what is being opened", () => {
    let interrupted = 0;
    const applications = [new Application(), new Application()];
    const table = new TableUnderTest({
      begin: ({ port }) =>
        port === 3
          ? Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
          : opened(applications[port - 1] as Connection),
    });
    table.deliver([1, begin(1)], [2, begin(2)], [3, begin(3)], [1, data(10)]);
    table.table.closeAll(EndReason.DESTROY);
    assert.strictEqual(interrupted, 1);
    assert.deepStrictEqual(table.lingering, applications);
    assert.strictEqual(applications[0]?.bytesWritten, 10);
    assert.strictEqual(table.table.size, 0);
    assert.strictEqual(table.table.heldBytes, 0);
    assert.deepStrictEqual(table.collect(), []);
  });
});

describe("an application that does not read", () => {
  it("blocks the table above streamBufferBytes, and is told to the other side before", () => {
    const application = new Application(false);
    const table = withApplications([application], { streamBufferBytes: 400_000 });
    table.deliver([7, begin(1)]);
    const sent: Array<Sent> = [];
    let trains = 0;
    while (!table.table.blocked) {
      table.now = Micros(table.now + 1_000);
      table.deliver(...Array.from({ length: 32 }, () => [7, data(498)] as const));
      sent.push(...table.collect());
      trains++;
    }
    // The train that passed the bound is in, and no other.
    assert.isAtMost(table.table.bufferedBytes, 400_000 + 32 * 498);
    assert.strictEqual(trains, Math.ceil(400_001 / (32 * 498)));
    assert.strictEqual(tags(sent).filter((tag) => tag === "XOFF").length, 1);
    application.take(100_000);
    assert.deepStrictEqual(table.collect(), []);
    assert.isFalse(table.table.blocked);
    application.take(1_000_000);
    assert.deepStrictEqual(tags(table.collect()), ["XON"]);
    assert.strictEqual(table.table.bufferedBytes, 0);
  });

  it("does not leave the table blocked when its stream ends", () => {
    const application = new Application(false);
    const table = withApplications([application], { streamBufferBytes: 900 });
    table.deliver([7, begin(1)], [7, data(498)], [7, data(498)], [7, end]);
    assert.isFalse(table.table.blocked);
    table.deliver([8, begin(1)], [8, data(498)], [8, data(498)]);
    assert.isTrue(table.table.blocked);
    application.finish();
    table.collect();
    assert.isFalse(table.table.blocked);
  });

  it("blocks the table when all of them together hold more than hopBufferBytes", () => {
    const applications = [new Application(false), new Application(false), new Application(false)];
    const table = withApplications(applications, { hopBufferBytes: 1_000 });
    table.deliver([1, begin(1)], [2, begin(2)], [3, begin(3)]);
    table.deliver([1, data(400)], [2, data(400)]);
    assert.isFalse(table.table.blocked);
    table.deliver([3, data(400)]);
    assert.isTrue(table.table.blocked);
    applications[1]?.take(400);
    table.collect();
    assert.isFalse(table.table.blocked);
    assert.strictEqual(table.table.bufferedBytes, 800);
  });

  it("blocks nothing when it is the other side that does not take answers, but that", () => {
    const table = new TableUnderTest();
    for (let id = 1; id <= 256; id++) table.deliver([id, begin()]);
    assert.isTrue(table.table.blocked);
    table.collect();
    assert.isFalse(table.table.blocked);
  });
});

describe("packaging", () => {
  it.prop(
    "streams take turns: none that is ready waits for more than a turn of each other",
    { seed: Schema.Int },
    ({ seed }) => {
      const random = new Random(seed);
      const maxTrain = random.pick([1, 8, 32]);
      const lengths = Array.from({ length: 2 + random.below(7) }, () => 1 + random.below(40_000));
      const applications = lengths.map(() => new Application());
      const table = withApplications(applications, { maxTrain });
      for (const index of lengths.keys()) table.deliver([index + 1, begin(index + 1)]);
      table.collect();
      for (const [index, length] of lengths.entries()) applications[index]?.give(Buffer.alloc(length, index + 1));
      const sent = table.collect();
      const last = lengths.map((_, index) => sent.map(({ streamId }) => streamId).lastIndexOf(index + 1));
      const waited = lengths.map(() => 0);
      for (const [at, { streamId }] of sent.entries()) {
        for (const index of lengths.keys()) {
          if (streamId === index + 1) waited[index] = 0;
          else if (at <= (last[index] as number)) waited[index] = (waited[index] as number) + 1;
          // A turn is 16 cells, less where a train ends in it.
          assert.isAtMost(waited[index] as number, 16 * (lengths.length - 1));
        }
      }
      // And nothing is lost, or mixed up.
      for (const [index, length] of lengths.entries()) {
        assert.isTrue(dataOf(sent, index + 1).equals(Buffer.alloc(length, index + 1)));
      }
    },
  );

  it("stops when the circuit's window is full, and goes on when it opens", () => {
    const application = new Application();
    const table = withApplications([application], { congestionControl: false });
    table.acknowledges = false;
    table.deliver([7, begin(1)]);
    for (let sendme = 0; sendme < 20; sendme++) table.deliver();
    application.give(Buffer.alloc(2_000_000));
    // The stream's window is half of the circuit's.
    assert.strictEqual(tags(table.collect()).filter((tag) => tag === "DATA").length, 500);
    for (let sendme = 0; sendme < 10; sendme++) table.deliver([7, { _tag: "SENDME", version: 0 }]);
    assert.strictEqual(table.collect().length, 500);
    table.deliver([7, { _tag: "SENDME", version: 0 }]);
    assert.strictEqual(table.collect().length, 0);
    table.acknowledge();
    table.acknowledges = true;
    table.acknowledge();
    assert.strictEqual(table.collect().length, 50);
  });

  it("keeps to the rate of an XON, by an alarm", () => {
    const application = new Application();
    const table = withApplications([application]);
    table.deliver([7, begin(1)]);
    table.collect();
    assert.isUndefined(table.table.alarm());
    table.deliver([7, { _tag: "XON", kilobytesPerSecond: 10 }]);
    application.give(Buffer.alloc(50_000));
    let bytes = dataOf(table.collect(), 7).length;
    // One second's worth may go at once.
    assert.isAtMost(bytes, 10_000);
    for (let steps = 0; table.now < 2_000_000 && steps < 1_000; steps++) {
      const at = table.table.alarm();
      assert.isDefined(at);
      assert.isAbove(at as number, table.now);
      table.now = at as Micros;
      table.table.onAlarm();
      bytes += dataOf(table.collect(), 7).length;
    }
    assert.isAtMost(bytes, 10_000 + (table.now / 1_000_000) * 10_000);
    assert.isAtLeast(bytes, (table.now / 1_000_000) * 10_000);
    // No limit any more: no alarm either.
    table.deliver([7, { _tag: "XON", kilobytesPerSecond: 0 }]);
    bytes += dataOf(table.collect(), 7).length;
    assert.strictEqual(bytes, 50_000);
    assert.isUndefined(table.table.alarm());
  });

  it("sends nothing after XOFF, and needs no alarm to find that out", () => {
    const application = new Application();
    const table = withApplications([application]);
    table.deliver([7, begin(1)], [7, { _tag: "XOFF" }]);
    table.collect();
    application.give(Buffer.alloc(5_000));
    assert.deepStrictEqual(table.collect(), []);
    assert.isUndefined(table.table.alarm());
    table.deliver([7, { _tag: "XON", kilobytesPerSecond: 0 }]);
    assert.strictEqual(dataOf(table.collect(), 7).length, 5_000);
  });

  it("fills up cells that are not full: four zeros, then what the padding source gives (tor-spec 6.1)", () => {
    const application = new Application();
    const table = withApplications([application]);
    table.deliver([7, begin(1)]);
    application.give(Buffer.from("hello"));
    const sent = table.collect();
    assert.deepStrictEqual(tags(sent), ["CONNECTED", "DATA"]);
    for (const { body, cell } of sent) {
      const used = 11 + body.length;
      assert.isTrue(cell.subarray(used, used + 4).equals(Buffer.alloc(4)));
      assert.isTrue(cell.subarray(used + 4).equals(Buffer.alloc(509 - used - 4, 0xaa)));
    }
  });

  it.prop(
    "leaves room for 16 random bytes in a cell of every SENDME increment, wherever that begins (proposal 289)",
    { seed: Schema.Int },
    ({ seed }) => {
      const rng = new Random(seed);
      const sendmeInc = 1 + rng.below(200);
      const chunk = rng.pick([498, 996, 4_980, 65_536, 149_400]);
      const application = new Application();
      const param = (name: string) => (name === "cc_sendme_inc" ? sendmeInc : undefined);
      const table = withApplications([application], { param });
      table.deliver([7, begin(1)]);
      table.collect();
      const sent: Array<Sent> = [];
      for (let bytes = 0; bytes < 200_000; bytes += chunk) {
        application.give(Buffer.alloc(chunk, 1));
        sent.push(...table.collect());
      }
      const random = sent.map(({ cell }) => cell.subarray(-16).equals(Buffer.alloc(16, 0xaa)));
      for (let from = 0; from + sendmeInc <= random.length; from++) {
        assert.isTrue(random.slice(from, from + sendmeInc).includes(true), `cells from ${from}`);
      }
      // And costs little: where increments are not tiny, a cell in seven at most.
      if (sendmeInc >= 31 && chunk >= 65_536) assert.isBelow(random.filter(Boolean).length, random.length / 6);
    },
  );
});
