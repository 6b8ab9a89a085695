import { MemoryNetwork, Transport } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Exit, Fiber, Scope } from "effect";
import { TestClock, TestConsole } from "effect/testing";
import { ConnectError } from "../../src/errors.ts";
import { TorClient } from "../../src/tor-client.ts";
import { serveApplications } from "../examples/proxy.ts";
import { drain, httpConnect, OTHER_PORT, PROXY, settle, socks4a, socks5, startProxy } from "./support/proxy.ts";
import { StandIn } from "./support/stand-in.ts";

describe("an application that asks the proxy port for a stream", () => {
  const granted: ReadonlyArray<readonly [name: string, requests: ReadonlyArray<Buffer>, answer: string]> = [
    ["SOCKS4a", [socks4a("example.com", 80)], "\0Z"],
    ["SOCKS5", [socks5.hello, socks5.request("example.com", 80)], "\x05\0\0\x01"],
    ["HTTP CONNECT", [httpConnect("example.com:80")], "HTTP/1.0 200 OK\r\n"],
  ];
  for (const [name, requests, answer] of granted) {
    it.effect(`gets it by ${name}, and bytes go both ways`, () =>
      Effect.gen(function* () {
        const { client, connect, say, server } = yield* startProxy();
        const application = yield* connect();
        let said: Buffer = Buffer.alloc(0);
        for (const request of requests) said = yield* say(application, request);
        assert.strictEqual(said.toString("latin1", 0, answer.length), answer);
        const [asked] = client.asked;
        assert.deepStrictEqual(asked?.target, { host: "example.com", port: 80 });
        asked?.far.write(Buffer.from("hello"));
        assert.strictEqual((yield* say(application, Buffer.from("GET /"))).toString(), "hello");
        assert.strictEqual(asked && drain(asked.far).toString(), "GET /");
        assert.deepStrictEqual(server.counts(), {
          connections: 1,
          negotiating: 0,
          streams: 1,
          refused: 0,
          up: 5,
          down: 5,
        });
      }),
    );
  }

  it.effect("may send its first bytes with the request", () =>
    Effect.gen(function* () {
      const { client, connect, say } = yield* startProxy();
      const application = yield* connect();
      yield* say(application, socks5.hello);
      yield* say(application, Buffer.concat([socks5.request("example.com", 80), Buffer.from("early")]));
      const [asked] = client.asked;
      assert.strictEqual(asked && drain(asked.far).toString(), "early");
    }),
  );

  it.effect("waits until there is a stream, and what it sends meanwhile is not lost", () =>
    Effect.gen(function* () {
      const { client, connect, say } = yield* startProxy();
      client.before = Effect.sleep("90 seconds");
      const application = yield* connect();
      yield* say(application, socks5.hello);
      assert.strictEqual((yield* say(application, socks5.request("example.com", 80))).length, 0);
      assert.strictEqual((yield* say(application, Buffer.from("GET /"))).length, 0);
      yield* TestClock.adjust("90 seconds");
      assert.deepStrictEqual(drain(application), socks5.succeeded);
      const [asked] = client.asked;
      assert.strictEqual(asked && drain(asked.far).toString(), "GET /");
    }),
  );

  for (const how of ["destroy", "end", "reset"] as const) {
    it.effect(`is not waited for when it is gone (${how}): the request is given up`, () =>
      Effect.gen(function* () {
        const { client, connect, say, server, network } = yield* startProxy();
        client.before = Effect.never;
        const application = yield* connect();
        yield* say(application, socks5.hello);
        yield* say(application, socks5.request("example.com", 80));
        application[how]();
        yield* settle;
        assert.strictEqual(client.interrupted, 1);
        assert.strictEqual(server.counts().connections, 0);
        application.destroy();
        yield* settle;
        assert.strictEqual(network.connections(), 0);
      }),
    );
  }

  const failures: ReadonlyArray<readonly [failure: ConnectError["failure"], socks: number, http: string]> = [
    [{ end: 3 }, 0x05, "403 Forbidden"],
    [{ end: 4 }, 0x02, "503 Service Unavailable"],
    [{ end: 7 }, 0x06, "504 Gateway Timeout"],
    [{ end: 200 }, 0x01, "500 Internal Server Error"],
    ["private-address", 0x02, "403 Forbidden"],
    ["no-exit", 0x02, "503 Service Unavailable"],
    ["no-guard", 0x03, "503 Service Unavailable"],
    ["timeout", 0x06, "504 Gateway Timeout"],
  ];
  for (const [failure, socks, http] of failures) {
    it.effect(`is told that it cannot be had: ${typeof failure === "string" ? failure : `END ${failure.end}`}`, () =>
      Effect.gen(function* () {
        const { client, connect, say, server } = yield* startProxy();
        client.before = Effect.fail(new ConnectError({ failure }));
        const bySocks = yield* connect();
        yield* say(bySocks, socks5.hello);
        const reply = yield* say(bySocks, socks5.request("example.com", 80));
        assert.deepStrictEqual([reply[1], bySocks.status], [socks, "ended"]);
        const byHttp = yield* connect();
        const answer = yield* say(byHttp, httpConnect("example.com:80"));
        assert.match(answer.toString(), new RegExp(`^HTTP/1.0 ${http}\r\n`));
        bySocks.end();
        byHttp.end();
        yield* settle;
        assert.strictEqual(server.counts().connections, 0);
      }),
    );
  }

  it.effect("is answered what it did wrong, and its connection ends", () =>
    Effect.gen(function* () {
      const { client, connect, say } = yield* startProxy();
      const application = yield* connect();
      yield* say(application, socks5.hello);
      const reply = yield* say(application, socks5.request("hidden.exit", 80));
      assert.deepStrictEqual([reply[1], application.status], [2, "ended"]);
      const other = yield* connect();
      yield* say(other, Buffer.from("\0"));
      assert.strictEqual(other.status, "ended");
      assert.lengthOf(client.asked, 0);
      const lines = (yield* TestConsole.logLines).map(String).join("\n");
      assert.include(lines, "does not keep to SOCKS");
      assert.notInclude(lines, "hidden");
    }),
  );

  it.effect("has two minutes to say what it wants", () =>
    Effect.gen(function* () {
      const { connect, say, server } = yield* startProxy();
      const application = yield* connect();
      yield* say(application, Buffer.of(5));
      yield* TestClock.adjust("119 seconds");
      assert.strictEqual(application.status, "open");
      yield* TestClock.adjust("2 seconds");
      assert.notStrictEqual(application.status, "open");
      assert.strictEqual(server.counts().connections, 0);
    }),
  );

  it.effect("has three seconds to close when it was refused", () =>
    Effect.gen(function* () {
      const { connect, say, server, network } = yield* startProxy();
      const application = yield* connect();
      yield* say(application, Buffer.from("\0"));
      assert.strictEqual(server.counts().connections, 1);
      yield* TestClock.adjust("3 seconds");
      assert.strictEqual(server.counts().connections, 0);
      application.destroy();
      yield* settle;
      assert.strictEqual(network.connections(), 0);
    }),
  );

  it.effect("is warned of addresses in place of names, once in a while, and not who they are", () =>
    Effect.gen(function* () {
      const { connect, say } = yield* startProxy();
      for (let time = 0; time < 3; time++) {
        const application = yield* connect();
        yield* say(application, socks5.hello);
        yield* say(application, socks5.address([203, 0, 113, 7], 80));
      }
      const lines = (yield* TestConsole.logLines).map(String).filter((line) => line.includes("addresses, not names"));
      assert.lengthOf(lines, 1);
      assert.notInclude(lines.join(""), "203.0.113.7");
    }),
  );
});

