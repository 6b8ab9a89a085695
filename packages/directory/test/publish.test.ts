import { assert, describe, it } from "@effect/vitest";
import { Effect, Exit, Fiber, Scope } from "effect";
import { TestClock } from "effect/testing";
import { DescriptorSource, type Publication } from "../src/index.ts";
import { pretendRelay } from "./support/documents.ts";
import { Electorate, PretendedSource, pretendNetwork } from "./support/network.ts";
import { answer, type Behaviour } from "./support/pretended-directory.ts";

const start = Date.UTC(2026, 0, 1);
const hour = 3_600_000;
const minute = 60_000;
const relays = ["alice", "bob"].map((nickname) => pretendRelay(nickname));

/** The outcomes by authority, shortened. */
const outcomes = (publication: Publication | undefined): Record<string, string> =>
  Object.fromEntries([...(publication?.uploads ?? [])].map(([name, { _tag }]) => [name, _tag]));

/** A publisher with honest authorities, whose consensus lists it. */
const setup = Effect.fnUntraced(function* (
  options: { readonly testNetwork?: boolean; readonly flags?: string; readonly running?: boolean } = {},
) {
  yield* TestClock.setTime(start);
  const network = yield* pretendNetwork;
  const electorate = new Electorate();
  const self = pretendRelay("self", 0, options.flags);
  electorate.agree({ validAfter: start, intervalMillis: 24 * hour, relays: [...relays, self] });
  network.everywhere(electorate.respond);
  const source = new PretendedSource(self.identity.toString("hex").toUpperCase());
  const { reactor, view } = yield* network.start(
    { authorities: network.authorities(electorate.identities), testNetwork: options.testNetwork ?? false },
    options.running === false ? undefined : source.service,
  );
  const posts = () => network.requests("/tor/").filter(({ method }) => method === "POST");
  return { network, electorate, source, reactor, view, posts, self };
});

