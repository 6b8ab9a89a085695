import { Entropy, type Transport } from "@allium/channel";
import { type CircuitEnd, type ClientCircuit, ClientCircuits, describeEnd } from "@allium/circuit";
import { ConfluxManager } from "@allium/conflux";
import {
  DirectoryReactor,
  DirectorySources,
  DirectoryView,
  type DocumentWorker,
  layerDirectory,
  layerDocumentWorker,
  publicAuthorities,
  publicFallbacks,
} from "@allium/directory";
import { Memory, MemoryQuota } from "@allium/kernel";
import { Clock, Context, Effect, FiberSet, FileSystem, Layer, type Scope } from "effect";
import packageJson from "../../package.json" with { type: "json" };
import type { TorClientConfig } from "../config.ts";
import { authorityDirectory, ClientSources, DirectoryTunnels, fallbackDirectory } from "../directory/index.ts";
import { DataDirError } from "../errors.ts";
import { GuardFilter, GuardSets } from "../guards/index.ts";
import { NetworkState } from "../network-state.ts";
import type { PathOptions } from "../paths/index.ts";
import { StreamRoom, type StreamsParts } from "../streams/index.ts";
import { TorClient, type TorClientService } from "../tor-client.ts";
import {
  ClientConflux,
  defaultTunnelTimes,
  ExitRefusals,
  ExpectedPorts,
  GuardKeeper,
  TunnelPool,
  Wakes,
} from "../tunnels/index.ts";
import { makeEventHub } from "./events.ts";
import { makeNetwork } from "./network.ts";
import { makeService } from "./service.ts";
import { loadBuildTimes, loadGuards, StateWriter } from "./state-files.ts";
import { startTasks } from "./tasks.ts";
import { uniformFrom } from "./uniform.ts";

/** What a client needs of the machine. */
export type ClientPlatform = Transport | Entropy | FileSystem.FileSystem | DocumentWorker;

/** What is expected to be asked for first (as `tor`). */
const FIRST_EXPECTED_PORTS: ReadonlyArray<number> = [443];

const DEFAULT_MAX_STREAMS = 4_096;
const DEFAULT_MAX_TUNNELS = 256;
const DEFAULT_MAX_MEMORY_BYTES = 256 * 1024 * 1024;

/**
 * Starts a client; it runs until the scope closes. Composition only: channels and circuits are layers, whatever is done in the background
 * is a supervised task, and what decides is pure and synchronous.
 */
