import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { Endpoint } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { decode, encode, type RecordType } from "dns-packet";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { ConnectError } from "../../src/errors.ts";
import { Datagrams, type DnsServerConfig, layerNodeDatagrams, makeDnsServer } from "../../src/proxy-server/index.ts";
import { TorClient } from "../../src/tor-client.ts";
import { settle } from "./support/proxy.ts";
import { StandIn } from "./support/stand-in.ts";

const LISTEN = { host: "127.0.0.1", port: 5353 };
const ASKER = { host: "127.0.0.1", port: 40_000 };

/** RFC 1035, 4.1.1. */
const RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];

const question = (name: string, type: RecordType = "A", id = 7): Buffer =>
  encode({ type: "query", id, questions: [{ name, type, class: "IN" }] });

/** A DNS port whose datagrams are the test's. */
const start = (config: Partial<DnsServerConfig> = {}) =>
  Effect.gen(function* () {
    const client = new StandIn();
    const sent: Array<{ readonly message: Buffer; readonly to: Endpoint }> = [];
    let receive: (message: Buffer, from: Endpoint) => void = () => {};
    const server = yield* makeDnsServer({ listen: LISTEN, ...config }).pipe(
      Effect.provideService(TorClient, TorClient.of(client.service)),
      Effect.provideService(
        Datagrams,
        Datagrams.of({
          bind: (endpoint, onMessage) =>
            Effect.sync(() => {
              receive = onMessage;
              return { endpoint, send: (message, to) => sent.push({ message, to }) };
            }),
        }),
      ),
    );
    const ask = (message: Buffer, from = ASKER) =>
      Effect.gen(function* () {
        receive(message, from);
        yield* settle;
        const answer = sent.at(-1)?.message;
        return answer && { ...decode(answer), rcode: RCODES[(answer[3] ?? 0) & 0xf] };
      });
    return { client, server, sent, ask };
  });

describe("the DNS port", () => {
  it.effect("answers with the addresses that an exit finds", () =>
    Effect.gen(function* () {
      const { client, ask, sent } = yield* start();
      client.addresses = [{ value: { family: 4, address: "203.0.113.7" }, ttl: 300 }];
      const answer = yield* ask(question("Example.com"));
      assert.deepStrictEqual(sent[0]?.to, ASKER);
      assert.deepInclude(answer?.answers?.[0], { name: "Example.com", type: "A", ttl: 300, data: "203.0.113.7" });
      assert.deepInclude(client.lookedUp[0], { name: "example.com" });
      assert.strictEqual(client.lookedUp[0]?.options.family, "ipv4-only");
    }),
  );

  it.effect("answers with the name of an address", () =>
    Effect.gen(function* () {
      const { client, ask } = yield* start();
      client.names = [{ value: "host.example", ttl: 300 }];
      const answer = yield* ask(question("7.113.0.203.in-addr.arpa", "PTR"));
      assert.deepInclude(answer?.answers?.[0], { type: "PTR", data: "host.example" });
      assert.strictEqual(client.lookedUp[0]?.name, "203.0.113.7");
    }),
  );

  it.effect("says that there is no such name, that it failed, and that it took too long", () =>
    Effect.gen(function* () {
      const { client, ask, server } = yield* start();
      assert.strictEqual((yield* ask(question("example.com")))?.rcode, "NXDOMAIN");
      client.before = Effect.fail(new ConnectError({ failure: "no-circuit" }));
      assert.strictEqual((yield* ask(question("example.com")))?.rcode, "SERVFAIL");
      client.before = Effect.never;
      yield* ask(question("other.example"));
      assert.strictEqual(server.queries(), 1);
      yield* TestClock.adjust("1 minute");
      assert.strictEqual(server.queries(), 0);
      assert.strictEqual(client.interrupted, 1);
    }),
  );

  it.effect("asks once for who asks again, and for each who asks", () =>
    Effect.gen(function* () {
      const { client, ask, sent } = yield* start();
      client.before = Effect.sleep("1 second");
      yield* ask(question("example.com"));
      yield* ask(question("example.com"));
      yield* ask(question("example.com"), { ...ASKER, port: 40_001 });
      yield* TestClock.adjust("1 second");
      assert.deepStrictEqual([client.lookedUp.length, sent.length], [2, 2]);
    }),
  );

  it.effect("has no more questions under way than it may", () =>
    Effect.gen(function* () {
      const { client, ask, server, sent } = yield* start({ maxQueries: 2 });
      client.before = Effect.never;
      for (let id = 0; id < 2; id++) yield* ask(question("example.com", "A", id));
      assert.lengthOf(sent, 0);
      const answer = yield* ask(question("example.com", "A", 2));
      assert.deepStrictEqual([answer?.rcode, answer?.id, server.queries()], ["SERVFAIL", 2, 2]);
    }),
  );

  it.effect("answers what is not provided, and not at all what is no question", () =>
    Effect.gen(function* () {
      const { client, ask, sent } = yield* start();
      assert.strictEqual((yield* ask(question("example.com", "MX")))?.rcode, "NOTIMP");
      yield* ask(encode({ type: "response", id: 1 }));
      yield* ask(Buffer.from("x"));
      assert.deepStrictEqual([sent.length, client.lookedUp.length], [1, 0]);
    }),
  );

  it.live("speaks UDP", () =>
    Effect.gen(function* () {
      const client = new StandIn();
      client.addresses = [{ value: { family: 4, address: "203.0.113.7" }, ttl: 300 }];
      const { endpoint } = yield* makeDnsServer({ listen: { host: "127.0.0.1", port: 0 } }).pipe(
        Effect.provideService(TorClient, TorClient.of(client.service)),
        Effect.provide(layerNodeDatagrams),
      );
      const socket = createSocket("udp4");
      yield* Effect.addFinalizer(() => Effect.sync(() => socket.close()));
      const answered = once(socket, "message");
      socket.send(question("example.com"), endpoint.port, endpoint.host);
      const [message] = yield* Effect.promise(() => answered);
      assert.deepInclude(decode(message as Buffer).answers?.[0], { data: "203.0.113.7" });
      const taken = yield* Effect.flip(
        Effect.flatMap(Datagrams, ({ bind }) => bind(endpoint, () => {})).pipe(Effect.provide(layerNodeDatagrams)),
      );
      assert.deepInclude(taken, { kind: "addressInUse", code: "EADDRINUSE" });
    }),
  );
});
