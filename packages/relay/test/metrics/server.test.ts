import { type Connection, type Endpoint, MemoryNetwork, Transport } from "@allium/channel";
import { Metrics } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Duration, Effect } from "effect";
import { TestClock } from "effect/testing";
import {
  MAX_METRICS_CONNECTIONS,
  MAX_METRICS_REQUEST_BYTES,
  METRICS_EXCHANGE_TIMEOUT,
  type MetricsConfig,
  makeMetricsServer,
} from "../../src/index.ts";
import { transportOf } from "../support/hosts.ts";

const RELAY = "198.51.100.1";
const SCRAPER = "198.51.100.9";
const STRANGER = "198.51.100.66";
const LISTEN: Endpoint = { host: RELAY, port: 9035 };
const OPEN: MetricsConfig = { listen: LISTEN, policy: [`accept ${SCRAPER}`] };

const readAll = (connection: Connection): string => {
  let text = "";
  for (let chunk = connection.read(); chunk !== undefined; chunk = connection.read()) text += chunk.toString("latin1");
  return text;
};

/** A page with one figure on it, and a way to it. */
const start = (config: MetricsConfig | undefined = OPEN) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.make();
    yield* Metrics.register({ name: "things", help: "Things.", type: "gauge", read: () => 7 });
    const server = yield* Effect.provideService(makeMetricsServer, Transport, yield* transportOf(network, RELAY));
    yield* server.configure(config);
    const connect = (from = SCRAPER, to = LISTEN) =>
      Effect.flatMap(transportOf(network, from), (transport) => transport.connect(to, { tls: false }));
    const ask = (request: string, from = SCRAPER) =>
      Effect.gen(function* () {
        const connection = yield* connect(from);
        connection.write(Buffer.from(request, "latin1"));
        yield* TestClock.adjust("1 second");
        const answer = readAll(connection);
        connection.destroy();
        yield* TestClock.adjust("1 second");
        return answer;
      });
    return { network, server, connect, ask };
  });

const test = <A, E>(effect: Effect.Effect<A, E, import("effect").Scope.Scope>) =>
  effect.pipe(Effect.scoped, Effect.provide(Metrics.layer));

const GET = "GET /metrics HTTP/1.1\r\nHost: relay\r\n\r\n";

describe("the metrics page", () => {
  it.effect("answers a scraper with what is registered", () =>
    test(
      Effect.gen(function* () {
        const { ask } = yield* start();
        const [head, body] = (yield* ask(GET)).split("\r\n\r\n");
        assert.match(head!, /^HTTP\/1\.0 200 OK\r\n/);
        assert.include(head!, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
        assert.include(head!, `Content-Length: ${body!.length}\r\n`);
        assert.strictEqual(body, "# HELP things Things.\n# TYPE things gauge\nthings 7\n");
        assert.match(yield* ask("GET /metrics?x=1 HTTP/1.0\r\n\r\n"), /200 OK/);
      }),
    ),
  );

  it.effect("answers HEAD without a body, and anything else with its error", () =>
    test(
      Effect.gen(function* () {
        const { ask } = yield* start();
        assert.match(yield* ask("HEAD /metrics HTTP/1.0\r\n\r\n"), /200 OK[\s\S]*\r\n\r\n$/);
        assert.match(yield* ask("GET / HTTP/1.0\r\n\r\n"), /^HTTP\/1\.0 404 /);
        assert.match(yield* ask("POST /metrics HTTP/1.0\r\n\r\n"), /^HTTP\/1\.0 405 /);
        assert.match(yield* ask("\u0016\u0003\u0001 no HTTP\r\n\r\n"), /^HTTP\/1\.0 400 /);
        const long = `GET /metrics HTTP/1.0\r\nX: ${"x".repeat(MAX_METRICS_REQUEST_BYTES)}`;
        assert.match(yield* ask(long), /^HTTP\/1\.0 400 /);
      }),
    ),
  );

  it.effect("lets only those look whom the policy names", () =>
    test(
      Effect.gen(function* () {
        const { connect, server } = yield* start();
        assert.strictEqual((yield* Effect.flip(connect(STRANGER))).code, "ECONNRESET");
        // Without a policy it is this machine alone.
        yield* server.configure({ listen: LISTEN });
        assert.strictEqual((yield* Effect.flip(connect())).code, "ECONNRESET");
      }),
    ),
  );

  it.effect("cuts off whoever does not get to the point, and has room again", () =>
    test(
      Effect.gen(function* () {
        const { connect, ask, network } = yield* start();
        const slow: Array<Connection> = [];
        for (let index = 0; index < MAX_METRICS_CONNECTIONS; index++) {
          const connection = yield* connect();
          connection.write(Buffer.from("GET /metr"));
          slow.push(connection);
        }
        yield* TestClock.adjust("1 second");
        assert.strictEqual((yield* Effect.flip(connect())).code, "ECONNRESET", "no room");
        yield* TestClock.adjust(METRICS_EXCHANGE_TIMEOUT);
        for (const connection of slow) {
          assert.notStrictEqual(connection.status, "open");
          connection.destroy();
        }
        yield* TestClock.adjust("1 second");
        assert.match(yield* ask(GET), /200 OK/);
        assert.strictEqual(network.connections(), 0);
      }),
    ),
  );

  it.effect("cuts off whoever takes the answer and does not close", () =>
    test(
      Effect.gen(function* () {
        const { connect, network } = yield* start();
        const connection = yield* connect();
        connection.write(Buffer.from(GET));
        yield* TestClock.adjust(Duration.sum(Duration.fromInputUnsafe(METRICS_EXCHANGE_TIMEOUT), Duration.seconds(1)));
        assert.match(readAll(connection), /200 OK/);
        connection.destroy();
        yield* TestClock.adjust("1 second");
        assert.strictEqual(network.connections(), 0);
      }),
    ),
  );

  it.effect("moves elsewhere, and stays where it is when it cannot", () =>
    test(
      Effect.gen(function* () {
        const { connect, ask, server, network } = yield* start();
        const elsewhere = { host: RELAY, port: 9036 };
        yield* server.configure({ ...OPEN, listen: elsewhere });
        assert.deepStrictEqual(server.endpoint(), elsewhere);
        assert.strictEqual((yield* Effect.flip(connect())).code, "ECONNREFUSED");
        const taken = { host: RELAY, port: 9037 };
        const other = yield* transportOf(network, RELAY);
        yield* other.listen(taken, { onConnection: (connection) => connection.destroy() });
        assert.strictEqual((yield* Effect.flip(server.configure({ ...OPEN, listen: taken }))).code, "EADDRINUSE");
        assert.deepStrictEqual(server.endpoint(), elsewhere);
        yield* server.configure(OPEN);
        assert.match(yield* ask(GET), /200 OK/);
        yield* server.configure(undefined);
        assert.isUndefined(server.endpoint());
        assert.strictEqual((yield* Effect.flip(connect())).code, "ECONNREFUSED");
      }),
    ),
  );
});
