import { EndReason } from "@allium/cell";
import { connectionPair } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Deferred, Effect } from "effect";
import {
  ConnectError,
  type ConnectFailure,
  plainOpener,
  StreamBrokenError,
  StreamOpenError,
  type TorStream,
} from "../../src/index.ts";
import { CLIENT_FAILURES, replyTo } from "../../src/proxy/replies.ts";
import { TorStandIn } from "../support/stand-in.ts";

const TARGET = { host: "site.tld.invalid", port: 80 };

const openerOf = (open: Effect.Effect<TorStream, ConnectError>) => plainOpener({ open: () => open });

const rejection = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("it was opened"),
    (error: unknown) => error,
  );

const codeOf = (failure: ConnectFailure): string => new StreamOpenError(new ConnectError({ failure })).code;

describe("the streams of a client as promises", () => {
  it("pass on what was asked for, and what came of it", async () => {
    const [connection] = connectionPair();
    const asked: Array<unknown> = [];
    const opener = plainOpener({
      open: (...question) => {
        asked.push(question);
        return Effect.succeed({ connection, address: undefined, tunnel: 1 });
      },
    });
    assert.strictEqual(await opener.open(TARGET, { isolation: "mine" }), connection);
    assert.deepStrictEqual(asked, [[TARGET, { isolation: "mine" }]]);
  });

  it("reject with an error that has a code, and the cause", async () => {
    const cause = new ConnectError({ failure: "no-exit", detail: "port 25" });
    const error = await rejection(openerOf(Effect.fail(cause)).open(TARGET));
    assert.instanceOf(error, StreamOpenError);
    assert.strictEqual(error.code, "ERR_TOR_NO_EXIT");
    assert.strictEqual(error.failure, "no-exit");
    assert.strictEqual(error.cause, cause);
    assert.strictEqual(error.message, cause.message);
    assert.strictEqual(error.name, "StreamOpenError");
  });

  it("are given up by their signal", async () => {
    const tor = new TorStandIn({ "silent.tld.invalid:80": "silence" });
    const opener = plainOpener(tor.service);
    const controller = new AbortController();
    const opening = rejection(opener.open({ host: "silent.tld.invalid", port: 80 }, {}, controller.signal));
    const reason = new Error("never mind");
    controller.abort(reason);
    assert.strictEqual(await opening, reason);
    assert.strictEqual(tor.givenUp, 1);
    assert.strictEqual(await rejection(opener.open(TARGET, {}, controller.signal)), reason);
    assert.strictEqual(tor.asked.length, 1);
  });

  it("close what is there by the time that it is given up", async () => {
    const [connection, far] = connectionPair();
    const controller = new AbortController();
    const reason = new Error("too late");
    const open = Effect.sync(() => {
      controller.abort(reason);
      return { connection, address: undefined, tunnel: 1 };
    });
    assert.strictEqual(
      await rejection(openerOf(Effect.uninterruptible(open)).open(TARGET, {}, controller.signal)),
      reason,
    );
    assert.strictEqual(far.status, "closed");
  });

  it("say that the client ends when it was that which interrupted them, and pass on defects", async () => {
    const error = await rejection(openerOf(Effect.interrupt).open(TARGET));
    assert.strictEqual((error as StreamOpenError).code, "ERR_TOR_SHUTTING_DOWN");
    const defect = new Error("a bug");
    assert.strictEqual(await rejection(openerOf(Effect.die(defect)).open(TARGET)), defect);
  });

  it("run under what the caller runs under", async () => {
    const gate = await Effect.runPromise(Deferred.make<void>());
    const opener = await Effect.runPromise(
      Effect.gen(function* () {
        return plainOpener(
          { open: () => Effect.andThen(Deferred.await(gate), Effect.die(new Error("opened"))) },
          yield* Effect.context<never>(),
        );
      }),
    );
    const opening = rejection(opener.open(TARGET));
    await Effect.runPromise(Deferred.succeed(gate, undefined));
    assert.strictEqual(((await opening) as Error).message, "opened");
  });
});

describe("the codes of errors", () => {
  it("are the platform's where it has a word", () => {
    assert.strictEqual(codeOf({ end: EndReason.RESOLVEFAILED }), "ENOTFOUND");
    assert.strictEqual(codeOf("no-answer"), "ENOTFOUND");
    assert.strictEqual(codeOf({ end: EndReason.CONNECTREFUSED }), "ECONNREFUSED");
    assert.strictEqual(codeOf({ end: EndReason.TIMEOUT }), "ETIMEDOUT");
    assert.strictEqual(codeOf("timeout"), "ETIMEDOUT");
    assert.strictEqual(codeOf({ end: EndReason.NOROUTE }), "EHOSTUNREACH");
    assert.strictEqual(codeOf({ end: EndReason.CONNRESET }), "ECONNRESET");
    assert.strictEqual(codeOf({ end: EndReason.DONE }), "ECONNRESET");
    assert.strictEqual(codeOf("no-network"), "ENETUNREACH");
    assert.strictEqual(codeOf("no-guard"), "ENETUNREACH");
  });

  it("are of our own making otherwise, and tell every failure apart", () => {
    assert.strictEqual(codeOf({ end: EndReason.EXITPOLICY }), "ERR_TOR_END_EXITPOLICY");
    assert.strictEqual(codeOf({ end: 77 }), "ERR_TOR_END_77");
    assert.strictEqual(codeOf("onion-unsupported"), "ERR_TOR_ONION_UNSUPPORTED");
    const failures = [
      ...CLIENT_FAILURES,
      ...Array.from({ length: 256 }, (_, end) => ({ end })),
    ] satisfies ReadonlyArray<ConnectFailure>;
    const own = new Map<string, string>();
    for (const failure of failures) {
      const code = codeOf(failure);
      assert.match(code, /^(E[A-Z]+|ERR_TOR_[A-Z0-9_]+)$/);
      if (!code.startsWith("ERR_TOR_")) continue;
      assert.isUndefined(own.get(code), code);
      own.set(code, replyTo(failure).token);
    }
  });

  it("say of a stream that has ended that it takes no more", () => {
    const error = new StreamBrokenError(undefined);
    assert.deepStrictEqual([error.name, error.code, error.cause], ["StreamBrokenError", "EPIPE", undefined]);
  });
});
