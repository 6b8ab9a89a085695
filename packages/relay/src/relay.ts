import {
  ChannelManager,
  type Endpoint,
  type Entropy,
  formatEndpoint,
  type Transport,
  type TransportError,
} from "@allium/channel";
import { RelayCircuits } from "@allium/circuit";
import { ConfluxManager } from "@allium/conflux";
import type { DirectoryView } from "@allium/directory";
import { Metrics, Topology } from "@allium/kernel";
import { Clock, Context, Duration, Effect, FileSystem, Layer, type Path, Scope, Semaphore } from "effect";
import type { RelayConfig } from "./config.ts";
import { bandwidthLimits, makeCore, memoryLimit } from "./core.ts";
import { type Defences, defenceMetrics } from "./defence/index.ts";
import { layer as layerDescriptor } from "./descriptor.ts";
import { makeDirectory } from "./directory.ts";
import { drain } from "./drain.ts";
import { ExitStatus } from "./exit/index.ts";
import { renewCertificates } from "./key-tasks.ts";
import {
  fingerprintLine,
  fingerprintOf,
  KeyStore,
  type KeyStoreError,
  layerKeyStore,
  publicIdentity,
} from "./keys/index.ts";
import { makeCurrentLinkIdentity } from "./link-identity.ts";
import {
  bandwidthMetrics,
  directoryMetrics,
  makeMetricsServer,
  relayMetrics,
  topologyMetrics,
} from "./metrics/index.ts";
import type { RelayConfigError, RelayError, RelayFailed } from "./relay-error.ts";
import { planReload, type ReloadReport, readSettings } from "./settings.ts";
import { startRelayTasks } from "./supervision.ts";
import { TrafficMeter } from "./traffic.ts";

/** What a running relay shows of itself, and what can be asked of it. */
export interface RunningRelay {
  readonly fingerprint: string;
  /** Where it listens. */
  readonly endpoint: Endpoint;
  readonly channels: ChannelManager["Service"];
  readonly circuits: RelayCircuits["Service"];
  readonly directory: DirectoryView["Service"];
  readonly traffic: TrafficMeter;
  /** What the defences against floods have done, and the account of memory. */
  readonly defences: Pick<Defences, "quota" | "counts">;
  /** The configuration in use. */
  readonly config: () => RelayConfig;
  /** Where its metrics are served, if they are. */
  readonly metricsEndpoint: () => Endpoint | undefined;
  /**
   * Takes another configuration, as far as that is possible while it runs, and looks for new keys on disk. What cannot be used
   * leaves everything as it was.
   */
  readonly reload: (next: RelayConfig) => Effect.Effect<ReloadReport, RelayConfigError | TransportError>;
  /**
   * Prepares an end that breaks nobody's transfers: nothing new is accepted from now on, and what is there has so much time to
   * finish. Returns when nothing is left, or the time is over.
   */
  readonly drain: (wait: Duration.Input) => Effect.Effect<void>;
  /** Waits until a task without which the relay is none has ended. */
  readonly failed: Effect.Effect<never, RelayFailed | KeyStoreError>;
}

/** What a relay needs of the machine. */
export type RelayPlatform = Transport | Entropy | FileSystem.FileSystem | Path.Path;

/**
 * Starts a relay; it runs until the scope closes. Composition only: keys, directory, exit, channels and circuits are layers,
 * and what has to be done in the background is a supervised task.
 */
