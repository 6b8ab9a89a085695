import {
  type ChannelConfig,
  ChannelManager,
  type Entropy,
  layerChannelManager,
  type Transport,
  type TransportError,
} from "@allium/channel";
import {
  congestionParams,
  flowParams,
  layerRelayCircuits,
  layerSingle,
  meaningOf,
  RelayCircuits,
  type StreamOpeners,
} from "@allium/circuit";
import type { DirectoryView } from "@allium/directory";
import { Supervisor, type SupervisorClosed, type TaskNameTaken, TaskPolicy } from "@allium/kernel";
import { ExitPolicy, type PolicyError } from "@allium/netdoc";
import { Clock, Context, Data, Effect, type FileSystem, Layer, type Path, type Scope } from "effect";
import { defaultExit, type RelayConfig } from "./config.ts";
import { layer as layerDescriptor } from "./descriptor.ts";
import { makeDirectory } from "./directory.ts";
import { layerExit, NodeResolver } from "./exit/index.ts";
import { keepCertificates, keepOnionKeys } from "./key-tasks.ts";
import {
  fingerprintLine,
  handshakeServerKeys,
  KeyStore,
  type KeyStoreError,
  layerKeyStore,
  publicIdentity,
} from "./keys/index.ts";
import { makeCurrentLinkIdentity } from "./link-identity.ts";
import { networkAddresses } from "./network-addresses.ts";
import { channelParams, circuitParams, onionKeyParams } from "./params.ts";
import { expireIdleCircuits, heartbeat } from "./tasks.ts";
import { measureTraffic, TrafficMeter } from "./traffic.ts";

/** What the operator wrote cannot be run with. */
export class RelayConfigError extends Data.TaggedError("RelayConfigError")<{
  readonly key: string;
  readonly detail: string;
}> {
  override get message(): string {
    return `${this.key}: ${this.detail}`;
  }
}

/** A task without which the relay is none has ended. */
export class RelayFailed extends Data.TaggedError("RelayFailed")<{ readonly task: string; readonly cause: unknown }> {
  override get message(): string {
    return `the task "${this.task}" has failed`;
  }
}

/** Why a relay did not start, or ended by itself. */
export type RelayError = RelayConfigError | RelayFailed | KeyStoreError | TransportError;

/** What a running relay shows of itself. */
export interface RunningRelay {
  readonly fingerprint: string;
  /** Where it listens. */
  readonly endpoint: { readonly host: string; readonly port: number };
  readonly channels: ChannelManager["Service"];
  readonly circuits: RelayCircuits["Service"];
  readonly directory: DirectoryView["Service"];
  readonly traffic: TrafficMeter;
  /** Waits until a task without which the relay is none has ended. */
  readonly failed: Effect.Effect<never, RelayFailed>;
}

/** What a relay needs of the machine. */
export type RelayPlatform = Transport | Entropy | FileSystem.FileSystem | Path.Path;

const readPolicy = (config: RelayConfig): Effect.Effect<ExitPolicy, RelayConfigError> =>
  Effect.try({
    try: () =>
      config.exit.enabled
        ? ExitPolicy.ofOptions({
            rules: config.exit.policy,
            ipv6: config.exit.ipv6,
            rejectPrivate: config.exit.rejectPrivate,
            ownAddresses: [config.advertised.host, config.orPort.host],
          })
        : ExitPolicy.rejectAll,
    catch: (cause) => new RelayConfigError({ key: "exit.policy", detail: (cause as PolicyError).message }),
  });

/** Whom to ask for names: those that the configuration lists, or those of its resolv.conf; else the system's. */
const resolverLayer = ({ exit }: RelayConfig) => {
  if (exit.nameServers.length > 0) return NodeResolver.layer({ nameServers: exit.nameServers });
  if (!exit.enabled || exit.resolvConf === defaultExit.resolvConf) return NodeResolver.layer();
  return NodeResolver.layerResolvConf(exit.resolvConf).pipe(
    Layer.catchTag("NameServersError", (error) =>
      Layer.effectContext(Effect.fail(new RelayConfigError({ key: "exit.resolv_conf", detail: error.message }))),
    ),
  );
};

const formatAddress = ({ host, port }: { readonly host: string; readonly port: number }): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

/**
 * Starts a relay; it runs until the scope closes. Composition only: keys, directory, exit, channels and circuits are layers,
 * and what has to be done in the background is a supervised task.
 */