describe("an application that asks for a name or an address", () => {
  const resolve = 0xf0;
  const resolvePtr = 0xf1;

  it.effect("gets the first address of the name", () =>
    Effect.gen(function* () {
      const { client, connect, say } = yield* startProxy();
      client.addresses = [{ value: { family: 4, address: "203.0.113.7" }, ttl: 60 }];
      const application = yield* connect();
      yield* say(application, socks5.hello);
      const reply = yield* say(application, socks5.request("example.com", 0, resolve));
      assert.deepStrictEqual(reply, Buffer.of(5, 0, 0, 1, 203, 0, 113, 7, 0, 0));
      assert.strictEqual(client.lookedUp[0]?.name, "example.com");
      assert.strictEqual(application.status, "ended");
    }),
  );

  it.effect("gets the name of the address", () =>
    Effect.gen(function* () {
      const { client, connect, say } = yield* startProxy();
      client.names = [{ value: "host.example", ttl: 60 }];
      const application = yield* connect();
      yield* say(application, socks5.hello);
      const reply = yield* say(application, socks5.address([203, 0, 113, 7], 0, resolvePtr));
      assert.strictEqual(reply.subarray(5, 17).toString(), "host.example");
      assert.strictEqual(client.lookedUp[0]?.name, "203.0.113.7");
    }),
  );

  it.effect("is told if there is none", () =>
    Effect.gen(function* () {
      const { connect, say } = yield* startProxy();
      for (const request of [
        socks5.request("example.com", 0, resolve),
        socks5.address([203, 0, 113, 7], 0, resolvePtr),
      ]) {
        const application = yield* connect();
        yield* say(application, socks5.hello);
        assert.strictEqual((yield* say(application, request))[1], 4);
      }
    }),
  );
});

