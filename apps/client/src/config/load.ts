import type { Endpoint } from "@allium/channel";
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
import type { IsolationFlags, TorClientConfig } from "@allium/client";
import { fingerprint } from "@allium/netdoc";
import { Effect, Result } from "effect";
import { ConfigFile } from "./schema.ts";

/** Everything that a configuration file says. */
export interface ProgramConfig extends ProgramSettings {
  readonly client: TorClientConfig;
  /** Where applications connect. */
  readonly socksListen: Endpoint;
  /** Where questions of DNS are answered, if they are. */
  readonly dnsListen: Endpoint | undefined;
  readonly isolation: IsolationFlags;
  /** Applications that are connected at once. */
  readonly maxConnections: number;
}

/**
 * Reads a configuration file. Relative paths in it are those of the directory that it is in.
 *
 * @returns fails with ConfigError, which lists all that is wrong
 */
export const loadConfig = Effect.fnUntraced(function* (name: string) {
  const read = yield* readConfig(name, ConfigFile);
  const { source, said, inPlace } = read;
  // Those of the public network are known.
  const authorities = yield* loadAuthorities(read, said, !said.test_network);
  const problems = [...checkTogether(source, said), ...(Result.isFailure(authorities) ? authorities.failure : [])];
  if (problems.length > 0 || Result.isFailure(authorities)) return yield* new ConfigError({ problems });
  const { paths, reachability, tunnels, conflux, limits, isolation } = said;
  const config: ProgramConfig = {
    ...programSettings(read, warningsOf(source, said)),
    client: {
      dataDir: inPlace(said.data_dir),
      ...(authorities.success === undefined ? {} : { authorities: authorities.success }),
      testNetwork: said.test_network,
      reachability: {
        ipv4: reachability.ipv4,
        ipv6: reachability.ipv6,
        prefer: reachability.prefer,
        ...(reachability.ports === undefined ? {} : { ports: new Set(reachability.ports) }),
      },
      paths: {
        exclude: fingerprints(paths.exclude),
        excludeExits: fingerprints(paths.exclude_exits),
        ...(paths.distinct_subnets === undefined ? {} : { distinctSubnets: paths.distinct_subnets }),
      },
      tunnels: {
        maxDirtinessMillis: tunnels.max_dirtiness * 1_000,
        requestTimeoutMillis: tunnels.request_timeout * 1_000,
        expectedPorts: tunnels.expected_ports,
        maxStreams: limits.max_streams,
        maxTunnels: limits.max_tunnels,
      },
      // The schema knows no other word.
      conflux,
      ...(said.reject_private === undefined ? {} : { rejectPrivate: said.reject_private }),
      maxMemoryBytes: limits.max_memory,
    },
    socksListen: said.socks_listen,
    dnsListen: said.dns_listen,
    isolation: {
      clientAddress: isolation.client_address,
      credentials: isolation.credentials,
      protocol: isolation.protocol,
      destination: isolation.destination,
      port: isolation.port,
    },
    maxConnections: limits.max_connections,
  };
  return config;
});

/** What the schema has found to be fingerprints. */
const fingerprints = (texts: ReadonlyArray<string>): ReadonlySet<string> =>
  new Set(texts.flatMap((text) => fingerprint(text.replace(/^\$/, "")) ?? []));

/** What is wrong with keys that are right one by one. */
const checkTogether = (source: ConfigText, { reachability }: ConfigFile): ReadonlyArray<ConfigProblem> => {
  const problems: Array<ConfigProblem> = [];
  if (!reachability.ipv4 && !reachability.ipv6)
    problems.push(source.problem(["reachability", "ipv6"], "without ipv4 and ipv6 no relay can be reached"));
  if (reachability.ports?.length === 0)
    problems.push(source.problem(["reachability", "ports"], "without a port no relay can be reached"));
  return problems;
};

const warningsOf = (source: ConfigText, said: ConfigFile): ReadonlyArray<string> => {
  const warnings: Array<string> = [];
  const warn = (path: ReadonlyArray<string>, text: string) => {
    warnings.push(source.warning(path, text));
  };
  for (const [key, listen] of [
    ["socks_listen", said.socks_listen],
    ["dns_listen", said.dns_listen],
  ] as const)
    if (listen !== undefined && !isLoopback(listen.host))
      warn([key], "whoever can reach this address can use the client, and nothing that is sent to it is encrypted");
  if (!said.isolation.credentials)
    warn(
      ["isolation", "credentials"],
      "applications that want their streams apart, such as Tor Browser, will not get it",
    );
  if (said.reject_private === false && !said.test_network)
    warn(["reject_private"], "requests for private addresses will tell exits about your own network");
  return warnings;
};
