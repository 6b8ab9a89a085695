import { assert, describe, it } from "@effect/vitest";
import { Context, Effect, Exit, Fiber, FileSystem, Layer, Scope } from "effect";
import { NameServer } from "../../../../test/network/name-server.ts";
import { until } from "../../../../test/support/event-loop.ts";
import { NodeResolver, type ResolveError, Resolver } from "../../src/exit/index.ts";

/** A name server of this process. */
const nameServer = Effect.acquireRelease(
  Effect.promise(() => NameServer.start()),
  (server) => Effect.promise(() => server[Symbol.asyncDispose]()),
);

/** Longer than this process, which is the name server too, is ever held up. */
const PATIENT_MILLIS = 10_000;

/** A name server, and a resolver that asks it. */
const startWith = (timeoutMillis: number) =>
  Effect.gen(function* () {
    const server = yield* nameServer;
    const { port } = server;
    const resolver = yield* Resolver.pipe(
      Effect.provide(NodeResolver.layer({ nameServers: [`127.0.0.1:${port}`], timeoutMillis, attempts: 2 }), {
        local: true,
      }),
    );
    return { server, resolver, port };
  });

const start = startWith(PATIENT_MILLIS);

/** Asks for example.com with the name servers that a file has; `undefined`: there is no file. */
const withFile = (text: string | undefined) =>
  Effect.gen(function* () {
    const resolver = yield* Resolver;
    return yield* resolver.resolve("example.com", 4);
  }).pipe(
    Effect.provide(
      NodeResolver.layerResolvConf("/etc/other.conf").pipe(
        Layer.provide(FileSystem.layerNoop(text === undefined ? {} : { readFileString: () => Effect.succeed(text) })),
      ),
    ),
  );

const failure = (asking: Effect.Effect<unknown, ResolveError>) =>
  Effect.map(Effect.flip(asking), ({ transient, code }) => ({ transient, code }));