describe("streams share circuits only where they may", () => {
  const ask = (
    proxy: Effect.Success<ReturnType<typeof startProxy>>,
    options: { user?: string; from?: string; name?: string; port?: number; to?: typeof PROXY; http?: boolean } = {},
  ) =>
    Effect.gen(function* () {
      const { connect, say, client } = proxy;
      const application = yield* connect(options.to ?? PROXY, options.from ?? PROXY.host);
      const name = options.name ?? "example.com";
      const port = options.port ?? 80;
      if (options.http === true) yield* say(application, httpConnect(`${name}:${port}`));
      else if (options.user === undefined) {
        yield* say(application, socks5.hello);
        yield* say(application, socks5.request(name, port));
      } else {
        yield* say(application, socks5.helloWithPassword);
        yield* say(application, socks5.password(options.user, "x"));
        yield* say(application, socks5.request(name, port));
      }
      return client.asked.at(-1)?.options.isolation;
    });

  it.effect("by default those of one listener, one address and the same credentials", () =>
    Effect.gen(function* () {
      const proxy = yield* startProxy({ listeners: [{ listen: PROXY }, { listen: OTHER_PORT }] });
      const plain = yield* ask(proxy);
      assert.strictEqual(yield* ask(proxy, { name: "other.example", port: 443 }), plain);
      assert.strictEqual(yield* ask(proxy, { http: true }), plain);
      const keys = [
        plain,
        yield* ask(proxy, { user: "alice" }),
        yield* ask(proxy, { user: "bob" }),
        yield* ask(proxy, { to: OTHER_PORT }),
        yield* ask(proxy, { from: "127.0.0.9" }),
      ];
      assert.strictEqual(new Set(keys).size, keys.length);
      assert.strictEqual(yield* ask(proxy, { user: "alice" }), keys[1]);
    }),
  );

  it.effect("by destination, port and protocol, if that is configured", () =>
    Effect.gen(function* () {
      for (const [flag, difference] of [
        ["destination", { name: "other.example" }],
        ["port", { port: 443 }],
        ["protocol", { http: true }],
      ] as const) {
        const proxy = yield* startProxy({ listeners: [{ listen: PROXY, isolation: { [flag]: true } }] });
        const plain = yield* ask(proxy);
        assert.strictEqual(yield* ask(proxy), plain);
        assert.notStrictEqual(yield* ask(proxy, difference), plain);
      }
    }).pipe(Effect.scoped),
  );

  it.effect("whatever user and address, if that is configured", () =>
    Effect.gen(function* () {
      const isolation = { credentials: false, clientAddress: false };
      const proxy = yield* startProxy({ listeners: [{ listen: PROXY, isolation }] });
      const plain = yield* ask(proxy);
      assert.strictEqual(yield* ask(proxy, { user: "alice", from: "127.0.0.9" }), plain);
    }),
  );
});

