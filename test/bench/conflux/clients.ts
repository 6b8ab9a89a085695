import { clientReport } from "../../interop/support/client.ts";
import { confluxSets } from "../../interop/support/conflux.ts";
import { AlliumClient, eventually, type SocksProxy, type TorNetwork } from "../../network/index.ts";

/** Whose an end of a tunnel is. */
export type End = "tor" | "Allium";

/** A client that is ready, and has its sets if it is to have some. */
export interface BenchedClient {
  readonly name: End;
  readonly pid: number;
  socks(isolation: string): SocksProxy;
  /** The number of circuits of each tunnel that has streams now. */
  legsInUse(): Promise<ReadonlyArray<number>>;
  stop(): Promise<void>;
}

/** How a client is to use the network. */
export interface ClientSetting {
  /** Names its files. */
  readonly name: string;
  readonly conflux: boolean;
  /** Fingerprints of relays that it does not leave by. */
  readonly excludeExits: ReadonlyArray<string>;
  /** Fingerprints of relays that it uses for nothing. */
  readonly exclude: ReadonlyArray<string>;
}

/** How long sets may take to be there. */
const LINK_MILLIS = 60_000;

const startTor = async (network: TorNetwork, setting: ClientSetting): Promise<BenchedClient> => {
  const { name, conflux, excludeExits, exclude } = setting;
  const option = (key: string, relays: ReadonlyArray<string>) =>
    relays.length === 0 ? [] : [[key, relays.join()] as const];
  const node = await network.addClient({
    nickname: name,
    extraTorrc: [
      ...option("ExcludeExitNodes", excludeExits),
      ...option("ExcludeNodes", exclude),
      ["ConfluxEnabled", conflux ? 1 : 0],
    ],
  });
  const pairs = async () => [...(await confluxSets(node)).values()].some(({ length }) => length === 2);
  if (conflux) await eventually("a set of two legs", pairs, { timeoutMs: LINK_MILLIS });
  return {
    name: "tor",
    pid: node.pid,
    socks: (isolation) => node.socks(isolation),
    legsInUse: async () => {
      const streams = await node.control.getInfo("stream-status");
      const used = new Set(streams.split("\n").map((line) => /^\d+ SUCCEEDED (\d+) /.exec(line)?.[1]));
      used.delete(undefined);
      const sets = [...(await confluxSets(node)).values()];
      return [...used].map((circuit) => sets.find((legs) => legs.some(({ id }) => id === circuit))?.length ?? 1);
    },
    stop: () => node.stop(),
  };
};

const startAllium = async (network: TorNetwork, setting: ClientSetting): Promise<BenchedClient> => {
  const { name, conflux, excludeExits, exclude } = setting;
  const client = await AlliumClient.start(network, {
    name,
    extra: {
      conflux: { enabled: conflux },
      paths: { exclude: [...exclude], exclude_exits: [...excludeExits] },
    },
  });
  const tunnels = async () => (await clientReport(client)).tunnels;
  const pairs = async () => (await tunnels()).some(({ legs, state }) => legs.length === 2 && state === "open");
  if (conflux) await eventually("a set of two legs", pairs, { timeoutMs: LINK_MILLIS });
  return {
    name: "Allium",
    pid: client.pid,
    socks: (isolation) => client.socks(isolation),
    legsInUse: async () =>
      (await tunnels())
        .filter(({ purpose, streams }) => purpose !== "directory" && streams > 0)
        .map(({ legs }) => legs.length),
    stop: async () => void (await client.stop()),
  };
};

/** Starts a client, and waits until it has what it is to have. */
export const startClient = (whose: End, network: TorNetwork, setting: ClientSetting): Promise<BenchedClient> =>
  whose === "tor" ? startTor(network, setting) : startAllium(network, setting);
