import { authorityKeys, programKeys, programLimits, Values } from "@allium/cli";
import { fingerprint } from "@allium/netdoc";
import { Schema } from "effect";

const { byteSize, endpoint, flag, flagOrAuto, integer, oneOf, optional, path, readable, withDefault } = Values;

const port = integer(1, 65_535);
const relay = readable("a fingerprint of 40 hexadecimal digits", (text) => fingerprint(text.replace(/^\$/, "")));
const mebibyte = 1_048_576;
/** Below it a handful of streams would be too many. */
const minMemory = 16 * mebibyte;
const maxMemory = 1_048_576 * mebibyte;

/** The table `[isolation]`: by what streams of applications are kept apart. */
const IsolationSchema = Schema.Struct({
  client_address: withDefault(flag, true),
  credentials: withDefault(flag, true),
  protocol: withDefault(flag, false),
  destination: withDefault(flag, false),
  port: withDefault(flag, false),
});

/** The table `[paths]`: which relays may be in circuits. */
const PathsSchema = Schema.Struct({
  exclude: withDefault(Schema.Array(relay), []),
  exclude_exits: withDefault(Schema.Array(relay), []),
  distinct_subnets: optional(flag),
});

/** The table `[reachability]`: what a firewall lets through. */
const ReachabilitySchema = Schema.Struct({
  ipv4: withDefault(flag, true),
  ipv6: withDefault(flag, true),
  prefer: withDefault(oneOf(["ipv4", "ipv6"]), "ipv4"),
  ports: optional(Schema.Array(port)),
});

/** The table `[tunnels]`: how circuits are used. */
const TunnelsSchema = Schema.Struct({
  max_dirtiness: withDefault(integer(10, 2_592_000), 600),
  request_timeout: withDefault(integer(1, 3_600), 120),
  expected_ports: withDefault(Schema.Array(port), [443]),
});

/** The table `[conflux]`: whether streams are spread over several circuits. */
const ConfluxSchema = Schema.Struct({
  enabled: withDefault(flagOrAuto, "auto"),
  ux: withDefault(
    oneOf(["throughput", "latency", "throughput-low-memory", "latency-low-memory", "none"]),
    "throughput",
  ),
  resumption: withDefault(flag, false),
});

/** The table `[limits]`. */
const LimitsSchema = Schema.Struct({
  max_connections: withDefault(integer(1, 100_000), 2_000),
  max_streams: withDefault(integer(1, 100_000), 4_096),
  max_tunnels: withDefault(integer(1, 10_000), 256),
  max_memory: withDefault(byteSize(minMemory, maxMemory), "256 MiB"),
  ...programLimits,
});

/** The configuration file: every key, what it may hold, and its default. The README lists the same. */
export const ConfigFile = Schema.Struct({
  data_dir: path,
  socks_listen: withDefault(endpoint("127.0.0.1:9150"), "127.0.0.1:9150"),
  dns_listen: optional(endpoint("127.0.0.1:9153")),
  test_network: withDefault(flag, false),
  ...authorityKeys,
  reject_private: optional(flag),
  ...programKeys(10),
  isolation: withDefault(IsolationSchema, {}),
  paths: withDefault(PathsSchema, {}),
  reachability: withDefault(ReachabilitySchema, {}),
  tunnels: withDefault(TunnelsSchema, {}),
  conflux: withDefault(ConfluxSchema, {}),
  limits: withDefault(LimitsSchema, {}),
});

/** What the file says, with its defaults. */
export type ConfigFile = typeof ConfigFile.Type;
