import type { AlliumClient, SocksProxy, TorNode } from "../../network/index.ts";
import { texts } from "./allium.ts";
import { clientReport } from "./client.ts";

/** A circuit of a set, as a `tor` client's control port shows it. */
export interface LinkedCircuit {
  readonly id: string;
  readonly line: string;
}

/** A client's linked circuits by the set that they are in. */
export const confluxSets = async ({ control }: TorNode): Promise<ReadonlyMap<string, ReadonlyArray<LinkedCircuit>>> => {
  const status = await control.getInfo("circuit-status");
  const sets = new Map<string, ReadonlyArray<LinkedCircuit>>();
  for (const line of status.split("\n")) {
    const set = /CONFLUX_ID=([0-9A-F]+)/i.exec(line)?.[1];
    const [id = ""] = line.split(" ");
    if (set === undefined || !line.includes("PURPOSE=CONFLUX_LINKED")) continue;
    sets.set(set, [...(sets.get(set) ?? []), { id, line }]);
  }
  return sets;
};

/** A set that takes streams. */
export interface OpenSet {
  /** The nicknames of its legs' guards. */
  readonly guards: ReadonlyArray<string>;
  /** Streams that it has. */
  readonly streams: number;
  /** Whether it has had any: then it is there for those of their isolation alone. */
  readonly isUsed: boolean;
}

/** A client of sets, whichever program it is. */
export interface ConfluxClient {
  /** Its proxy; streams of different texts do not share a set. */
  readonly socks: (isolation: string) => SocksProxy;
  /** Its sets of two legs. */
  readonly sets: () => Promise<ReadonlyArray<OpenSet>>;
  readonly warnings: () => ReadonlyArray<string>;
  readonly stop: () => Promise<unknown>;
}

/** `tor` as the client, by its control port. */
export const torClient = (node: TorNode): ConfluxClient => ({
  socks: (isolation) => node.socks(isolation),
  sets: async () => {
    const status = await node.control.getInfo("stream-status");
    // `StreamID StreamStatus CircuitID Target`; a stream is on any of its set's circuits.
    const carriers = [...status.matchAll(/^\d+ \w+ (\d+) /gm)].map(([, circuit]) => circuit);
    return [...(await confluxSets(node)).values()]
      .filter((legs) => legs.length === 2)
      .map((legs) => ({
        guards: legs.map(({ line }) => /~(\w+)/.exec(line)?.[1] ?? ""),
        streams: carriers.filter((circuit) => legs.some(({ id }) => id === circuit)).length,
        isUsed: legs.some(({ line }) => line.includes("SOCKS_USERNAME=")),
      }));
  },
  warnings: () => texts(node.warnings()),
  stop: () => node.stop(),
});

/** Allium's client, by what `circuits` shows. */
export const alliumClient = (client: AlliumClient): ConfluxClient => ({
  socks: (isolation) => client.socks(isolation),
  sets: async () =>
    (await clientReport(client)).tunnels
      .filter(({ legs, state }) => legs.length === 2 && (state === "open" || state === "retired"))
      .map(({ legs, streams, dirtySince }) => ({
        guards: legs.map(({ hops }) => hops[0]?.nickname ?? ""),
        streams,
        isUsed: dirtySince !== undefined,
      })),
  warnings: () => texts(client.warnings()),
  stop: () => client.stop(),
});