describe("a proxy port", () => {
  it.effect("may be a part of a program", () =>
    Effect.gen(function* () {
      const client = new StandIn();
      const network = yield* MemoryNetwork.make();
      const scope = yield* Scope.make();
      yield* serveApplications.pipe(
        Scope.provide(scope),
        Effect.provide(network.host(PROXY.host)),
        Effect.provideService(TorClient, TorClient.of(client.service)),
      );
      const application = yield* Effect.flatMap(Transport, (transport) =>
        transport.connect(PROXY, { tls: false }),
      ).pipe(Effect.provide(network.host(PROXY.host)));
      application.write(httpConnect("example.com:443"));
      yield* settle;
      assert.include(drain(application).toString(), "200 OK");
      const ended = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true });
      yield* TestClock.adjust("9 seconds");
      assert.deepStrictEqual([application.status, client.asked[0]?.far.status], ["open", "open"]);
      yield* TestClock.adjust("2 seconds");
      assert.deepStrictEqual([application.status, client.asked[0]?.far.status], ["closed", "closed"]);
      yield* Fiber.join(ended);
    }),
  );

  it.effect("refuses applications above its bound, and has room again when one is gone", () =>
    Effect.gen(function* () {
      const { connect, say, server } = yield* startProxy({ maxConnections: 2 });
      const first = yield* connect();
      yield* say(first, socks5.hello);
      yield* say(first, socks5.request("example.com", 80));
      yield* connect();
      assert.strictEqual((yield* Effect.flip(connect())).kind, "reset");
      assert.strictEqual(server.counts().refused, 1);
      first.reset();
      yield* settle;
      yield* connect();
    }),
  );

  it.effect("has room where an application has closed, although its stream may still have something for it", () =>
    Effect.gen(function* () {
      const { connect, say, server, client } = yield* startProxy({ maxConnections: 1 });
      for (let round = 1; round <= 3; round++) {
        const application = yield* connect();
        yield* say(application, socks5.hello);
        yield* say(application, socks5.request("example.com", 80));
        assert.lengthOf(client.asked, round);
        assert.strictEqual((yield* Effect.flip(connect())).kind, "reset");
        application.destroy();
        yield* settle;
        assert.strictEqual(server.counts().connections, 1);
        assert.strictEqual(client.asked.at(-1)?.far.status, "open");
      }
    }),
  );

  it.effect("gives up the oldest that does not say what it wants when there are too many", () =>
    Effect.gen(function* () {
      const { connect, say, server, client } = yield* startProxy({ maxNegotiations: 2 });
      const silent = [yield* connect(), yield* connect()];
      const asking = yield* connect();
      assert.deepStrictEqual(
        silent.map(({ status }) => status),
        ["ended", "open"],
      );
      yield* say(asking, socks5.hello);
      yield* say(asking, socks5.request("example.com", 80));
      yield* connect();
      assert.strictEqual(silent[1]?.status, "open");
      assert.lengthOf(client.asked, 1);
      assert.deepInclude(server.counts(), { negotiating: 2, refused: 1 });
    }),
  );

  it.effect("ends in order: nobody is let in, and those who are in may finish", () =>
    Effect.gen(function* () {
      const { connect, say, server, client } = yield* startProxy();
      const application = yield* connect();
      yield* say(application, socks5.hello);
      yield* say(application, socks5.request("example.com", 80));
      const draining = yield* Effect.forkChild(server.drain, { startImmediately: true });
      yield* settle;
      assert.strictEqual((yield* Effect.flip(connect())).kind, "refused");
      assert.isUndefined(draining.pollUnsafe());
      client.asked[0]?.far.write(Buffer.from("rest"));
      client.asked[0]?.far.end();
      yield* settle;
      assert.strictEqual(drain(application).toString(), "rest");
      application.end();
      yield* settle;
      assert.isDefined(draining.pollUnsafe());
    }),
  );

  it.effect("resets those who are still in when it is over", () =>
    Effect.gen(function* () {
      const { application, far } = yield* Effect.scoped(
        Effect.gen(function* () {
          const { connect, say, client } = yield* startProxy();
          const application = yield* connect();
          yield* say(application, socks5.hello);
          yield* say(application, socks5.request("example.com", 80));
          return { application, far: client.asked[0]?.far };
        }),
      );
      assert.deepStrictEqual([application.status, far?.status], ["closed", "closed"]);
    }),
  );
});
