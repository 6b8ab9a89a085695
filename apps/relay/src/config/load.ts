import {
  ConfigError,
  type ConfigProblem,
  type ConfigText,
  isLoopback,
  loadAuthorities,
  type ProgramSettings,
  programSettings,
  readConfig,
} from "@allium/cli";
import { ExitPolicy } from "@allium/netdoc";
import {
  type DosConfig,
  defaultBandwidth,
  exitPolicyOf,
  machineMemory,
  memoryLimitFor,
  type RelayConfig,
} from "@allium/relay";
import { Effect, Result } from "effect";
import { ConfigFile } from "./schema.ts";

/** Everything that a configuration file says. */
export interface ProgramConfig extends ProgramSettings {
  readonly relay: RelayConfig;
}

/**
 * Reads a configuration file. Relative paths in it are those of the directory that it is in.
 *
 * @returns fails with ConfigError, which lists all that is wrong
 */
export const loadConfig = Effect.fnUntraced(function* (name: string) {
  const read = yield* readConfig(name, ConfigFile);
  const { source, said, inPlace } = read;
  const authorities = yield* loadAuthorities(read, said, false);
  const advertised = advertisedAddress(said);
  const problems = [...checkTogether(source, said), ...(Result.isFailure(authorities) ? authorities.failure : [])];
  if (
    problems.length > 0 ||
    Result.isFailure(authorities) ||
    authorities.success === undefined ||
    advertised === undefined
  )
    return yield* new ConfigError({ problems });

  const { bandwidth, exit, limits, metrics } = said;
  const relay: RelayConfig = {
    nickname: said.nickname,
    contact: said.contact,
    dataDir: inPlace(said.data_dir),
    orPort: said.or_port,
    advertised,
    testNetwork: said.test_network,
    authorities: authorities.success,
    family: said.family,
    bandwidth:
      bandwidth.rate === undefined
        ? defaultBandwidth
        : { rate: bandwidth.rate, burst: bandwidth.burst ?? bandwidth.rate, isLimit: true },
    exit: {
      enabled: exit.enabled,
      policy: exit.policy,
      rejectPrivate: exit.reject_private,
      ipv6: exit.ipv6,
      nameServers: exit.nameservers,
      resolvConf: inPlace(exit.resolv_conf),
    },
    directory: { cache: said.directory.cache, extraInfo: said.directory.extra_info },
    conflux: {
      enabled: said.conflux.enabled,
      maxSets: said.conflux.max_sets,
      resumption: said.conflux.resumption,
    },
    limits: {
      maxConnections: limits.max_connections,
      maxOutgoingConnections: limits.max_outgoing_connections,
      maxConnectionsPerAddress: limits.max_connections_per_address,
      maxCircuits: limits.max_circuits,
      maxStreams: limits.max_streams,
      maxStreamsPerCircuit: limits.max_streams_per_circuit,
      streamBufferBytes: limits.stream_buffer,
      maxTrain: limits.max_train,
      maxMemoryBytes: limits.max_memory,
    },
    dos: dosOf(said.dos),
    ...(metrics.listen === undefined
      ? {}
      : {
          metrics: {
            listen: metrics.listen,
            ...(metrics.policy === undefined ? {} : { policy: metrics.policy }),
          },
        }),
  };
  const config: ProgramConfig = {
    ...programSettings(read, warningsOf(source, said, relay)),
    relay,
  };
  return config;
});

/** What is said of floods; keys that are not there stay away. */
const dosOf = (dos: ConfigFile["dos"]): DosConfig =>
  Object.fromEntries(
    Object.entries(dos).map(([key, value]) => [
      key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );

const wildcards: ReadonlyArray<string> = ["0.0.0.0", "::"];

/** Where others reach the relay: as the file says, or else where it listens, if that is one IPv4 address. */
const advertisedAddress = ({
  address,
  advertised_port,
  or_port,
}: ConfigFile): RelayConfig["advertised"] | undefined => {
  const host = address ?? or_port.host;
  if (wildcards.includes(host) || host.includes(":")) return undefined;
  return { host, port: advertised_port ?? or_port.port };
};

/** What is wrong with keys that are right one by one. */
const checkTogether = (source: ConfigText, said: ConfigFile): ReadonlyArray<ConfigProblem> => {
  const problems: Array<ConfigProblem> = [];
  if (advertisedAddress(said) === undefined)
    problems.push(
      said.address === undefined
        ? source.problem(
            ["address"],
            `it is missing, and or_port ("${said.or_port.host}") does not tell which one others reach`,
          )
        : source.problem(["address"], `"${said.address}" is nobody's address`),
    );
  const { rate, burst } = said.bandwidth;
  if (burst !== undefined && rate === undefined)
    problems.push(source.problem(["bandwidth", "burst"], "it needs bandwidth.rate beside it"));
  else if (burst !== undefined && rate !== undefined && burst < rate)
    problems.push(source.problem(["bandwidth", "burst"], "it is less than bandwidth.rate"));
  return problems;
};

const warningsOf = (source: ConfigText, said: ConfigFile, relay: RelayConfig): ReadonlyArray<string> => {
  const warnings: Array<string> = [];
  const warn = (path: ReadonlyArray<string>, text: string) => {
    warnings.push(source.warning(path, text));
  };
  const { metrics } = said;
  if (metrics.listen === undefined && metrics.policy !== undefined)
    warn(["metrics", "policy"], "it has no effect without metrics.listen");
  if (metrics.listen !== undefined && metrics.policy === undefined && !isLoopback(metrics.listen.host))
    warn(
      ["metrics", "listen"],
      "without metrics.policy nobody but this machine may look, and it will hardly do so there",
    );
  const machine = machineMemory();
  const { max_memory: memory } = said.limits;
  if (memory !== undefined && memory > machine)
    warn(["limits", "max_memory"], `this machine has ${machine} bytes: it will run out of memory before that`);
  if (memory !== undefined && memory < memoryLimitFor(0) && !said.test_network)
    warn(["limits", "max_memory"], "so little will end circuits that do nothing wrong");
  if (said.dos.stream_creation_enabled !== undefined && !said.exit.enabled)
    warn(["dos", "stream_creation_enabled"], "it has no effect as long as exit.enabled is false");
  if (!said.exit.enabled && said.exit.policy.length > 0)
    warn(["exit", "policy"], "it has no effect as long as exit.enabled is false");
  if (said.exit.enabled && exitPolicyOf(relay).rejectsAll)
    warn(["exit", "policy"], "it refuses everything, so the relay will be no exit");
  if (!said.test_network) {
    if (!ExitPolicy.acceptPublic.permits(relay.advertised.host, relay.advertised.port))
      warn(
        [said.address === undefined ? "or_port" : "address"],
        `${relay.advertised.host} is a private address: others cannot reach the relay there, unless test_network is true`,
      );
    if (said.contact === undefined)
      warn(["contact"], "without it nobody can tell you if something is wrong with the relay");
  }
  return warnings;
};