export const startRelay = (
  initial: RelayConfig,
): Effect.Effect<RunningRelay, RelayError, RelayPlatform | Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope;
    const fs = yield* FileSystem.FileSystem;
    let settings = yield* readSettings(initial);
    const config = (): RelayConfig => settings.config;
    const startedAt = yield* Clock.currentTimeMillis;
    const traffic = new TrafficMeter(startedAt);

    const keys = yield* Layer.build(layerKeyStore({ dataDir: initial.dataDir, owner: process.getuid?.() }));
    const store = Context.get(keys, KeyStore);
    const linkIdentity = yield* Effect.provideContext(makeCurrentLinkIdentity, keys);
    const directory = yield* makeDirectory(initial);
    const core = yield* makeCore({ settings: () => settings, keys: store.current, linkIdentity, directory, traffic });
    const channels = Context.get(core.services, ChannelManager);
    const circuits = Context.get(core.services, RelayCircuits);

    const metrics = yield* makeMetricsServer;
    const identity = publicIdentity(store.current());
    yield* Metrics.register(
      ...relayMetrics({
        channels,
        circuits,
        conflux: Context.get(core.services, ConfluxManager),
        exit: Context.get(core.services, ExitStatus),
        directory: directory.reactor,
        view: directory.view,
        traffic,
        connectionCounts: core.connectionCounts,
        circuitCounts: core.circuitCounts,
        keys: store.current,
        fingerprint: fingerprintOf(identity),
      }),
      ...(directory.cache === undefined ? [] : directoryMetrics(directory.cache.server)),
      ...bandwidthMetrics(core.bandwidth),
      ...defenceMetrics(core.defences, circuits),
      ...topologyMetrics(yield* Topology.Registry),
    );
    yield* metrics.configure(initial.metrics);

    const listening = yield* Scope.fork(scope);
    const listener = yield* channels.listen(initial.orPort).pipe(Scope.provide(listening));
    const fingerprint = fingerprintLine(initial.nickname, identity);
    yield* Effect.logInfo(`listening on ${formatEndpoint(listener.endpoint)} as ${fingerprint}`);

    const descriptor = yield* Layer.build(
      layerDescriptor({
        config,
        policy: () => settings.policy,
        traffic,
        startedAt,
        system: systemName(),
      }).pipe(Layer.provide(Layer.succeedContext(keys))),
    );
    const certificates = {
      identity: linkIdentity,
      listener,
      onNewSigningKey: directory.reactor.publish("the signing key has changed"),
    };
    const failed = yield* startRelayTasks({
      channels,
      circuits,
      directory,
      certificates,
      keys,
      descriptor,
      traffic,
      defences: core.defences,
      startedAt,
    });
    yield* directory.reactor.publish("the relay has started");

    const { withPermit } = yield* Semaphore.make(1);
    const reload = Effect.fnUntraced(function* (next: RelayConfig) {
      const { config: planned, changed, kept, isPublished } = planReload(config(), next);
      const read = yield* Effect.provideService(readSettings(planned), FileSystem.FileSystem, fs);
      // The last thing that can fail.
      if (changed.includes("metrics")) yield* metrics.configure(planned.metrics);
      settings = read;
      core.bandwidth.setLimits(bandwidthLimits(planned));
      core.defences.quota.setLimit(memoryLimit(planned));
      if (isPublished) yield* directory.reactor.publish("the configuration has changed");
      yield* renewCertificates(certificates).pipe(
        Effect.provideContext(keys),
        Effect.catch((error) => Effect.logError(error.message)),
      );
      return { changed, kept };
    });
    return {
      fingerprint,
      endpoint: listener.endpoint,
      channels,
      circuits,
      directory: directory.view,
      traffic,
      defences: core.defences,
      config,
      metricsEndpoint: metrics.endpoint,
      reload: (next) => withPermit(reload(next)),
      drain: (wait) =>
        drain({ ...core, channels, circuits, listening }, Duration.fromInputUnsafe(wait)).pipe(Scope.provide(scope)),
      failed,
    };
  });

/** Runs a relay until it is interrupted, or fails. */
export const runRelay = (config: RelayConfig): Effect.Effect<never, RelayError, RelayPlatform> =>
  Effect.scoped(Effect.flatMap(startRelay(config), (relay) => relay.failed));

const systemName = (): string => {
  const { platform } = process;
  return platform.charAt(0).toUpperCase() + platform.slice(1);
};
