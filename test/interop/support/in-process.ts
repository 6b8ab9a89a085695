import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { layerEntropy, NodeTransport } from "@allium/channel";
import { Topology, type TopologyRegistry } from "@allium/kernel";
import { defaultLimits, type LimitsConfig, type RunningRelay, startRelay } from "@allium/relay";
import { NodeServices } from "@effect/platform-node";
import { assert } from "@effect/vitest";
import { Effect, Exit, Layer, Logger, Scope } from "effect";
import { eventually, OPEN_EXIT_POLICY, pause, type TorNetwork, type TorNetworkOptions } from "../../network/index.ts";
import { exitConfig } from "../../support/exit-config.ts";
import { startBeside, waitUntilKnown } from "./allium.ts";

/** A relay in the test's own process, so that a test sees its circuits, its channels and its topology. */
export interface InProcessRelay extends AsyncDisposable {
  readonly relay: RunningRelay;
  readonly topology: TopologyRegistry;
  readonly nickname: string;
  readonly orPort: number;
  readonly dataDirectory: string;
  /** The RSA identity in upper-case hex. */
  readonly fingerprint: string;
  /** What it has logged at `warn` and above. */
  readonly warnings: ReadonlyArray<string>;
  /** Waits until the consensus that it has itself lists so many relays. @throws WaitTimeoutError */
  readonly knowsRelays: (count: number, timeoutMs?: number) => Promise<void>;
}

const SEVERE: ReadonlySet<string> = new Set(["Warn", "Error", "Fatal"]);

/** A network with Allium's relay in this process, an exit. */
export const startWithInProcess = ({
  limits = {},
  ...options
}: TorNetworkOptions & { readonly limits?: Partial<LimitsConfig> } = {}) =>
  startBeside(options, (network) => startInProcess(network, limits), waitUntilKnown);

/** Starts an exit relay that ends with the network. */
const startInProcess = async (network: TorNetwork, limits: Partial<LimitsConfig>): Promise<InProcessRelay> => {
  const nickname = "allium";
  const dataDirectory = join(network.directory, nickname);
  mkdirSync(dataDirectory, { mode: 0o700 });
  const orPort = await network.ports.take();
  const warnings: Array<string> = [];
  const topology = Topology.makeUnsafe();
  const logger = Logger.make(({ logLevel, message }) => {
    if (SEVERE.has(logLevel)) warnings.push(`${logLevel}: ${JSON.stringify(message)}`);
  });
  const scope = Scope.makeUnsafe();
  const config = exitConfig({
    nickname,
    dataDirectory,
    port: orPort,
    authorities: readFileSync(network.authoritiesFile, "utf8"),
    resolvConf: join(network.directory, "resolv.conf"),
    policy: OPEN_EXIT_POLICY,
  });
  const relay = await startRelay({ ...config, limits: { ...defaultLimits, ...limits } }).pipe(
    Scope.provide(scope),
    Effect.provideService(Topology.Registry, topology),
    Effect.provide(Layer.mergeAll(NodeServices.layer, NodeTransport.layer, layerEntropy, Logger.layer([logger]))),
    Effect.runPromise,
  );
  return network.use({
    relay,
    topology,
    nickname,
    orPort,
    dataDirectory,
    fingerprint: relay.fingerprint.split(" ").at(-1)!,
    warnings,
    knowsRelays: async (count, timeoutMs = 60_000) => {
      const known = () => relay.directory.current().consensus?.routers.length ?? 0;
      await eventually(`allium to know ${count} relays`, () => known() >= count, { timeoutMs, everyMs: 50 });
    },
    [Symbol.asyncDispose]: () => Effect.runPromise(Scope.close(scope, Exit.void)),
  });
};

/**
 * How much of each kind of thing there is, of a relay and of the process that it shares with the test. Channels to other
 * relays, and what each of them has, are left out: any of them may open one at any time, and it stays until it is idle for
 * minutes.
 */
export interface Footprint {
  readonly circuits: number;
  /** Channels of clients. */
  readonly clients: number;
  /** Reactor groups, reactors and links in the topology. */
  readonly groups: number;
  readonly reactors: number;
  readonly links: number;
  /** TCP sockets of the process, listeners not counted, and its timers. */
  readonly sockets: number;
  readonly timers: number;
}

/** Reactors of a channel: reader, writer and timers. */
const REACTORS_OF_CHANNEL = 3;

/** Counts what there is now. */
export const footprint = ({ relay, topology }: InProcessRelay): Footprint => {
  const { groups, links } = topology.snapshot();
  const channels = relay.channels.channels();
  const relays = channels.filter(({ peer }) => peer !== undefined).length;
  const resources = process.getActiveResourcesInfo();
  const count = (kind: string): number => resources.filter((name) => name === kind).length;
  return {
    circuits: relay.circuits.circuits().length,
    clients: channels.length - relays,
    groups: groups.length - relays,
    reactors: groups.reduce((sum, group) => sum + group.reactors.length, 0) - REACTORS_OF_CHANNEL * relays,
    links: links.length,
    sockets: count("TCPSocketWrap") - relays,
    timers: count("Timeout") - relays,
  };
};

/**
 * Waits until nothing is left above what there was, and fails with what is: long enough for connections that linger for the other
 * side's end, also where each step of it takes a second.
 */
export const returnsTo = async (before: Footprint, allium: InProcessRelay, timeoutMs = 30_000): Promise<void> => {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const now = footprint(allium);
    const left = Object.entries(now).filter(([kind, count]) => count > before[kind as keyof Footprint]);
    if (left.length === 0) return;
    if (performance.now() > deadline) assert.deepStrictEqual(now, before);
    await pause(25);
  }
};

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Bytes of the heap and of buffers that are in use, after a collection. */
export const heapBytes = async (): Promise<number> => {
  for (let round = 0; round < 3; round++) {
    collect();
    await pause(10);
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};