export const startTorClient = (
  config: TorClientConfig,
): Effect.Effect<TorClientService, DataDirError, ClientPlatform | Scope.Scope> =>
  Effect.gen(function* () {
    const { dataDir, testNetwork = false, tunnels: use = {} } = config;
    yield* prepareDirectory(dataDir);
    const clock = yield* Clock.Clock;
    const now = (): number => clock.currentTimeMillisUnsafe();
    const random = uniformFrom(yield* Entropy);
    const hub = yield* makeEventHub;
    const changes = new Wakes();
    const wakes = new Wakes(changes);
    const consensusWakes = new Wakes(wakes);
    const network = new NetworkState();
    const param = (name: string): number | undefined => network.params.raw(name);

    const filter = guardFilter(config);
    const loaded = yield* loadGuards(dataDir);
    const sets = new GuardSets({
      ...(loaded === undefined ? {} : { loaded }),
      filter,
      version: `allium ${packageJson.version}`,
    });
    const guards = new GuardKeeper(sets, now, random);
    const buildTimes = yield* loadBuildTimes(dataDir, param, random);

    let ids = 0;
    const nextId = (): number => ++ids;
    // Whoever ends is told of by whoever has made it; they are made of each other.
    const onCircuitEnd = (circuit: ClientCircuit, end: CircuitEnd): void => {
      const why = describeEnd(end);
      if (!directoryTunnels.onCircuitEnd(circuit, why)) pool.onCircuitEnd(circuit, why);
    };
    const services = yield* makeNetwork(() => network.params, onCircuitEnd);
    const circuits = Context.get(services, ClientCircuits);
    const conflux = new ClientConflux(Context.get(services, ConfluxManager), config.conflux ?? {}, network);
    const fork = yield* FiberSet.makeRuntime<never>();
    const run = (effect: Effect.Effect<void>): void => void fork(effect);
    const onEvent = hub.publish;
    const directoryTunnels: DirectoryTunnels = new DirectoryTunnels({ circuits, now, nextId, run, onEvent });
    const pool: TunnelPool = new TunnelPool({
      circuits,
      guards,
      buildTimes,
      network,
      conflux,
      wakes,
      changes,
      random,
      now,
      run,
      onEvent,
      nextId,
      maxTunnels: use.maxTunnels ?? DEFAULT_MAX_TUNNELS,
    });
    const expected = new ExpectedPorts(use.expectedPorts ?? FIRST_EXPECTED_PORTS, now());

    const isPublic = config.authorities === undefined;
    const authorities = config.authorities ?? publicAuthorities();
    const sources = new ClientSources({
      tunnels: directoryTunnels,
      guards,
      network,
      filter,
      fallbacks: isPublic ? publicFallbacks().map(fallbackDirectory) : [],
      authorities: authorities.flatMap((authority) => authorityDirectory(authority) ?? []),
      random,
      now,
    });
    const directory = yield* Layer.build(
      layerDirectory({
        trusted: authorities.map(({ v3Identity }) => v3Identity),
        dataDirectory: dataDir,
        testNetwork,
        role: "client",
      }).pipe(
        Layer.provide(Layer.succeed(DirectorySources, DirectorySources.of({ draw: (wish) => sources.draw(wish) }))),
      ),
    );

    const streams: StreamsParts = {
      pool,
      network,
      wakes,
      now,
      refusals: new ExitRefusals(),
      requestTimeout: use.requestTimeoutMillis ?? defaultTunnelTimes.request,
      onAnswer: () => guards.noteInternet(),
      rejectPrivate: config.rejectPrivate ?? !testNetwork,
      room: new StreamRoom(use.maxStreams ?? DEFAULT_MAX_STREAMS, () => {
        let sum = 0;
        for (const tunnel of pool.tunnels) sum += tunnel.streams;
        return sum;
      }),
      onPort: (port) => expected.note(port, now()),
    };
    const paths: PathOptions = {
      enforceDistinctSubnets: config.paths?.distinctSubnets ?? !testNetwork,
      ...(config.paths?.exclude === undefined ? {} : { exclude: config.paths.exclude }),
      ...(config.paths?.excludeExits === undefined ? {} : { excludeExits: config.paths.excludeExits }),
    };
    const view = Context.get(directory, DirectoryView);
    const { status, failed } = yield* startTasks({
      directory: Context.get(directory, DirectoryReactor),
      view,
      wakes,
      news: { network, guards, buildTimes, wakes: consensusWakes, paths, now },
      upkeep: {
        pool,
        guards,
        buildTimes,
        network,
        conflux,
        expected,
        changes,
        now,
        maxDirtiness: use.maxDirtinessMillis ?? defaultTunnelTimes.maxDirtiness,
        share: random.uniform(),
      },
      writer: new StateWriter(dataDir, { guards, buildTimes }),
      hub,
    });
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        network.isEnding = true;
        pool.endAll("the client ends");
        wakes.notify();
      }),
    );
    return makeService({ streams, wakes, hub, status, failed, tunnels: () => [...pool.tunnels], directoryTunnels });
  }).pipe(
    Effect.provideServiceEffect(
      Memory.Quota,
      Effect.sync(() => new MemoryQuota({ limit: config.maxMemoryBytes ?? DEFAULT_MAX_MEMORY_BYTES })),
    ),
  );

/** A client, from when the layer is built until its scope closes. */
export const layerTorClient = (
  config: TorClientConfig,
): Layer.Layer<TorClient, DataDirError, Exclude<ClientPlatform, DocumentWorker>> =>
  Layer.effect(TorClient, startTorClient(config)).pipe(Layer.provide(layerDocumentWorker));

/** Only its owner may look into what a client keeps. */
const DIRECTORY_MODE = 0o700;

const prepareDirectory = (path: string): Effect.Effect<void, DataDirError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem;
    yield* fs.makeDirectory(path, { recursive: true, mode: DIRECTORY_MODE });
    yield* fs.access(path, { readable: true, writable: true });
  }).pipe(Effect.mapError((cause) => new DataDirError({ path, detail: cause.message, cause })));

const guardFilter = ({ reachability = {}, paths = {} }: TorClientConfig): GuardFilter => {
  const { ports, ...families } = reachability;
  const { exclude } = paths;
  return new GuardFilter({
    ...families,
    ...(ports === undefined ? {} : { reachable: ({ port }) => ports.has(port) }),
    ...(exclude === undefined ? {} : { allowed: (relay) => !exclude.has(relay) }),
  });
};
