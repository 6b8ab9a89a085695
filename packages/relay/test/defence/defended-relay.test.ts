import { Transport } from "@allium/channel";
import { Metrics } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Context, Effect, Layer, Logger } from "effect";
import { TestClock } from "effect/testing";
import { defaultLimits, machineMemory, memoryLimitFor } from "../../src/index.ts";
import { platform, RELAY, startTestRelay } from "../support/test-relay.ts";

const CLIENT = "198.51.100.9";
const OTHER = "198.51.100.10";
const REFUSED = "connections were refused, since their addresses have too many open or open them too fast";

/** What was logged, with how often it has happened. */
const makeLog = () => {
  const lines: Array<readonly [level: string, text: string]> = [];
  const logger = Logger.make(({ logLevel, message }) => {
    lines.push([logLevel, [message].flat().join(" ")]);
  });
  return { lines, layer: Logger.layer([logger]) };
};

const figure = (name: string, label: string) =>
  Effect.map(
    Metrics.collect,
    (families) =>
      families
        .find((family) => family.name === name)
        ?.samples.find(({ labels }) => Object.values(labels ?? {}).includes(label))?.value,
  );

describe("a relay", () => {
  it.effect("refuses connections of an address as its operator says, counts them, and logs them once", () => {
    const log = makeLog();
    return Effect.gen(function* () {
      const { relay, network, config } = yield* startTestRelay({
        dos: { connectionEnabled: true, connectionMaxConcurrentCount: 2 },
      });
      const at = (host: string) => Effect.map(Layer.build(network.host(host)), Context.get(Transport));
      const connectFrom = (host: string) =>
        Effect.flatMap(at(host), (transport) =>
          Effect.exit(transport.connect({ host: RELAY, port: 9001 }, { tls: true })),
        );
      const attempts: Array<string> = [];
      for (let count = 0; count < 5; count++) attempts.push((yield* connectFrom(CLIENT))._tag);
      // One more than the parameter says, as with `tor`.
      assert.deepStrictEqual(attempts, ["Success", "Success", "Success", "Failure", "Failure"]);
      assert.strictEqual((yield* connectFrom(OTHER))._tag, "Success");
      yield* TestClock.adjust("1 second");
      assert.deepStrictEqual(
        log.lines.filter(([, text]) => text === REFUSED),
        [["Info", REFUSED]],
      );
      assert.strictEqual(yield* figure("tor_relay_dos_total", "concurrent_conn_rejected"), 2);
      assert.strictEqual(yield* figure("allium_connections_refused_total", "notAdmitted"), 2);
      // Until the operator changes their mind, without a restart.
      assert.deepStrictEqual((yield* relay.reload({ ...config, dos: {} })).changed, ["dos"]);
      assert.strictEqual((yield* connectFrom(CLIENT))._tag, "Success");
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(platform, log.layer)));
  });

  it.effect("holds as much as its operator says, or as fits the machine", () =>
    Effect.gen(function* () {
      const own = yield* startTestRelay({ limits: { ...defaultLimits, maxMemoryBytes: 64_000_000 } });
      assert.strictEqual(own.relay.defences.quota.limit, 64_000_000);
      const families = yield* Metrics.collect;
      assert.deepStrictEqual(families.find(({ name }) => name === "allium_memory_limit_bytes")?.samples, [
        { value: 64_000_000 },
      ]);
    }).pipe(Effect.scoped, Effect.provide(platform)),
  );

  it.effect("takes tor's share of the machine if its operator says nothing", () =>
    Effect.gen(function* () {
      const { relay, config } = yield* startTestRelay();
      assert.strictEqual(relay.defences.quota.limit, memoryLimitFor(machineMemory()));
      // Until they do.
      const limits = { ...defaultLimits, maxMemoryBytes: 64_000_000 };
      const report = yield* relay.reload({ ...config, limits });
      assert.deepStrictEqual(report, { changed: ["limits.max_memory"], kept: [] });
      assert.strictEqual(relay.defences.quota.limit, 64_000_000);
      assert.deepStrictEqual(relay.config().limits, limits);
    }).pipe(Effect.scoped, Effect.provide(platform)),
  );

  it.effect("ends whoever holds the oldest bytes when there are too many, and warns once", () => {
    const log = makeLog();
    return Effect.gen(function* () {
      const { relay } = yield* startTestRelay({ limits: { ...defaultLimits, maxMemoryBytes: 1_000 } });
      const { quota, counts } = relay.defences;
      const ended: Array<string> = [];
      const hold = (name: string, bytes: number) => {
        const account = quota.open(
          { name, policy: "queue" },
          {
            oldest: () => place,
            reclaim: () => {
              ended.push(name);
              account.close();
            },
          },
        );
        const place = account.adjust(bytes);
      };
      hold("first", 400);
      hold("second", 400);
      hold("third", 300);
      yield* TestClock.adjust(0);
      assert.deepStrictEqual(ended, ["first"]);
      hold("fourth", 400);
      yield* TestClock.adjust(0);
      assert.deepStrictEqual(ended, ["first", "second"]);
      assert.strictEqual(counts().shortages, 2);
      const warnings = log.lines.filter(([level]) => level === "Warn");
      assert.deepStrictEqual(warnings, [
        [
          "Warn",
          "the memory for what waits has run out: circuits with the oldest bytes were ended. See limits.max_memory",
        ],
      ]);
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(platform, log.layer)));
  });
});
