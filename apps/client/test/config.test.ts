import { readFileSync } from "node:fs";
import { knownKeys } from "@allium/cli";
import { NodeServices } from "@effect/platform-node";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { loadConfig } from "../src/config/load.ts";
import { ConfigFile } from "../src/config/schema.ts";
import { summarize } from "../src/config/summary.ts";
import { authorityLine, load, minimal, mistakes } from "./support/config-text.ts";

const nearby = (name: string): string => readFileSync(new URL(`../${name}`, import.meta.url), "utf8");

/** The tables of the file. */
const tables = ["isolation", "paths", "reachability", "tunnels", "conflux", "limits"];

describe("a mistake in a configuration names file, line and key", () => {
  const cases: ReadonlyArray<readonly [what: string, text: string, ...mistakes: ReadonlyArray<string>]> = [
    ["no TOML", "data_dir = data\n", "client.toml:1: column 12: invalid value"],
    [
      "no data directory",
      minimal.replace('data_dir = "data"', ""),
      "client.toml: data_dir: it is missing, and there is no default",
    ],
    [
      "a port alone",
      minimal.replace("127.0.0.1:9150", "9150"),
      'client.toml:2: socks_listen: expected an IP address and a port, as in "127.0.0.1:9150", got "9150"',
    ],
    [
      "a name of tor's",
      `SocksPort = 9150\n${minimal}`,
      "client.toml:1: SocksPort: there is no such key; the keys here are data_dir, socks_listen, dns_listen, test_network, " +
        "authorities, authorities_file, reject_private, log_level, log_format, shutdown_wait, isolation, paths, reachability, " +
        "tunnels, conflux, limits",
    ],
    [
      "nobody to trust",
      minimal.replace(/authorities.*\n/, ""),
      "client.toml: authorities: it is missing: give DirAuthority lines here, or in a file that authorities_file names",
    ],
    [
      "a relay by its nickname",
      `${minimal}[paths]\nexclude = ["Zwiebel"]\n`,
      'client.toml:6: paths.exclude[1]: expected a fingerprint of 40 hexadecimal digits, got "Zwiebel"',
    ],
    [
      "a firewall that lets nothing through",
      `${minimal}[reachability]\nports = []\nipv4 = false\nipv6 = false\n`,
      "client.toml:8: reachability.ipv6: without ipv4 and ipv6 no relay can be reached",
      "client.toml:6: reachability.ports: without a port no relay can be reached",
    ],
    [
      "a word for conflux that is none",
      `${minimal}[conflux]\nenabled = "always"\n`,
      'client.toml:6: conflux.enabled: expected true, false or "auto", got "always"',
    ],
    [
      "a wish of conflux that is none",
      `${minimal}[conflux]\nux = "fast"\n`,
      'client.toml:6: conflux.ux: expected "throughput", "latency", "throughput-low-memory", "latency-low-memory", "none", got "fast"',
    ],
    [
      "a table that is none, and a key misspelled",
      `${minimal}[isolaton]\n[limits]\nmax_conections = 1\n`,
      'client.toml:5: isolaton: there is no such key; did you mean "isolation"?',
      'client.toml:7: limits.max_conections: there is no such key; did you mean "max_connections"?',
    ],
  ];
  for (const [what, text, ...expected] of cases)
    it.effect(what, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* mistakes(text), expected);
      }),
    );

  it.effect("in the file of authorities too", () =>
    Effect.gen(function* () {
      const text = minimal.replace(/authorities.*\n/, 'authorities_file = "lines"\n');
      const [problem = ""] = yield* mistakes(text, { lines: `${authorityLine("1")}\nDirAuthority nonsense\n` });
      assert.match(problem, /^lines:2: /);
    }),
  );
});

