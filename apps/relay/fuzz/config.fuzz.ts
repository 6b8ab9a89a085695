import assert from "node:assert/strict";
import { isIPv4 } from "node:net";
import { parsePolicyRules } from "@allium/netdoc";
import { dosParams, exitPolicyOf } from "@allium/relay";
import {
  type ConfigReader,
  drawConfig,
  type KeyValues,
  perhapsBent,
  readBent,
  writeConfig,
} from "../../../test/support/config-fuzz.ts";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { loadConfig, type ProgramConfig } from "../src/config/load.ts";
import { summarize } from "../src/config/summary.ts";

const hex = (digit: string): string => digit.repeat(40);

/** Lines of `DirAuthority`, right and wrong ones. */
const authorityLines = [
  `DirAuthority auth1 orport=5000 no-v2 v3ident=${hex("1")} 127.0.0.1:7000 ${hex("A")}`,
  `DirAuthority auth2 orport=5000 ipv6=[::1]:5001 v3ident=${hex("2")} 127.0.0.1:7001 ${"BBBB ".repeat(10)}`,
  `auth3 upload=http://10.0.0.1:80/ download=http://[::1]:80 weight=1.0 v3ident=${hex("3")} 192.0.2.1:7 ${hex("c")}`,
  `DirAuthority bridge orport=5000 bridge 127.0.0.1:7002 ${hex("D")}`,
  `DirAuthority auth1 v3ident=12 127.0.0.1:1 ${hex("E")}`,
  "DirAuthority",
  "# nobody",
  "",
];

const values: KeyValues = {
  nickname: ['"Zwiebel"', '"my relay"', '""', "7"],
  contact: ['"me <me@example.org>"', '"zwei\\nZeilen"', '"\\u0000"', '"""\nme\n"""'],
  data_dir: ['"data"', '"/var/lib/allium"', '"../.."', "'\\'"],
  or_port: ['"127.0.0.1:9101"', '"[::]:9101"', '"0.0.0.0:1"', '"localhost:9"', '"127.0.0.1:0"', "9101"],
  address: ['"192.0.2.7"', '"0.0.0.0"', '"::1"', '"127.0.0.1"', '"1.2.3"'],
  advertised_port: ["443", "0", "65536", "4.5", "0x1bb", "1e3"],
  test_network: ["true", "false", '"yes"'],
  authorities_file: ['"authorities"', '"nowhere"', '""'],
  family: ["[]", `["$${hex("C")}", "Knoblauch"]`, '["$12"]', '"all"', `["$${hex("c")}~Zwiebel"]`],
  log_level: ['"debug"', '"loud"', "info"],
  log_format: ['"json"', '"logfmt"', '"xml"'],
  shutdown_wait: ["30", "0", "-1", "86401", "inf", "nan"],
  "bandwidth.rate": ['"10 MB"', "100000", '"-1 MB"', '"1e400 GB"', '"10 parsecs"', "9007199254740993"],
  "bandwidth.burst": ['"20 MB"', "76800", '"0.5 MiB"', "1.5"],
  "exit.enabled": ["true", "false", "1"],
  "exit.policy": [
    '["accept *:80, accept *:443", "reject *:*"]',
    '["reject private:*"]',
    '[\n  "accept *:80",\n  "accept6 [2001:db8::]/32:1-65535", # one\n  "reject *:70000",\n]',
    '["accept 192.0.2.0/33:*", "acept *:*"]',
    '"accept *:*"',
  ],
  "exit.reject_private": ["false", "true"],
  "exit.ipv6": ["true", "0"],
  "exit.nameservers": ['["127.0.0.1", "[::1]:5353"]', '["localhost"]', "[]", "[[]]"],
  "exit.resolv_conf": ['"/etc/other"', "true"],
  "directory.cache": ["false", "true"],
  "directory.extra_info": ["true", "[]"],
  "conflux.enabled": ['"auto"', "true", '"always"', "1"],
  "conflux.max_sets": ["1", "0", "8192"],
  "conflux.resumption": ["true", "false", "1"],
  "limits.max_connections": ["4", "0", "1000001"],
  "limits.stream_buffer": ['"512 KiB"', '"1 B"', '"1 GiB"'],
  "limits.max_train": ["1", "256", "257"],
  "limits.max_memory": ['"1 GiB"', '"16 MiB"', '"1 MiB"', "1979-05-27T07:32:00Z"],
  "limits.shutdown_seconds": ["1", "0", "3601"],
  "dos.circuit_creation_enabled": ["true", "auto"],
  "dos.circuit_creation_burst": ["90", "0", "2147483648"],
  "dos.connection_defense_type": ["1", "2", "3"],
  "dos.connection_connect_defense_time_period": ["10", "9"],
  "dos.stream_creation_defense_type": ["3", "4"],
  "metrics.listen": ['"127.0.0.1:9035"', '"[::1]:9035"', '"9035"'],
  "metrics.policy": ['["accept 192.0.2.0/24"]', '["accept *:*, reject 1"]', '["allow *"]'],
  "or-port": ['"127.0.0.1:9101"'],
  "limits.__proto__": ["{ polluted = true }"],
  "exit.__proto__": ["1"],
};
const required = ["nickname", "data_dir", "or_port"];

/** A file with some keys, and with authorities, one of which is right in one file of two. */
const writeRelayConfig = (random: Random): string => {
  const drawn = drawConfig(random, values, required);
  const lines = Array.from({ length: 1 + random.below(3) }, () => random.pick(authorityLines));
  if (drawn.mostlyRight && !drawn.has("authorities_file")) drawn.add(`authorities = ["${authorityLines[0]}"]`);
  else if (random.oneIn(2)) drawn.add(`authorities = [\n${lines.map((line) => `  "${line}",\n`).join("")}]`);
  if (drawn.mostlyRight) drawn.add("test_network = true");
  return writeConfig(random, drawn);
};

const text = (random: Random, sample: string): string =>
  random.oneIn(50) ? random.bytes(random.below(200)).toString("latin1") : perhapsBent(random, sample);

/** What holds for every configuration that a relay is run with. */
const checkConfig = (config: ProgramConfig): void => {
  const { relay } = config;
  assert.match(relay.nickname, /^[A-Za-z0-9]{1,19}$/);
  assert(relay.dataDir.startsWith("/"), "the data directory depends on where the program runs");
  assert(isIPv4(relay.advertised.host) && relay.advertised.host !== "0.0.0.0");
  for (const { port } of [relay.orPort, relay.advertised]) assert(port >= 1 && port <= 65_535);
  assert(relay.authorities.length > 0, "nobody to trust");
  assert(relay.bandwidth.burst >= relay.bandwidth.rate && relay.bandwidth.rate > 0);
  // "Already checked to be well formed": these throw if it is not.
  exitPolicyOf(relay);
  for (const rule of relay.metrics?.policy ?? []) parsePolicyRules(rule);
  const { circuits, connections, streams } = dosParams(() => undefined, relay.dos);
  for (const { rate, burst, defense } of [circuits, connections, streams])
    assert(rate >= 1 && burst >= 1 && defense !== undefined);
  for (const time of [config.shutdownWaitMillis, config.shutdownTimeoutMillis]) assert(Number.isSafeInteger(time));
  assert(summarize(config).includes(relay.nickname));
};

const reader: ConfigReader<ProgramConfig> = { file: "relay.toml", load: loadConfig, check: checkConfig };

export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "relay configuration",
    run: (random) => {
      const config = text(random, writeRelayConfig(random));
      const authorities = text(random, random.pick(authorityLines));
      readBent(reader, { config, authorities });
    },
  },
];
