import { type Origin, PinnedDialer, TorNetwork, type TorNetworkOptions, type TorNode } from "../network/index.ts";

/** Options of Node, as the first line of `allium-relay` has them. */
export const YOUNG_GENERATION: ReadonlyArray<string> = ["--min-semi-space-size=2", "--max-semi-space-size=2"];

/** A relay of any implementation that is in the network's consensus. */
export interface RelayUnderTest {
  readonly nickname: string;
  /** RSA identity in upper-case hex. */
  readonly fingerprint: string;
  readonly pid: number;
  /** Memory in bytes, where the resident size says too little (a garbage-collected heap). @default the resident size */
  readonly memory?: () => Promise<number>;
}

/** Where on a path of three hops. */
export type Position = "guard" | "middle" | "exit";

export const POSITIONS: ReadonlyArray<Position> = ["guard", "middle", "exit"];

/** A relay of the path, by what is needed to name and to measure it. */
export type PathRelay = Pick<RelayUnderTest, "nickname" | "fingerprint" | "pid">;

/** What all measurements run in: a network, one client that nothing else uses, an origin in a process of its own. */
export interface BenchNetwork extends AsyncDisposable {
  readonly network: TorNetwork;
  readonly client: TorNode;
  readonly dialer: PinnedDialer;
  readonly origin: Origin;
}

/** Starts a network for measuring: three authorities, three relays, two exits, a client. */
export const startBenchNetwork = async (options: TorNetworkOptions = {}): Promise<BenchNetwork> => {
  const network = await TorNetwork.start({ exits: 2, ...options });
  try {
    const client = network.clients[0]!;
    const dialer = network.use(await PinnedDialer.open(client));
    const origin = await network.childOrigin();
    return {
      network,
      client,
      dialer,
      origin,
      [Symbol.asyncDispose]: () => network[Symbol.asyncDispose](),
    };
  } catch (error) {
    await network[Symbol.asyncDispose]();
    throw error;
  }
};

/**
 * A path of three with `relay` at `position`, the rest `tor` daemons of the network.
 *
 * @param past how many of the network's relays to leave for other paths
 */
export const pathThrough = (
  network: TorNetwork,
  relay: RelayUnderTest,
  position: Position,
  past = 0,
): Readonly<Record<Position, PathRelay>> => {
  const free = <A extends PathRelay>(nodes: ReadonlyArray<A>): Array<A> =>
    nodes.filter((node) => node.fingerprint !== relay.fingerprint);
  const [first, second] = free(network.relays).slice(past);
  const exit = position === "exit" ? relay : free(network.exits)[0];
  const guard = position === "guard" ? relay : first;
  const middle = position === "middle" ? relay : position === "guard" ? first : second;
  if (guard === undefined || middle === undefined || exit === undefined) {
    throw new TypeError(`too few tor relays to measure ${relay.nickname} as ${position}`);
  }
  return { guard, middle, exit };
};

/** The hops in order, for EXTENDCIRCUIT. */
export const fingerprints = (path: Readonly<Record<Position, PathRelay>>): ReadonlyArray<string> =>
  POSITIONS.map((position) => path[position].fingerprint);