describe("a configuration that says little", () => {
  it.effect("has the defaults, and its paths beside it", () =>
    Effect.gen(function* () {
      const { config, directory } = yield* load(minimal);
      assert.strictEqual(config.client.dataDir, `${directory}/data`);
      assert.deepStrictEqual(config.socksListen, { host: "127.0.0.1", port: 9150 });
      assert.isUndefined(config.dnsListen);
      assert.deepStrictEqual(config.isolation, {
        clientAddress: true,
        credentials: true,
        protocol: false,
        destination: false,
        port: false,
      });
      assert.deepInclude(config.client.tunnels, { maxDirtinessMillis: 600_000, requestTimeoutMillis: 120_000 });
      assert.strictEqual(config.client.maxMemoryBytes, 256 * 1_048_576);
      assert.deepStrictEqual(config.warnings, []);
      assert.include(summarize(config), "proxy at      127.0.0.1:9150");
    }),
  );

  it.effect("trusts the authorities of the public network, if it is not a test network", () =>
    Effect.gen(function* () {
      const { config } = yield* load('data_dir = "data"\n');
      assert.isUndefined(config.client.authorities);
      assert.include(summarize(config), "authorities   those of the public network");
    }),
  );

  it.effect("may name relays with or without a dollar", () =>
    Effect.gen(function* () {
      const { config } = yield* load(`${minimal}[paths]\nexclude = ["$${"c".repeat(40)}", "${"D".repeat(40)}"]\n`);
      assert.deepStrictEqual(config.client.paths?.exclude, new Set(["C".repeat(40), "D".repeat(40)]));
    }),
  );
});

describe("a configuration that is fine, and not wise", () => {
  const cases: ReadonlyArray<readonly [what: string, text: string, warning: string]> = [
    ["lets others use it", minimal.replace("127.0.0.1:9150", "0.0.0.0:9150"), "client.toml:2: socks_listen: whoever"],
    ["mixes identities", `${minimal}[isolation]\ncredentials = false\n`, "client.toml:6: isolation.credentials: "],
    [
      "tells exits of one's own network",
      `reject_private = false\n${minimal.replace("true", "false")}`,
      "client.toml:1: reject_private: ",
    ],
  ];
  for (const [what, text, warning] of cases)
    it.effect(what, () =>
      Effect.gen(function* () {
        const { config, directory } = yield* load(text);
        assert.lengthOf(config.warnings, 1);
        assert.include(config.warnings[0]?.replaceAll(`${directory}/`, ""), warning);
      }),
    );
});

describe("conflux", () => {
  it.effect.each([
    ["", { enabled: "auto", ux: "throughput", resumption: false }, "if the consensus enables it, for throughput"],
    [
      "enabled = true",
      { enabled: true, ux: "throughput", resumption: false },
      "whatever the consensus says, for throughput",
    ],
    [
      'enabled = "auto"\nux = "none"',
      { enabled: "auto", ux: "none", resumption: false },
      "if the consensus enables it, without a wish",
    ],
    [
      'ux = "latency-low-memory"',
      { enabled: "auto", ux: "latency-low-memory", resumption: false },
      "if the consensus enables it, for latency-low-memory",
    ],
    [
      "resumption = true",
      { enabled: "auto", ux: "throughput", resumption: true },
      "if the consensus enables it, for throughput, and past the loss of a circuit where exits can",
    ],
    [
      "enabled = false",
      { enabled: false, ux: "throughput", resumption: false },
      "no: each stream goes through one circuit",
    ],
  ] as const)("is what it is said to be: %j", ([said, expected, words]) =>
    Effect.gen(function* () {
      const { config } = yield* load(`${minimal}[conflux]\n${said}\n`);
      assert.deepStrictEqual(config.client.conflux, expected);
      assert.deepStrictEqual(config.warnings, []);
      assert.include(summarize(config), words);
    }),
  );
});

describe("every key", () => {
  const known = knownKeys(ConfigFile);

  it.effect("is in the example file", () =>
    Effect.gen(function* () {
      const config = yield* loadConfig(new URL("../client.example.toml", import.meta.url).pathname);
      assert.deepStrictEqual(config.warnings, []);
      // With every example taken for earnest it says all that there is to say.
      const text = nearby("client.example.toml")
        .replace(/^# (?=\w+ = )/gm, "")
        .replace(/^authorities_file.*\n/m, "");
      const { config: all } = yield* load(text);
      assert.deepStrictEqual(all.client.reachability?.ports, new Set([80, 443]));
      const said = [...nearby("client.example.toml").matchAll(/^(?:# )?(\w+) = |^\[(\w+)\]/gm)].map(
        ([, key, table]) => key ?? table,
      );
      const keys = Object.values(known).flat();
      assert.sameMembers(said, [...keys]);
    }).pipe(Effect.provide(NodeServices.layer)),
  );

  it("is described in the README", () => {
    const described = [...nearby("README.md").matchAll(/^\| `([a-z0-9_.]+)` +\|/gm)].map(([, key]) => key as string);
    const top = (known[""] ?? []).filter((key) => !tables.includes(key));
    const nested = tables.flatMap((table) => (known[table] ?? []).map((key) => `${table}.${key}`));
    assert.sameMembers(described, [...top, ...nested]);
  });
});
