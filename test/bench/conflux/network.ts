import { clientReport } from "../../interop/support/client.ts";
import { confluxSets } from "../../interop/support/conflux.ts";
import {
  AlliumClient,
  AlliumRelay,
  eventually,
  type Origin,
  type SocksProxy,
  TorNetwork,
} from "../../network/index.ts";
import { alliumIsKnown } from "../allium-bench.ts";

/** Whose an end of a tunnel is. */
export type End = "tor" | "Allium";

/** A client that is ready, and has its sets if it is to have some. */
export interface BenchedClient {
  readonly name: End;
  readonly pid: number;
  socks(isolation: string): SocksProxy;
  stop(): Promise<void>;
}

/** A network with conflux, in which one exit is `tor`'s and one Allium's, and all other relays are `tor`'s. */
export interface ConfluxBench extends AsyncDisposable {
  readonly network: TorNetwork;
  readonly origin: Origin;
  /** Of the exit's process. */
  pidOf(exit: End): number;
  /** Starts a client that leaves by one of the exits. */
  start(client: End, exit: End, conflux: boolean): Promise<BenchedClient>;
}

const RELAYS = 5;

/** Three authorities, five relays, two exits; returns when everybody knows everybody. */
export const startConfluxBench = async (onProgress: (text: string) => void): Promise<ConfluxBench> => {
  let relay: AlliumRelay | undefined;
  const network = await TorNetwork.start({
    relays: RELAYS,
    exits: 1,
    clients: 0,
    equalBandwidths: true,
    consensusParams: { cfx_enabled: 1 },
    onProgress: ({ phase, seconds, text }) => phase !== "client" && onProgress(`${seconds.toFixed(1)} s ${text}`),
    beside: async (starting) => {
      relay = await AlliumRelay.start(starting, { exit: { policy: ["accept *:*"] } });
    },
  });
  try {
    const allium = relay!;
    const known = await alliumIsKnown(network, allium);
    const [exit] = network.exits;
    const origin = await network.childOrigin();
    const others: Readonly<Record<End, string>> = { tor: known.fingerprint, Allium: exit!.fingerprint };
    let started = 0;

    const startTor = async (leaves: End, conflux: boolean): Promise<BenchedClient> => {
      const node = await network.addClient({
        nickname: `tor${++started}`,
        extraTorrc: [
          ["ExcludeExitNodes", others[leaves]],
          ["ConfluxEnabled", conflux ? 1 : 0],
        ],
      });
      if (conflux)
        await eventually(
          "a set of two legs",
          async () => [...(await confluxSets(node)).values()].some(({ length }) => length === 2),
          { timeoutMs: 60_000 },
        );
      return { name: "tor", pid: node.pid, socks: (isolation) => node.socks(isolation), stop: () => node.stop() };
    };
    const startAllium = async (leaves: End, conflux: boolean): Promise<BenchedClient> => {
      const client = await AlliumClient.start(network, {
        name: `allium-client${++started}`,
        extra: {
          conflux: { enabled: conflux },
          paths: { exclude_exits: [others[leaves]] },
        },
      });
      if (conflux)
        await eventually(
          "a set of two legs",
          async () =>
            (await clientReport(client)).tunnels.some(({ legs, state }) => legs.length === 2 && state === "open"),
          { timeoutMs: 60_000 },
        );
      return {
        name: "Allium",
        pid: client.pid,
        socks: (isolation) => client.socks(isolation),
        stop: async () => void (await client.stop()),
      };
    };
    return {
      network,
      origin,
      pidOf: (which) => (which === "tor" ? exit!.pid : allium.pid),
      start: (client, leaves, conflux) => {
        onProgress(
          `starting a client of ${client}'s, for the exit of ${leaves}'s${conflux ? "" : ", without conflux"}`,
        );
        return client === "tor" ? startTor(leaves, conflux) : startAllium(leaves, conflux);
      },
      [Symbol.asyncDispose]: () => network[Symbol.asyncDispose](),
    };
  } catch (error) {
    await network[Symbol.asyncDispose]();
    throw error;
  }
};
