import { AlliumRelay, type RouterStatus, type TorNetwork, type TorNetworkOptions } from "../network/index.ts";
import { perfArguments } from "./perf-record.ts";
import { type BenchNetwork, type RelayUnderTest, startBenchNetwork, YOUNG_GENERATION } from "./support.ts";

/** A network for measuring that has Allium's relay in it, as an exit among `tor` daemons. */
export interface AlliumBench extends BenchNetwork {
  readonly allium: AlliumRelay;
  readonly relay: RelayUnderTest;
  /** Where the platform's inspector of Allium's process listens; undefined without `inspect`. */
  readonly inspectorPort: number | undefined;
}

/** What is in it. */
export interface AlliumBenchOptions {
  /** @default 1 */
  readonly clients?: number;
  /** Serves metrics. @default false */
  readonly metrics?: boolean;
  /** Opens the platform's inspector, which takes profiles. @default false */
  readonly inspect?: boolean;
  /** Whether the system's `perf` is to know Allium's functions by name. @default false */
  readonly perf?: boolean;
  readonly onProgress?: (text: string) => void;
}

/** Four relays and an exit of `tor` beside Allium's relay, without conflux; returns when everybody knows everybody. */
export const startAlliumBench = async (options: AlliumBenchOptions = {}): Promise<AlliumBench> => {
  const { clients = 1, metrics = false, inspect = false, perf = false, onProgress = () => {} } = options;
  let allium: AlliumRelay | undefined;
  let inspectorPort: number | undefined;
  const network: TorNetworkOptions = {
    relays: 4,
    exits: 1,
    clients,
    consensusParams: { cfx_enabled: 0 },
    onProgress: ({ phase, seconds, text }) => phase !== "client" && onProgress(`${seconds.toFixed(1)} s ${text}`),
    beside: async (starting) => {
      inspectorPort = inspect ? await starting.ports.take() : undefined;
      allium = await AlliumRelay.start(starting, {
        exit: { policy: ["accept *:*"] },
        metrics,
        // By the environment, so that the program's first line counts as it does for an operator.
        ...(inspectorPort === undefined ? {} : { env: { NODE_OPTIONS: `--inspect=127.0.0.1:${inspectorPort}` } }),
        ...(perf ? { nodeArguments: [...YOUNG_GENERATION, ...perfArguments(starting.directory)] } : {}),
      });
    },
  };
  const bench = await startBenchNetwork(network);
  try {
    if (allium === undefined) throw new Error("Allium's relay was not started");
    const { fingerprint } = await alliumIsKnown(bench.network, allium);
    const relay = { nickname: "Allium", fingerprint, pid: allium.pid };
    return { ...bench, allium, relay, inspectorPort };
  } catch (error) {
    await bench[Symbol.asyncDispose]();
    throw error;
  }
};

/** Waits until Allium's relay is in the consensus, and knows all others. */
export const alliumIsKnown = async (network: TorNetwork, allium: AlliumRelay): Promise<RouterStatus> => {
  const listed = network.waitForConsensus(allium.nickname, { flags: ["Running", "Valid"] });
  const { status } = await allium.whileRunning(listed);
  // An exit serves no streams from a relay that it does not know.
  await allium.knowsRelays(network.nodes.length - network.clients.length);
  return status;
};
