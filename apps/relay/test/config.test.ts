import { readFileSync } from "node:fs";
import { knownKeys } from "@allium/cli";
import {
  defaultBandwidth,
  defaultConflux,
  defaultDirectory,
  defaultDos,
  defaultExit,
  defaultLimits,
  keyFileNames,
} from "@allium/relay";
import { NodeServices } from "@effect/platform-node";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { parse } from "smol-toml";
import { loadConfig } from "../src/config/load.ts";
import { ConfigFile } from "../src/config/schema.ts";
import { summarize } from "../src/config/summary.ts";
import { authorityLine, load, minimal } from "./support/config-text.ts";

const nearby = (name: string): string => readFileSync(new URL(`../${name}`, import.meta.url), "utf8");

describe("a configuration", () => {
  it.effect("needs five keys, and completes the rest", () =>
    Effect.gen(function* () {
      const { config, directory } = yield* load(minimal);
      const { authorities, ...relay } = config.relay;
      assert.deepStrictEqual(relay, {
        nickname: "Zwiebel",
        contact: undefined,
        dataDir: `${directory}/data`,
        orPort: { host: "127.0.0.1", port: 9101 },
        advertised: { host: "127.0.0.1", port: 9101 },
        testNetwork: true,
        family: [],
        bandwidth: defaultBandwidth,
        exit: defaultExit,
        directory: defaultDirectory,
        conflux: defaultConflux,
        limits: defaultLimits,
        dos: defaultDos,
      });
      assert.deepStrictEqual(
        authorities.map(({ name, v3Identity, download }) => ({ name, v3Identity, download })),
        [{ name: "auth1", v3Identity: "1".repeat(40), download: { host: "127.0.0.1", port: 7000 } }],
      );
      assert.deepStrictEqual(config.log, { level: "info", format: "logfmt" });
      assert.strictEqual(config.shutdownTimeoutMillis, 10_000);
      assert.deepStrictEqual(config.warnings, []);
    }),
  );

  it.effect("says everything that a relay can be told", () =>
    Effect.gen(function* () {
      const { config } = yield* load(
        `
        nickname = "Zwiebel"
        contact = "zwiebel@example.org"
        data_dir = "/var/lib/allium"
        or_port = "[::]:9101"
        address = "192.0.2.7"
        advertised_port = 443
        authorities_file = "authorities"
        family = ["$${"C".repeat(40)}", "Knoblauch"]
        shutdown_wait = 5
        log_level = "debug"
        log_format = "json"
        [bandwidth]
        rate = "10 MB"
        burst = 20000000
        [exit]
        enabled = true
        policy = ["accept *:80, accept *:443", "reject *:*"]
        reject_private = false
        ipv6 = true
        nameservers = ["127.0.0.1", "[::1]:5353"]
        resolv_conf = "/etc/other"
        [directory]
        cache = false
        extra_info = true
        [conflux]
        enabled = false
        max_sets = 7
        resumption = true
        [limits]
        max_connections = 4
        max_connections_per_address = 5
        max_circuits = 9
        max_outgoing_connections = 11
        max_streams = 10
        max_streams_per_circuit = 6
        stream_buffer = "512 KiB"
        max_train = 1
        max_memory = "64 MiB"
        shutdown_seconds = 3
        [dos]
        circuit_creation_enabled = true
        circuit_creation_min_connections = 1
        circuit_creation_rate = 2
        circuit_creation_burst = 3
        circuit_creation_defense_type = 1
        circuit_creation_defense_time_period = 0
        connection_enabled = false
        connection_max_concurrent_count = 5
        connection_defense_type = 2
        connection_connect_rate = 6
        connection_connect_burst = 7
        connection_connect_defense_time_period = 10
        stream_creation_enabled = true
        stream_creation_rate = 8
        stream_creation_burst = 9
        stream_creation_defense_type = 3
        [metrics]
        listen = "127.0.0.1:9035"
        policy = ["accept 192.0.2.0/24"]
        `,
        { authorities: `# of torrc\n${authorityLine("1")}\n\n${authorityLine("2", 7001)}\n` },
      );
      const { authorities, ...relay } = config.relay;
      assert.deepStrictEqual(
        authorities.map(({ name }) => name),
        ["auth1", "auth2"],
      );
      assert.deepStrictEqual(relay, {
        nickname: "Zwiebel",
        contact: "zwiebel@example.org",
        dataDir: "/var/lib/allium",
        orPort: { host: "::", port: 9101 },
        advertised: { host: "192.0.2.7", port: 443 },
        testNetwork: false,
        family: [`$${"C".repeat(40)}`, "Knoblauch"],
        bandwidth: { rate: 10_000_000, burst: 20_000_000, isLimit: true },
        exit: {
          enabled: true,
          policy: ["accept *:80, accept *:443", "reject *:*"],
          rejectPrivate: false,
          ipv6: true,
          nameServers: ["127.0.0.1", "[::1]:5353"],
          resolvConf: "/etc/other",
        },
        directory: { cache: false, extraInfo: true },
        conflux: { enabled: false, maxSets: 7, resumption: true },
        limits: {
          maxConnections: 4,
          maxOutgoingConnections: 11,
          maxConnectionsPerAddress: 5,
          maxCircuits: 9,
          maxStreams: 10,
          maxStreamsPerCircuit: 6,
          streamBufferBytes: 524_288,
          maxTrain: 1,
          maxMemoryBytes: 67_108_864,
        },
        dos: {
          circuitCreationEnabled: true,
          circuitCreationMinConnections: 1,
          circuitCreationRate: 2,
          circuitCreationBurst: 3,
          circuitCreationDefenseType: 1,
          circuitCreationDefenseTimePeriod: 0,
          connectionEnabled: false,
          connectionMaxConcurrentCount: 5,
          connectionDefenseType: 2,
          connectionConnectRate: 6,
          connectionConnectBurst: 7,
          connectionConnectDefenseTimePeriod: 10,
          streamCreationEnabled: true,
          streamCreationRate: 8,
          streamCreationBurst: 9,
          streamCreationDefenseType: 3,
        },
        metrics: { listen: { host: "127.0.0.1", port: 9035 }, policy: ["accept 192.0.2.0/24"] },
      });
      assert.deepStrictEqual(config.log, { level: "debug", format: "json" });
      assert.strictEqual(config.shutdownWaitMillis, 5_000);
      assert.strictEqual(config.shutdownTimeoutMillis, 3_000);
      assert.include(summarize(config), "memory        64 MiB for what waits\n");
      assert.include(summarize(config), "floods        circuit_creation_enabled = true, ");
      assert.include(summarize(config), "policy      accept *:80, accept *:443; reject *:*; then the default policy");
    }),
  );

  it.effect("is the example file, which has every key", () =>
    Effect.gen(function* () {
      const config = yield* loadConfig(new URL("../relay.example.toml", import.meta.url).pathname);
      assert.deepStrictEqual(config.warnings, []);
      assert.strictEqual(config.relay.nickname, "MyRelay");
      assert.deepStrictEqual(config.relay.limits, defaultLimits);
      assert.deepStrictEqual(config.relay.exit, defaultExit);

      // With every example taken for earnest it says all that there is to say.
      const { authorities_file, ...all } = parse(nearby("relay.example.toml").replace(/^# (?=\w+ = )/gm, ""));
      assert.strictEqual(authorities_file, "authorities");
      const keys = knownKeys(ConfigFile)[""]?.filter((key) => key !== "authorities_file");
      assert.sameMembers(Object.keys(all), [...(keys ?? [])]);
      for (const table of ["exit", "limits", "dos", "metrics"])
        assert.sameMembers(Object.keys(all[table] as object), [...(knownKeys(ConfigFile)[table] ?? [])], table);
    }).pipe(Effect.provide(NodeServices.layer)),
  );

  it("is described in the README, key by key", () => {
    const described = [...nearby("README.md").matchAll(/^\| `([a-z0-9_.]+)` +\|/gm)].map(([, key]) => key as string);
    const tables = ["bandwidth", "exit", "directory", "conflux", "limits", "dos", "metrics"];
    const known = (knownKeys(ConfigFile)[""] ?? []).filter((key) => !tables.includes(key));
    const nested = tables.flatMap((table) => (knownKeys(ConfigFile)[table] ?? []).map((key) => `${table}.${key}`));
    const files = Object.values(keyFileNames) as ReadonlyArray<string>;
    assert.sameMembers(
      described.filter((name) => !files.includes(name)),
      [...known, ...nested],
    );
    assert.includeMembers(described, [...files]);
  });
});
