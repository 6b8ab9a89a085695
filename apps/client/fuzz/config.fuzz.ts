import assert from "node:assert/strict";
import {
  type ConfigReader,
  drawConfig,
  type KeyValues,
  perhapsBent,
  readBent,
  writeConfig,
} from "../../../test/support/config-fuzz.ts";
import type { FuzzTarget } from "../../../test/support/fuzz.ts";
import { loadConfig, type ProgramConfig } from "../src/config/load.ts";
import { summarize } from "../src/config/summary.ts";

const hex = (digit: string): string => digit.repeat(40);
const authority = `DirAuthority auth1 orport=5000 no-v2 v3ident=${hex("1")} 127.0.0.1:7000 ${hex("A")}`;

const values: KeyValues = {
  data_dir: ['"data"', '"/var/lib/allium"', '""', "7"],
  socks_listen: ['"127.0.0.1:9150"', '"[::1]:9150"', '"0.0.0.0:9150"', '"9150"', '"localhost:1"'],
  dns_listen: ['"127.0.0.1:9153"', '"127.0.0.1:0"', "53"],
  test_network: ["true", "false", '"yes"'],
  authorities: [`["${authority}"]`, "[]", '["DirAuthority"]', `["${authority}", "${authority}"]`],
  authorities_file: ['"authorities"', '"nowhere"'],
  reject_private: ["true", "false", "0"],
  log_level: ['"debug"', '"loud"'],
  log_format: ['"json"', '"xml"'],
  shutdown_wait: ["10", "-1", "nan"],
  "isolation.credentials": ["true", "false", '"no"'],
  "isolation.port": ["true", "[]"],
  "isolation.__proto__": ["1"],
  "paths.exclude": [`["${hex("C")}", "$${hex("d")}"]`, '["Zwiebel"]', '"all"'],
  "paths.exclude_exits": [`["${hex("E")}"]`, "[1]"],
  "paths.distinct_subnets": ["true", "1"],
  "reachability.ipv4": ["true", "false"],
  "reachability.ipv6": ["true", "false"],
  "reachability.prefer": ['"ipv6"', '"both"'],
  "reachability.ports": ["[80, 443]", "[]", "[0]", "[80.5]"],
  "tunnels.max_dirtiness": ["600", "9", "inf"],
  "tunnels.request_timeout": ["120", "0"],
  "tunnels.expected_ports": ["[443]", "[]", '["https"]'],
  "conflux.enabled": ['"auto"', "true", "false", '"always"', "1"],
  "conflux.resumption": ["true", "false", "1"],
  "conflux.ux": ['"latency"', '"none"', '"fast"', "true"],
  "limits.max_connections": ["2000", "0"],
  "limits.max_memory": ['"256 MiB"', '"1 B"', "1979-05-27T07:32:00Z"],
  "limits.shutdown_seconds": ["10", "3601"],
  "socks-listen": ['"127.0.0.1:9150"'],
};

/** What holds for every configuration that a client is run with. */
const checkConfig = (config: ProgramConfig): void => {
  const { client, socksListen, dnsListen } = config;
  assert(client.dataDir.startsWith("/"), "the data directory depends on where the program runs");
  for (const endpoint of [socksListen, ...(dnsListen === undefined ? [] : [dnsListen])])
    assert(endpoint.port >= 1 && endpoint.port <= 65_535);
  assert(client.authorities === undefined ? client.testNetwork === false : client.authorities.length > 0);
  for (const relay of [...(client.paths?.exclude ?? []), ...(client.paths?.excludeExits ?? [])])
    assert.match(relay, /^[0-9A-F]{40}$/);
  assert(client.reachability?.ipv4 === true || client.reachability?.ipv6 === true, "nobody can be reached");
  assert(client.reachability?.ports?.size !== 0);
  for (const time of [config.shutdownWaitMillis, config.shutdownTimeoutMillis]) assert(Number.isSafeInteger(time));
  assert(summarize(config).includes(client.dataDir));
};

const reader: ConfigReader<ProgramConfig> = { file: "client.toml", load: loadConfig, check: checkConfig };

export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "client configuration",
    run: (random) => {
      const sample = writeConfig(random, drawConfig(random, values, ["data_dir", "authorities"]));
      readBent(reader, { config: perhapsBent(random, sample), authorities: authority });
    },
  },
];
