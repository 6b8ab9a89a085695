import { AlliumRelay, type Origin, TorNetwork } from "../../network/index.ts";
import { alliumIsKnown } from "../allium-bench.ts";
import { AlliumUnderTest, type ClientSetting, type ClientUnderTest, TorUnderTest } from "./under-test.ts";

/** By whose exits a client's streams leave the network. */
export type ExitKind = "tor" | "Allium";

/** Where clients are measured: a network of `tor` without conflux, perhaps with Allium's exit in it, and an origin. */
export interface ClientBench extends AsyncDisposable {
  readonly network: TorNetwork;
  readonly origin: Origin;
  /** Starts Allium's client and `tor`'s, and waits until both are ready. Other relays than the exit are `tor`'s. */
  clients(name: string, exit?: ExitKind): Promise<ReadonlyArray<ClientUnderTest>>;
  /** Starts Allium's client alone. */
  allium(setting: ClientSetting): Promise<AlliumUnderTest>;
}

/** How to start it. */
export interface ClientBenchOptions {
  /** Whether Allium's relay is one of the exits. */
  readonly alliumExit: boolean;
  readonly onProgress: (text: string) => void;
}

/** Three authorities, four relays and two exits; returns when everybody knows everybody. */
export const startClientBench = async ({ alliumExit, onProgress }: ClientBenchOptions): Promise<ClientBench> => {
  let relay: AlliumRelay | undefined;
  const network = await TorNetwork.start({
    relays: 4,
    exits: 2,
    clients: 0,
    consensusParams: { cfx_enabled: 0 },
    onProgress: ({ phase, seconds, text }) => phase !== "client" && onProgress(`${seconds.toFixed(1)} s ${text}`),
    beside: async (starting) => {
      if (alliumExit) relay = await AlliumRelay.start(starting, { exit: { policy: ["accept *:*"] } });
    },
  });
  try {
    const known = relay === undefined ? undefined : await alliumIsKnown(network, relay);
    const origin = await network.childOrigin();
    const setting = (name: string, exit: ExitKind): ClientSetting => {
      if (exit === "Allium") {
        return { name: `${name}-allium`, excludeExits: network.exits.map(({ fingerprint }) => fingerprint) };
      }
      return { name, exclude: known === undefined ? [] : [known.fingerprint] };
    };
    return {
      network,
      origin,
      clients: async (name, exit = "tor") => {
        onProgress(`starting clients: ${name}, exits of ${exit}`);
        const wanted = setting(name, exit);
        return [await AlliumUnderTest.start(network, wanted), await TorUnderTest.start(network, wanted)];
      },
      allium: (wanted) => AlliumUnderTest.start(network, wanted),
      [Symbol.asyncDispose]: () => network[Symbol.asyncDispose](),
    };
  } catch (error) {
    await network[Symbol.asyncDispose]();
    throw error;
  }
};