describe("the publishing reactor", () => {
  it.effect("publishes nothing before it is told to", () =>
    Effect.gen(function* () {
      const { network, source, reactor } = yield* setup();
      yield* network.listen();
      yield* TestClock.adjust("20 hours");
      assert.deepStrictEqual(source.builds, []);
      assert.strictEqual(reactor.publication(), undefined);
    }),
  );

  it.effect("posts the descriptor with its extra-info document to every authority", () =>
    Effect.gen(function* () {
      const { network, source, reactor, posts } = yield* setup();
      yield* network.listen();
      yield* reactor.publish("the relay starts");
      yield* TestClock.adjust("10 seconds");
      assert.deepStrictEqual(source.builds, [start + 2000]);
      assert.strictEqual(posts().length, 3);
      for (const { target, body, head } of posts()) {
        assert.strictEqual(target, "/tor/");
        assert.strictEqual(body, `router ${start + 2000}\nextra-info ${start + 2000}\n`);
        assert.include(head, `Content-Length: ${body.length}`);
      }
      assert.deepStrictEqual(outcomes(reactor.publication()), {
        auth0: "Accepted",
        auth1: "Accepted",
        auth2: "Accepted",
      });
      assert.strictEqual(reactor.publication()?.reason, "the relay starts");
    }),
  );

  it.effect("takes commands that come together for one, and publishes once a minute at most", () =>
    Effect.gen(function* () {
      const { network, source, reactor } = yield* setup();
      yield* network.listen();
      for (let second = 0; second < 150; second++) {
        yield* reactor.publish(`change ${second}`);
        yield* reactor.publish(`change ${second} again`);
        yield* TestClock.adjust("1 second");
      }
      yield* TestClock.adjust("10 minutes");
      const times = source.builds.map((at) => (at - start) / 1000);
      assert.deepStrictEqual(times, [2, 62, 122, 182]);
      assert.strictEqual(reactor.publication()?.reason, "change 149 again");
    }),
  );

  it.effect("publishes every ten seconds at most in a test network", () =>
    Effect.gen(function* () {
      const { network, source, reactor } = yield* setup({ testNetwork: true });
      yield* network.listen();
      for (let second = 0; second < 25; second++) {
        yield* reactor.publish("change");
        yield* TestClock.adjust("1 second");
      }
      assert.deepStrictEqual(
        source.builds.map((at) => (at - start) / 1000),
        [0.1, 10.1, 20.1],
      );
    }),
  );

  it.effect("publishes again after 18 hours", () =>
    Effect.gen(function* () {
      const { network, source, reactor } = yield* setup();
      yield* network.listen();
      yield* reactor.publish("the relay starts");
      yield* TestClock.adjust("40 hours");
      const hours = source.builds.map((at) => Math.round(((at - start) / hour) * 100) / 100);
      assert.deepStrictEqual(hours, [0, 18, 36]);
      assert.strictEqual(reactor.publication()?.reason, "the descriptor has become old");
    }),
  );

  it.effect("publishes again when a consensus does not list the relay, but not at once", () =>
    Effect.gen(function* () {
      const { network, source, reactor, electorate, self } = yield* setup();
      electorate.agree({ validAfter: start, intervalMillis: hour, relays });
      yield* network.listen();
      yield* reactor.publish("the relay starts");
      // The first consensus came before it could know of the relay, and the second one an hour later knows.
      yield* TestClock.adjust("10 minutes");
      electorate.agree({ validAfter: start + hour, intervalMillis: hour, relays: [...relays, self] });
      yield* TestClock.adjust("100 minutes");
      assert.strictEqual(source.builds.length, 1);
      electorate.agree({ validAfter: start + 2 * hour, intervalMillis: hour, relays });
      yield* TestClock.adjust("1 hour");
      assert.strictEqual(source.builds.length, 2);
      assert.strictEqual(reactor.publication()?.reason, "the consensus does not list us");
    }),
  );

  it.effect("publishes again when a consensus calls its descriptor stale", () =>
    Effect.gen(function* () {
      const { network, source, reactor, electorate } = yield* setup({ flags: "Running StaleDesc Valid" });
      yield* network.listen();
      yield* reactor.publish("the relay starts");
      yield* TestClock.adjust("5 minutes");
      assert.strictEqual(source.builds.length, 1);
      const stale = pretendRelay("self", 0, "Running StaleDesc Valid");
      electorate.agree({ validAfter: start + 24 * hour, intervalMillis: 24 * hour, relays: [stale] });
      yield* TestClock.setTime(start + 36 * hour + 3 * minute);
      assert.include(
        network.logs.find("Info", "publishing a new descriptor"),
        "publishing a new descriptor: the consensus calls our descriptor stale",
      );
    }),
  );

  it.effect("keeps asking authorities that are not up, and leaves those alone that have it", () =>
    Effect.gen(function* () {
      const { network, reactor, posts } = yield* setup();
      const [first, ...others] = network.directories;
      yield* network.listen(first === undefined ? [] : [first]);
      yield* reactor.publish("the relay starts");
      yield* TestClock.adjust("20 minutes");
      assert.strictEqual(posts().length, 1);
      assert.deepStrictEqual(outcomes(reactor.publication()), {
        auth0: "Accepted",
        auth1: "Unreachable",
        auth2: "Unreachable",
      });
      yield* network.listen(others);
      yield* TestClock.adjust("30 minutes");
      assert.strictEqual(posts().length, 3);
      assert.deepStrictEqual(outcomes(reactor.publication()), {
        auth0: "Accepted",
        auth1: "Accepted",
        auth2: "Accepted",
      });
    }),
  );

  it.effect("tells what an authority says against a descriptor, and asks again later", () =>
    Effect.gen(function* () {
      const { network, reactor, electorate, posts } = yield* setup();
      yield* network.listen();
      const refusal: Behaviour = answer("Fingerprint is marked rejected -- please contact us?", {
        status: "400 Rejected\x07",
      });
      const [first] = network.directories;
      if (first !== undefined)
        first.respond = (request) => (request.method === "POST" ? refusal : electorate.respond(request));
      yield* reactor.publish("the relay starts");
      yield* TestClock.adjust("9 minutes");
      assert.deepStrictEqual(reactor.publication()?.uploads.get("auth0"), {
        _tag: "Refused",
        at: start + 2004,
        status: 400,
        text: "Rejected?: Fingerprint is marked rejected -- please contact us?",
      });
      assert.strictEqual(posts().length, 3);
      assert.strictEqual(network.logs.find("Warn", "auth0 refuses our descriptor: 400 Rejected?: Finger").length, 1);
      yield* TestClock.adjust("3 hours");
      assert.isAbove(posts().length, 4);
      assert.isBelow(posts().length, 20);
    }),
  );

  it.effect("tells a descriptor that was kept from one that was not new", () =>
    Effect.gen(function* () {
      const { network, reactor, electorate } = yield* setup();
      yield* network.listen();
      const [first] = network.directories;
      if (first !== undefined)
        first.respond = (request) =>
          request.method === "POST"
            ? answer("", { headers: "X-Descriptor-Not-New: Yes\r\n" })
            : electorate.respond(request);
      yield* reactor.publish("the relay starts");
      yield* TestClock.adjust("9 minutes");
      const { uploads } = reactor.publication() as Publication;
      assert.deepStrictEqual(uploads.get("auth0"), { _tag: "Accepted", at: start + 2004, notNew: true });
      assert.deepStrictEqual(uploads.get("auth1"), { _tag: "Accepted", at: start + 2004, notNew: false });
    }),
  );

  it.effect("waits for a source that is not ready, without building in vain for ever", () =>
    Effect.gen(function* () {
      const { network, source, reactor, posts } = yield* setup();
      source.ready = false;
      yield* network.listen();
      yield* reactor.publish("the relay starts");
      yield* TestClock.adjust("30 minutes");
      assert.strictEqual(posts().length, 0);
      const told = network.logs.find("Info", "not published: no descriptor yet: no address yet").length;
      assert.isAbove(told, 1);
      assert.isBelow(told, 50);
      source.ready = true;
      yield* reactor.publish("there is an address");
      yield* TestClock.adjust("1 second");
      assert.strictEqual(posts().length, 3);
      assert.strictEqual(reactor.publication()?.reason, "there is an address");
    }),
  );

  it.effect("keeps what was published while the source cannot make anything newer", () =>
    Effect.gen(function* () {
      const { network, source, reactor, posts } = yield* setup();
      yield* network.listen();
      yield* reactor.publish("the relay starts");
      yield* TestClock.adjust("1 minute");
      source.ready = false;
      yield* TestClock.adjust("20 hours");
      assert.strictEqual(reactor.publication()?.at, start + 2000);
      assert.isBelow(network.logs.find("Info", "not published").length, 60);
      source.ready = true;
      yield* TestClock.adjust("30 minutes");
      assert.strictEqual(posts().length, 6);
      assert.strictEqual(reactor.publication()?.reason, "the descriptor has become old");
    }),
  );

  it.effect("drops an upload that is under way when there is something newer", () =>
    Effect.gen(function* () {
      const { network, source, reactor, posts } = yield* setup();
      yield* reactor.publish("the relay starts");
      yield* TestClock.adjust("2 minutes");
      yield* reactor.publish("a key has changed");
      yield* TestClock.adjust("1 minute");
      yield* network.listen();
      yield* TestClock.adjust("30 minutes");
      assert.strictEqual(source.builds.length, 2);
      assert.deepStrictEqual(
        posts().map(({ body }) => body.split("\n")[0]),
        Array.from({ length: 3 }, () => `router ${source.builds[1]}`),
      );
    }),
  );

  it.effect("goes on after a restart where it was", () =>
    Effect.gen(function* () {
      const { network, source, reactor, posts } = yield* setup({ running: false });
      const run = Effect.provideService(reactor.publisher.run, DescriptorSource, source.service);
      const first = yield* Effect.forkChild(run);
      yield* reactor.publish("the relay starts");
      yield* TestClock.adjust("30 seconds");
      assert.strictEqual(posts().length, 0);
      yield* Fiber.interrupt(first);
      yield* network.listen();
      yield* Effect.forkChild(run);
      yield* reactor.publish("a key has changed");
      yield* TestClock.adjust("3 seconds");
      assert.strictEqual(posts().length, 3);
      assert.strictEqual(source.builds.length, 1);
      // The rate limit holds across restarts too.
      yield* TestClock.adjust("1 minute");
      assert.strictEqual(posts().length, 6);
      assert.deepStrictEqual(source.builds, [start + 2000, start + 62_000]);
    }),
  );

  it.effect("ends with the directory that it belongs to", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make();
      const { source, reactor } = yield* Scope.provide(setup({ running: false }), scope);
      const run = Effect.provideService(reactor.publisher.run, DescriptorSource, source.service);
      const fiber = yield* Effect.forkChild(run);
      yield* TestClock.adjust("1 second");
      yield* Scope.close(scope, Exit.void);
      const error = yield* Effect.flip(Fiber.join(fiber));
      assert.strictEqual(error._tag, "LinkEnded");
    }),
  );
});
