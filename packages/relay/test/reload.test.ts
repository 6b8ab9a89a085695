import { Transport } from "@allium/channel";
import { Metrics } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Context, Effect, Layer } from "effect";
import { TestClock } from "effect/testing";
import { defaultExit, defaultLimits, RelayConfigError } from "../src/index.ts";
import { planReload } from "../src/settings.ts";
import { platform, RELAY, startTestRelay, untilPublished } from "./support/test-relay.ts";

const lineOf = (descriptor: string | undefined, keyword: string): string | undefined =>
  descriptor?.split("\n").find((line) => line.startsWith(`${keyword} `));

describe("a start", () => {
  it.effect("without authorities is refused: there would be nobody to ask", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(startTestRelay({ authorities: [] }));
      assert.instanceOf(error, RelayConfigError);
      assert.deepInclude(error, { key: "authorities" });
    }).pipe(Effect.provide(platform)),
  );
});

describe("a reload", () => {
  it.effect("changes what can change, and tells the authorities", () =>
    Effect.gen(function* () {
      const { relay, descriptors, config } = yield* startTestRelay();
      yield* untilPublished;
      assert.strictEqual(lineOf(descriptors.at(-1), "contact"), "contact before@example.org");
      assert.strictEqual(lineOf(descriptors.at(-1), "reject"), "reject *:*");
      const before = descriptors.length;

      const report = yield* relay.reload({
        ...config,
        nickname: "Lauch",
        contact: "after@example.org",
        family: [`$${"B".repeat(40)}`],
        advertised: { host: "198.51.100.77", port: 443 },
        bandwidth: { rate: 200_000, burst: 400_000, isLimit: true },
        exit: { ...defaultExit, enabled: true, policy: ["accept *:80", "reject *:*"] },
        dos: { connectionEnabled: true },
      });
      assert.deepStrictEqual(report, {
        changed: ["nickname", "contact", "address", "family", "bandwidth", "exit", "dos"],
        kept: [],
      });
      yield* untilPublished;
      assert.isAbove(descriptors.length, before);
      const after = descriptors.at(-1);
      assert.strictEqual(lineOf(after, "contact"), "contact after@example.org");
      assert.strictEqual(lineOf(after, "router"), "router Lauch 198.51.100.77 443 0 0");
      assert.strictEqual(lineOf(after, "family"), `family $${"B".repeat(40)}`);
      assert.match(lineOf(after, "bandwidth") ?? "", /^bandwidth 200000 400000 /);
      assert.strictEqual(lineOf(after, "accept"), "accept *:80");
      assert.strictEqual(relay.config().contact, "after@example.org");
    }).pipe(Effect.provide(platform)),
  );

  it.effect("keeps what is built in at the start, and names it", () =>
    Effect.gen(function* () {
      const { relay, descriptors, config } = yield* startTestRelay();
      yield* untilPublished;
      const before = descriptors.length;
      const report = yield* relay.reload({
        ...config,
        dataDir: "/elsewhere",
        orPort: { host: RELAY, port: 9999 },
        testNetwork: false,
        authorities: [],
        directory: { cache: false, extraInfo: false },
        limits: { ...defaultLimits, maxTrain: 1 },
      });
      assert.deepStrictEqual(report, {
        changed: [],
        kept: ["data_dir", "or_port", "test_network", "authorities", "directory", "limits"],
      });
      assert.deepStrictEqual(relay.config(), config);
      yield* untilPublished;
      assert.strictEqual(descriptors.length, before, "nothing that others would have to know");
    }).pipe(Effect.provide(platform)),
  );

  it.effect("of what cannot be used leaves everything as it was", () =>
    Effect.gen(function* () {
      const { relay, network, config } = yield* startTestRelay({ metrics: { listen: { host: RELAY, port: 9035 } } });
      const taken = { host: RELAY, port: 9036 };
      const other = Context.get(yield* Layer.build(network.host(RELAY)), Transport);
      yield* other.listen(taken, { onConnection: (connection) => connection.destroy() });

      const wrong = { ...config, contact: "other", metrics: undefined };
      const badPolicy = { ...wrong, exit: { ...defaultExit, enabled: true, policy: ["allow"] } };
      const first = yield* Effect.flip(relay.reload(badPolicy));
      assert.instanceOf(first, RelayConfigError);
      assert.deepInclude(first, { key: "exit.policy" });
      const noFile = { ...wrong, exit: { ...defaultExit, enabled: true, resolvConf: "/no/such/file" } };
      assert.deepInclude(yield* Effect.flip(relay.reload(noFile)), { key: "exit.resolv_conf" });
      const noPort = { ...wrong, metrics: { listen: taken } };
      assert.deepInclude(yield* Effect.flip(relay.reload(noPort)), { _tag: "TransportError", code: "EADDRINUSE" });

      assert.deepStrictEqual(relay.config(), config);
      assert.deepStrictEqual(relay.metricsEndpoint(), { host: RELAY, port: 9035 });
    }).pipe(Effect.provide(platform)),
  );

  it.effect("moves the metrics page", () =>
    Effect.gen(function* () {
      const { relay, config } = yield* startTestRelay();
      assert.isUndefined(relay.metricsEndpoint());
      const listen = { host: RELAY, port: 9035 };
      assert.deepStrictEqual(yield* relay.reload({ ...config, metrics: { listen } }), {
        changed: ["metrics"],
        kept: [],
      });
      assert.deepStrictEqual(relay.metricsEndpoint(), listen);
      assert.deepStrictEqual((yield* relay.reload(config)).changed, ["metrics"]);
      assert.isUndefined(relay.metricsEndpoint());
    }).pipe(Effect.provide(platform)),
  );

  it.effect("that changes nothing says so", () =>
    Effect.gen(function* () {
      const { config } = yield* startTestRelay();
      // As from a file that was read again: equal, and another object.
      const again = {
        ...config,
        exit: { ...config.exit, policy: [...config.exit.policy] },
        family: [...config.family],
      };
      assert.deepInclude(planReload(config, again), { changed: [], kept: [], isPublished: false });
    }).pipe(Effect.provide(platform)),
  );
});

describe("a relay's figures", () => {
  it.effect("have tor's names, and are there from the start until its end", () =>
    Effect.gen(function* () {
      const names = yield* Effect.scoped(
        Effect.gen(function* () {
          yield* startTestRelay();
          yield* TestClock.adjust("1 minute");
          return (yield* Metrics.collect).map(({ name }) => name);
        }),
      );
      assert.includeMembers(names, [
        "tor_relay_connections",
        "tor_relay_connections_total",
        "tor_relay_traffic_bytes",
        "tor_relay_streams_total",
        "tor_relay_circuits_total",
        "tor_relay_flag",
        "tor_relay_exit_dns_query_total",
        "tor_relay_exit_dns_error_total",
        "tor_relay_load_onionskins_total",
        "tor_relay_load_global_rate_limit_reached_total",
        "tor_relay_load_tcp_exhaustion_total",
        "tor_relay_congestion_control_total",
        "tor_relay_signing_cert_expiry_timestamp",
        "allium_reactors",
        "allium_links",
        "allium_task_restarts",
      ]);
      assert.deepStrictEqual(yield* Metrics.collect, []);
    }).pipe(Effect.provide(platform)),
  );
});
