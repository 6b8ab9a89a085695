import { authorityKeys, programKeys, programLimits, Values } from "@allium/cli";
import { familyMember, nickname } from "@allium/netdoc";
import { defaultConflux, defaultDirectory, defaultExit, defaultLimits } from "@allium/relay";
import { Schema } from "effect";
import { accessRule, policyRule } from "./policy-values.ts";

const { byteSize, endpoint, flag, flagOrAuto, integer, ipv4, line, nameServer, optional, path, readable, withDefault } =
  Values;

const port = integer(1, 65_535);

/** The least that `tor`'s authorities let a relay announce, in bytes a second. */
const minBandwidth = 75 * 1_024;
/** The largest number of a descriptor's bandwidth. */
const maxBandwidth = 0x7fff_ffff;
const mebibyte = 1_048_576;

/** The table `[exit]`. */
const ExitSchema = Schema.Struct({
  enabled: withDefault(flag, defaultExit.enabled),
  policy: withDefault(Schema.Array(policyRule), defaultExit.policy),
  reject_private: withDefault(flag, defaultExit.rejectPrivate),
  ipv6: withDefault(flag, defaultExit.ipv6),
  nameservers: withDefault(Schema.Array(nameServer), defaultExit.nameServers),
  resolv_conf: withDefault(path, defaultExit.resolvConf),
});

/** The table `[directory]`. */
const DirectorySchema = Schema.Struct({
  cache: withDefault(flag, defaultDirectory.cache),
  extra_info: withDefault(flag, defaultDirectory.extraInfo),
});

/** The table `[conflux]`. */
const ConfluxSchema = Schema.Struct({
  enabled: withDefault(flagOrAuto, defaultConflux.enabled),
  max_sets: withDefault(integer(1, 1_000_000), defaultConflux.maxSets),
  resumption: withDefault(flag, defaultConflux.resumption),
});

/** The table `[bandwidth]`. */
const BandwidthSchema = Schema.Struct({
  rate: optional(byteSize(minBandwidth, maxBandwidth)),
  burst: optional(byteSize(minBandwidth, maxBandwidth)),
});

/** The least that may wait altogether: below it a handful of circuits would be too many. */
const minMemory = 16 * mebibyte;
const maxMemory = 1_048_576 * mebibyte;

/** The table `[limits]`. */
const LimitsSchema = Schema.Struct({
  max_connections: withDefault(integer(1, 1_000_000), defaultLimits.maxConnections),
  max_outgoing_connections: withDefault(integer(1, 1_000_000), defaultLimits.maxOutgoingConnections),
  max_connections_per_address: withDefault(integer(1, 1_000_000), defaultLimits.maxConnectionsPerAddress),
  max_circuits: withDefault(integer(1, 10_000_000), defaultLimits.maxCircuits),
  max_streams: withDefault(integer(1, 1_000_000), defaultLimits.maxStreams),
  max_streams_per_circuit: withDefault(integer(1, 65_535), defaultLimits.maxStreamsPerCircuit),
  stream_buffer: withDefault(byteSize(16_384, 256 * mebibyte), defaultLimits.streamBufferBytes),
  max_train: withDefault(integer(1, 256), defaultLimits.maxTrain),
  max_memory: optional(byteSize(minMemory, maxMemory)),
  ...programLimits,
});

/** `tor` keeps these numbers in 32 bits. */
const count = integer(1, 0x7fff_ffff);

/** The table `[dos]`: what is not said is as the consensus has it. */
const DosSchema = Schema.Struct({
  circuit_creation_enabled: optional(flag),
  circuit_creation_min_connections: optional(count),
  circuit_creation_rate: optional(count),
  circuit_creation_burst: optional(count),
  circuit_creation_defense_type: optional(integer(1, 2)),
  circuit_creation_defense_time_period: optional(integer(0, 0x7fff_ffff)),
  connection_enabled: optional(flag),
  connection_max_concurrent_count: optional(count),
  connection_defense_type: optional(integer(1, 2)),
  connection_connect_rate: optional(count),
  connection_connect_burst: optional(count),
  connection_connect_defense_time_period: optional(integer(10, 0x7fff_ffff)),
  stream_creation_enabled: optional(flag),
  stream_creation_rate: optional(count),
  stream_creation_burst: optional(count),
  stream_creation_defense_type: optional(integer(1, 3)),
});

/** The table `[metrics]`. */
const MetricsSchema = Schema.Struct({
  listen: optional(endpoint("127.0.0.1:9035")),
  policy: optional(Schema.Array(accessRule)),
});

/** The configuration file: every key, what it may hold, and its default. The README lists the same. */
export const ConfigFile = Schema.Struct({
  nickname: readable("1 to 19 letters and digits", nickname),
  contact: optional(line("one line of text")),
  data_dir: path,
  or_port: endpoint("127.0.0.1:9101"),
  address: optional(ipv4),
  advertised_port: optional(port),
  test_network: withDefault(flag, false),
  ...authorityKeys,
  family: withDefault(
    Schema.Array(readable("a nickname, or $ and a fingerprint of 40 hexadecimal digits", familyMember)),
    [],
  ),
  ...programKeys(30),
  bandwidth: withDefault(BandwidthSchema, {}),
  exit: withDefault(ExitSchema, {}),
  directory: withDefault(DirectorySchema, {}),
  conflux: withDefault(ConfluxSchema, {}),
  limits: withDefault(LimitsSchema, {}),
  dos: withDefault(DosSchema, {}),
  metrics: withDefault(MetricsSchema, {}),
});

/** What the file says, with its defaults. */
export type ConfigFile = typeof ConfigFile.Type;
