import { type Authority, AuthorityListError, parseAuthorities } from "@allium/directory";
import { ExitPolicy } from "@allium/netdoc";
import {
  type DosConfig,
  defaultBandwidth,
  exitPolicyOf,
  machineMemory,
  memoryLimitFor,
  type RelayConfig,
} from "@allium/relay";
import { Effect, FileSystem, Path, Result } from "effect";
import { ConfigText, decodeConfig } from "./decode.ts";
import { ConfigError, type ConfigProblem } from "./errors.ts";
import type { ConfigFile } from "./schema.ts";

/** How the program logs. */
export interface LogConfig {
  readonly level: ConfigFile["log_level"];
  readonly format: ConfigFile["log_format"];
}

/** Everything that a configuration file says. */
export interface ProgramConfig {
  /** The file that it was read from, as an absolute path. */
  readonly file: string;
  readonly relay: RelayConfig;
  readonly log: LogConfig;
  /** How long SIGINT lets circuits go on, in milliseconds. */
  readonly shutdownWaitMillis: number;
  /** How long an orderly end may take after that, in milliseconds. */
  readonly shutdownTimeoutMillis: number;
  /** What the operator should know before the relay starts; each names its place in the file. */
  readonly warnings: ReadonlyArray<string>;
}

const cannotRead = (file: string, reason: string): string => `cannot read ${file}: ${reason}`;

/** The reason of a failed reading, without the path that the message around it names. */
const readingReason = (tag: string): string => readingReasons[tag] ?? tag;

const readingReasons: Readonly<Record<string, string>> = {
  NotFound: "there is no such file",
  PermissionDenied: "no permission",
  BadResource: "it is no file",
};

/**
 * Reads a configuration file. Relative paths in it are those of the directory that it is in.
 *
 * @returns fails with ConfigError, which lists all that is wrong
 */
export const loadConfig = Effect.fnUntraced(function* (name: string) {
  const fs = yield* FileSystem.FileSystem;
  const paths = yield* Path.Path;
  const file = paths.resolve(name);
  const text = yield* fs.readFileString(file).pipe(
    Effect.mapError(({ reason }) => {
      const detail = cannotRead("the configuration", readingReason(reason._tag));
      return new ConfigError({ problems: [{ file: name, line: undefined, key: undefined, detail }] });
    }),
  );
  const source = new ConfigText(name, text);
  const said = yield* Effect.fromResult(decodeConfig(source));
  const inPlace = (path: string): string => paths.resolve(paths.dirname(file), path);
  const authorities = yield* loadAuthorities(source, said, inPlace);
  const advertised = advertisedAddress(said);
  const problems = [...checkTogether(source, said), ...(Result.isFailure(authorities) ? authorities.failure : [])];
  if (problems.length > 0 || Result.isFailure(authorities) || advertised === undefined)
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
    file,
    relay,
    log: { level: said.log_level, format: said.log_format },
    shutdownWaitMillis: said.shutdown_wait * 1_000,
    shutdownTimeoutMillis: limits.shutdown_seconds * 1_000,
    warnings: warningsOf(source, said, relay),
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

/** The authorities of the file, or of the file that it names. */
const loadAuthorities = Effect.fnUntraced(function* (
  source: ConfigText,
  { authorities, authorities_file }: ConfigFile,
  inPlace: (path: string) => string,
): Effect.fn.Return<
  Result.Result<ReadonlyArray<Authority>, ReadonlyArray<ConfigProblem>>,
  never,
  FileSystem.FileSystem
> {
  if ((authorities === undefined) === (authorities_file === undefined))
    return Result.fail([
      source.problem(
        ["authorities"],
        authorities === undefined
          ? "it is missing: give DirAuthority lines here, or in a file that authorities_file names"
          : "give either authorities or authorities_file, not both",
      ),
    ]);
  if (authorities_file === undefined)
    return readAuthorities((authorities ?? []).join("\n"), ({ line, detail }) =>
      source.problem(authorities?.length === 0 ? ["authorities"] : ["authorities", line - 1], detail),
    );
  const file = inPlace(authorities_file);
  const text = yield* Effect.result(Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(file)));
  if (Result.isFailure(text)) {
    const detail = cannotRead(file, readingReason(text.failure.reason._tag));
    return Result.fail([source.problem(["authorities_file"], detail)]);
  }
  return readAuthorities(text.success, ({ line, detail }) => ({ file, line, key: undefined, detail }));
});

const readAuthorities = (
  text: string,
  locate: (problem: { readonly line: number; readonly detail: string }) => ConfigProblem,
): Result.Result<ReadonlyArray<Authority>, ReadonlyArray<ConfigProblem>> => {
  try {
    return Result.succeed(parseAuthorities(text));
  } catch (error) {
    if (error instanceof AuthorityListError) return Result.fail(error.problems.map(locate));
    throw error;
  }
};

const warningsOf = (source: ConfigText, said: ConfigFile, relay: RelayConfig): ReadonlyArray<string> => {
  const warnings: Array<string> = [];
  const warn = (path: ReadonlyArray<string>, text: string) => {
    warnings.push(`${source.where(path)}: ${path.join(".")}: ${text}`);
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

const isLoopback = (host: string): boolean => host.startsWith("127.") || host === "::1";
