import { isDeepStrictEqual } from "node:util";
import type { ExitPolicy, PolicyError } from "@allium/netdoc";
import { Effect, type FileSystem } from "effect";
import { defaultExit, exitPolicyOf, type RelayConfig } from "./config.ts";
import { NodeResolver } from "./exit/index.ts";
import { RelayConfigError } from "./relay-error.ts";

/** A configuration, and what has to be worked out before it can be used. */
export interface Settings {
  readonly config: RelayConfig;
  /** What the exit permits. */
  readonly policy: ExitPolicy;
  /** Whom to ask for names; `undefined`: whom the system asks. */
  readonly nameServers: ReadonlyArray<string> | undefined;
}

const readPolicy = (config: RelayConfig): Effect.Effect<ExitPolicy, RelayConfigError> =>
  Effect.try({
    try: () => exitPolicyOf(config),
    catch: (cause) => new RelayConfigError({ key: "exit.policy", detail: (cause as PolicyError).message }),
  });

/** Those that the configuration lists, or those of its resolv.conf; else the system's. */
const readNameServers = ({
  exit,
}: RelayConfig): Effect.Effect<ReadonlyArray<string> | undefined, RelayConfigError, FileSystem.FileSystem> => {
  if (exit.nameServers.length > 0) return Effect.succeed(exit.nameServers);
  if (!exit.enabled || exit.resolvConf === defaultExit.resolvConf) return Effect.succeed(undefined);
  return NodeResolver.readNameServers(exit.resolvConf).pipe(
    Effect.mapError((error) => new RelayConfigError({ key: "exit.resolv_conf", detail: error.message })),
  );
};

/** Works out what a configuration means. Nothing is changed by it. */
export const readSettings = Effect.fnUntraced(function* (
  config: RelayConfig,
): Effect.fn.Return<Settings, RelayConfigError, FileSystem.FileSystem> {
  if (config.authorities.length === 0) {
    return yield* new RelayConfigError({
      key: "authorities",
      detail: "there are none, and nobody else knows the network",
    });
  }
  return { config, policy: yield* readPolicy(config), nameServers: yield* readNameServers(config) };
});

/** What a reload did. Keys are named as an operator writes them. */
export interface ReloadReport {
  /** What is different now. */
  readonly changed: ReadonlyArray<string>;
  /** What was to be different, but is not before a restart. */
  readonly kept: ReadonlyArray<string>;
}

/** What can change while the relay runs, and what of it others learn from the descriptor. */
const changeable = [
  { key: "nickname", of: (config: RelayConfig) => config.nickname, isPublished: true },
  { key: "contact", of: (config: RelayConfig) => config.contact, isPublished: true },
  { key: "address", of: (config: RelayConfig) => config.advertised, isPublished: true },
  { key: "family", of: (config: RelayConfig) => config.family, isPublished: true },
  { key: "bandwidth", of: (config: RelayConfig) => config.bandwidth, isPublished: true },
  { key: "exit", of: (config: RelayConfig) => config.exit, isPublished: true },
  { key: "limits.max_memory", of: (config: RelayConfig) => config.limits.maxMemoryBytes, isPublished: false },
  { key: "dos", of: (config: RelayConfig) => config.dos, isPublished: false },
  { key: "metrics", of: (config: RelayConfig) => config.metrics, isPublished: false },
] as const;

/** What is built in when the relay starts. */
const fixed = [
  { key: "data_dir", of: (config: RelayConfig) => config.dataDir },
  { key: "or_port", of: (config: RelayConfig) => config.orPort },
  { key: "test_network", of: (config: RelayConfig) => config.testNetwork },
  { key: "authorities", of: (config: RelayConfig) => config.authorities },
  { key: "directory", of: (config: RelayConfig) => config.directory },
  { key: "limits", of: ({ limits }: RelayConfig) => ({ ...limits, maxMemoryBytes: undefined }) },
] as const;

/** What becomes of a running relay's configuration when another one is read. */
export interface ReloadPlan extends ReloadReport {
  /** What it runs with from then on: the new values of what can change, the old ones of what cannot. */
  readonly config: RelayConfig;
  /** Whether the descriptor is another one then. */
  readonly isPublished: boolean;
}

/** Compares two configurations. */
export const planReload = (current: RelayConfig, next: RelayConfig): ReloadPlan => {
  const differs = ({ of }: { readonly of: (config: RelayConfig) => unknown }): boolean =>
    !isDeepStrictEqual(of(current), of(next));
  const changed = changeable.filter(differs);
  const { dataDir, orPort, testNetwork, authorities, directory } = current;
  const limits = { ...current.limits, maxMemoryBytes: next.limits.maxMemoryBytes };
  return {
    config: { ...next, dataDir, orPort, testNetwork, authorities, directory, limits },
    changed: changed.map(({ key }) => key),
    kept: fixed.filter(differs).map(({ key }) => key),
    isPublished: changed.some(({ isPublished }) => isPublished),
  };
};