export const startRelay = (config: RelayConfig): Effect.Effect<RunningRelay, RelayError, RelayPlatform | Scope.Scope> =>
  Effect.gen(function* () {
    const { authorities } = config;
    const policy = yield* readPolicy(config);
    const startedAt = yield* Clock.currentTimeMillis;
    const traffic = new TrafficMeter(startedAt);

    const keys = yield* Layer.build(layerKeyStore({ dataDir: config.dataDir, owner: process.getuid?.() }));
    const store = Context.get(keys, KeyStore);
    const linkIdentity = yield* Effect.provideContext(makeCurrentLinkIdentity, keys);

    const { view, reactor: directory, cache } = yield* makeDirectory(config);
    const param = (name: string) => view.current().params.raw(name);

    const openers: Layer.Layer<StreamOpeners, RelayConfigError, Transport | Entropy | FileSystem.FileSystem> =
      layerExit({
        policy: () => policy,
        ipv6: () => config.exit.ipv6,
        isNetworkAddress: networkAddresses(authorities, view.current),
        ...(cache === undefined ? {} : { beginDirectory: cache.begin }),
      }).pipe(Layer.provide(resolverLayer(config)));
    const channelConfig: ChannelConfig = {
      maxTrain: config.limits.maxTrain,
      ...channelParams(param),
    };
    const core = yield* Layer.build(
      layerRelayCircuits({
        keys: () => handshakeServerKeys(store.current()),
        congestion: () => congestionParams(param, "exit"),
        extendPolicy: () => ({
          self: linkIdentity.current().peer,
          addressAllowed: (host) => config.testNetwork || publicAddresses.permits(host, 443),
        }),
        limits: {
          maxTrain: config.limits.maxTrain,
          maxStreams: config.limits.maxStreamsPerCircuit,
          streamBufferBytes: config.limits.streamBufferBytes,
        },
        onEnd: (circuit, end) => logEnd(log, circuit.name, end.cause),
        onRefused: (reason) => log(Effect.logDebug("circuit refused", reason)),
      }).pipe(
        Layer.provide(layerSingle({ role: "exit", flowParams: () => flowParams(param) })),
        Layer.provide(openers),
        Layer.provideMerge(
          layerChannelManager({
            ...channelConfig,
            local: () => ({ identity: linkIdentity.current(), addresses: [config.advertised.host] }),
            maxPerAddress: config.limits.maxConnectionsPerAddress,
            observer: {
              onEnd: (channel, end) => {
                traffic.forget(channel);
                log(Effect.logDebug(`channel ${channel.id} ended`, end));
              },
              onRefused: (_remote, error) => log(Effect.logDebug("channel not opened", error)),
            },
          }),
        ),
      ),
    );
    const channels = Context.get(core, ChannelManager);
    const circuits = Context.get(core, RelayCircuits);
    const context = yield* Effect.context<never>();
    const log = (effect: Effect.Effect<void>): void => {
      Effect.runForkWith(context)(effect);
    };

    const listener = yield* channels.listen(config.orPort);
    const identity = publicIdentity(store.current());
    const fingerprint = fingerprintLine(config.nickname, identity);
    yield* Effect.logInfo(`listening on ${formatAddress(listener.endpoint)} as ${fingerprint}`);

    const descriptor = layerDescriptor(config, { policy, traffic, startedAt, system: systemName() });
    const descriptorContext = yield* Layer.build(descriptor.pipe(Layer.provide(Layer.succeedContext(keys))));
    const supervisor = yield* Supervisor.make({ name: "relay" });
    const tasks = {
      traffic: { name: "traffic", run: measureTraffic(traffic, channels.channels) },
      idle: { name: "idle circuits", run: expireIdleCircuits(circuits, circuitParams) },
      heartbeat: { name: "heartbeat", run: heartbeat({ circuits, channels, traffic, startedAt }) },
      certificates: {
        name: "certificates",
        run: keepCertificates({
          identity: linkIdentity,
          listener,
          onNewSigningKey: directory.publish("the signing key has changed"),
        }).pipe(Effect.provideContext(keys)),
      },
      onionKeys: {
        name: "onion keys",
        run: keepOnionKeys(() => onionKeyParams(param), directory.publish("the onion key has changed")).pipe(
          Effect.provideContext(keys),
        ),
      },
    };
    yield* startTasks(
      Effect.gen(function* () {
        yield* supervisor.start(directory.fetcher, TaskPolicy.restart());
        if (cache !== undefined) yield* supervisor.start(cache.mirror, TaskPolicy.restart());
        yield* supervisor.start(
          { ...directory.publisher, run: Effect.provideContext(directory.publisher.run, descriptorContext) },
          TaskPolicy.restart(),
        );
        yield* supervisor.start(tasks.traffic, TaskPolicy.restart());
        yield* supervisor.start(tasks.idle, TaskPolicy.restart());
        yield* supervisor.start(tasks.heartbeat, TaskPolicy.restart());
        yield* supervisor.start(tasks.certificates, TaskPolicy.restart());
        yield* supervisor.start(tasks.onionKeys, TaskPolicy.restart());
      }),
    );
    yield* directory.publish("the relay has started");

    const failed = Effect.flatMap(supervisor.ended, ({ cause }) =>
      cause._tag === "TaskFailed"
        ? Effect.fail(new RelayFailed({ task: cause.task, cause: cause.exit }))
        : Effect.never,
    );
    return {
      fingerprint,
      endpoint: listener.endpoint,
      channels,
      circuits,
      directory: view,
      traffic,
      failed,
    };
  });

/** Runs a relay until it is interrupted, or fails. */
export const runRelay = (config: RelayConfig): Effect.Effect<never, RelayError, RelayPlatform> =>
  Effect.scoped(Effect.flatMap(startRelay(config), (relay) => relay.failed));

/** One line for the end of a circuit, at the level that the table of ends gives it. */
const logEnd = (
  log: (effect: Effect.Effect<void>) => void,
  name: string,
  cause: Parameters<typeof meaningOf>[0],
): void => {
  const { level } = meaningOf(cause);
  if (level === "error") return log(Effect.logError(`${name} ended by a defect`, cause));
  // What a peer did wrong is its affair: it must not fill the log of an operator who cannot change it.
  log(Effect.logDebug(`${name} ended`, cause));
};

/** The supervisor was made a moment ago: neither of these can be. */
const startTasks = <A>(start: Effect.Effect<A, SupervisorClosed | TaskNameTaken>): Effect.Effect<A> =>
  Effect.catch(start, (error) => Effect.die(new Error(`task not started: ${error._tag}`)));

/** Circuits are extended to these only, outside of test networks. */
const publicAddresses = ExitPolicy.ofOptions({ rules: ["accept *:*"], ipv6: true, rejectPrivate: true });

const systemName = (): string => {
  const { platform } = process;
  return platform.charAt(0).toUpperCase() + platform.slice(1);
};