describe("NodeResolver", () => {
  it.live("asks elsewhere once its options say so, and still hears those whom it asked before", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* start, yield* start];
      one.server.set("example.com", [{ type: "A", value: "192.0.2.1", ttl: 600 }]);
      other.server.set("example.com", [{ type: "A", value: "192.0.2.2", ttl: 600 }]);
      let asked = one.port;
      yield* Effect.gen(function* () {
        const resolver = yield* Resolver;
        const first = yield* Effect.forkChild(resolver.resolve("example.com", 4), { startImmediately: true });
        asked = other.port;
        const [second] = (yield* resolver.resolve("example.com", 4)).addresses;
        assert.strictEqual(second.address, "192.0.2.2");
        assert.strictEqual((yield* Fiber.join(first)).addresses[0].address, "192.0.2.1");
      }).pipe(Effect.provide(NodeResolver.layerChanging(() => ({ nameServers: [`127.0.0.1:${asked}`] }))));
    }),
  );

  it.live("finds the addresses of a name, with the shortest of their times to live", () =>
    Effect.gen(function* () {
      const { server, resolver } = yield* start;
      server.set("example.com", [
        { type: "A", value: "192.0.2.1", ttl: 600 },
        { type: "A", value: "192.0.2.2", ttl: 400 },
        { type: "AAAA", value: "2001:db8::1", ttl: 7 },
      ]);
      assert.deepEqual(yield* resolver.resolve("example.com", 4), {
        addresses: [
          { family: 4, address: "192.0.2.1" },
          { family: 4, address: "192.0.2.2" },
        ],
        ttl: 400,
      });
      assert.deepEqual(yield* resolver.resolve("example.com", 6), {
        addresses: [{ family: 6, address: "2001:db8::1" }],
        ttl: 7,
      });
    }),
  );

  it.live("finds the name of an address", () =>
    Effect.gen(function* () {
      const { server, resolver } = yield* start;
      server.setHost("host.example", "192.0.2.1", "2001:db8::1");
      for (const address of [
        { family: 4, address: "192.0.2.1" },
        { family: 6, address: "2001:db8::1" },
      ] as const) {
        assert.deepEqual(yield* resolver.reverse(address), { name: "host.example", ttl: undefined });
      }
      const nobody = resolver.reverse({ family: 4, address: "192.0.2.9" });
      assert.deepStrictEqual(yield* failure(nobody), { transient: false, code: "ENOTFOUND" });
    }),
  );

  it.live("asks the name server alone, also for what the hosts file knows", () =>
    Effect.gen(function* () {
      const { server, resolver } = yield* start;
      server.set("localhost", [{ type: "A", value: "192.0.2.77" }]);
      server.set("1.0.0.127.in-addr.arpa", [{ type: "PTR", value: "not-localhost.example" }]);
      assert.strictEqual((yield* resolver.resolve("localhost", 4)).addresses[0].address, "192.0.2.77");
      const { name } = yield* resolver.reverse({ family: 4, address: "127.0.0.1" });
      assert.strictEqual(name, "not-localhost.example");
    }),
  );

  it.live("tells failures that may pass from those that stay", () =>
    Effect.gen(function* () {
      const { server, resolver } = yield* start;
      server.set("only6.example", [{ type: "AAAA", value: "2001:db8::1" }]);
      server.set("broken.example", "servfail");
      const failed = (name: string) => failure(resolver.resolve(name, 4));
      assert.deepStrictEqual(yield* failed("no.example"), { transient: false, code: "ENOTFOUND" });
      assert.deepStrictEqual(yield* failed("only6.example"), { transient: false, code: "ENODATA" });
      assert.deepStrictEqual(yield* failed("broken.example"), { transient: true, code: "ESERVFAIL" });
    }),
  );

  it.live("asks as often as it is told to, and gives up", () =>
    Effect.gen(function* () {
      const { server, resolver } = yield* startWith(50);
      server.set("silent.example", "silent");
      const failed = yield* failure(resolver.resolve("silent.example", 4));
      assert.deepStrictEqual(failed, { transient: true, code: "ETIMEOUT" });
      assert.strictEqual(server.queries.get("silent.example 1"), 2);
    }),
  );

  it.live("asks the name servers of a file", () =>
    Effect.gen(function* () {
      const { server } = yield* start;
      server.set("example.com", [{ type: "A", value: "192.0.2.1" }]);
      const { addresses } = yield* withFile(`# ours\nnameserver 127.0.0.1:${server.port}\n`);
      assert.deepEqual(addresses, [{ family: 4, address: "192.0.2.1" }]);
    }),
  );

  it.live("refuses a file that names no name server, or is not there", () =>
    Effect.gen(function* () {
      const none = yield* Effect.flip(withFile("search example.com\n"));
      assert.strictEqual(none.message, "/etc/other.conf names no name server");
      const missing = yield* Effect.flip(withFile(undefined));
      assert.strictEqual(missing._tag, "NameServersError");
      assert.include(missing.message, "/etc/other.conf");
    }),
  );

  for (const name of ["a..b", `${"x".repeat(64)}.example`, ".", "x".repeat(255), "-.-", "_dmarc.example"]) {
    it.live(`fails for ${name.slice(0, 20)}, which is nobody's name`, () =>
      Effect.gen(function* () {
        const { resolver } = yield* start;
        for (const family of [4, 6] as const) {
          const error = yield* Effect.flip(resolver.resolve(name, family));
          assert.isFalse(error.transient, error.code);
          assert.strictEqual(error.message, `${name} did not resolve (${error.code})`);
        }
      }),
    );
  }

  it.live("stops asking with its layer", () =>
    Effect.gen(function* () {
      const server = yield* nameServer;
      server.set("silent.example", "silent");
      const options = { nameServers: [`127.0.0.1:${server.port}`], timeoutMillis: PATIENT_MILLIS };
      const scope = yield* Scope.make();
      const context = yield* Scope.provide(Layer.build(NodeResolver.layer(options)), scope);
      const asking = Context.get(context, Resolver).resolve("silent.example", 4);
      const asked = yield* Effect.forkChild(failure(asking), { startImmediately: true });
      yield* until(() => server.queries.size > 0);
      yield* Scope.close(scope, Exit.void);
      assert.deepStrictEqual(yield* Fiber.join(asked), { transient: true, code: "ECANCELLED" });
    }),
  );
});
