import { readTarget, type Target } from "../../hostile/target.ts";
import { AlliumRelay, type LineSettings, type Origin, TorNetwork } from "../../network/index.ts";
import { alliumIsKnown } from "../allium-bench.ts";
import { Inspector } from "../inspector.ts";
import { type BenchedClient, type End, startClient } from "./clients.ts";

/** How a client is started. */
export interface StartOptions {
  readonly conflux: boolean;
  /** A guard that it does without, by nickname. */
  readonly without?: string;
}

/** A network with conflux, in which one exit is `tor`'s and one Allium's, and all other relays are `tor`'s. */
export interface ConfluxBench extends AsyncDisposable {
  readonly network: TorNetwork;
  readonly origin: Origin;
  /** Of the exit's process. */
  pidOf(exit: End): number;
  /** What a peer has to know of it. */
  targetOf(exit: End): Target;
  /** The platform's inspector in Allium's exit, opened now. */
  inspectExit(): Promise<Inspector>;
  /** Starts a client that leaves by one of the exits. */
  start(client: End, exit: End, options: StartOptions): Promise<BenchedClient>;
}

/** What is in it. */
export interface ConfluxBenchOptions {
  /** Lines in front of relays, by nickname: these relays are all guards that there are. @default no lines, and all relays are guards */
  readonly lines?: Readonly<Record<string, LineSettings>>;
  readonly onProgress: (text: string) => void;
}

const RELAYS = 5;

/** Three authorities, five relays, two exits; returns when everybody knows everybody. */
export const startConfluxBench = async ({ lines, onProgress }: ConfluxBenchOptions): Promise<ConfluxBench> => {
  let relay: AlliumRelay | undefined;
  let inspectorPort = 0;
  const guards = lines === undefined ? undefined : Object.keys(lines);
  const network = await TorNetwork.start({
    relays: RELAYS,
    exits: 1,
    clients: 0,
    equalBandwidths: true,
    // Each round takes a set of its own. Memory is measured by a peer that nobody knows, so that it need not be a client of one hop.
    consensusParams: { cfx_enabled: 1, cfx_max_linked_set: 100, refuseunknownexits: 0 },
    ...(guards === undefined ? {} : { lines, voting: { guards } }),
    onProgress: ({ phase, seconds, text }) => phase !== "client" && onProgress(`${seconds.toFixed(1)} s ${text}`),
    beside: async (starting) => {
      inspectorPort = await starting.ports.take();
      relay = await AlliumRelay.start(starting, {
        exit: { policy: ["accept *:*"] },
        // By the environment, so that the program's first line counts as it does for an operator.
        env: { NODE_OPTIONS: `--inspect-port=127.0.0.1:${inspectorPort}` },
      });
    },
  });
  try {
    const allium = relay!;
    const known = await alliumIsKnown(network, allium);
    if (guards !== undefined) await assertGuards(network, guards);
    const [exit] = network.exits;
    const origin = await network.childOrigin();
    const others: Readonly<Record<End, string>> = { tor: known.fingerprint, Allium: exit!.fingerprint };
    let started = 0;
    return {
      network,
      origin,
      pidOf: (which) => (which === "tor" ? exit!.pid : allium.pid),
      targetOf: (which) =>
        readTarget(which === "tor" ? exit! : { ...known, orPort: allium.orPort, dataDirectory: allium.dataDirectory }),
      inspectExit: async () => {
        allium.signal("SIGUSR1");
        return await Inspector.connect(inspectorPort);
      },
      start: (client, leaves, { conflux, without }) => {
        onProgress(
          `starting a client of ${client}'s, for the exit of ${leaves}'s${conflux ? "" : ", without conflux"}`,
        );
        return startClient(client, network, {
          name: `${client.toLowerCase()}${++started}`,
          conflux,
          excludeExits: [others[leaves]],
          exclude: without === undefined ? [] : [network.node(without).fingerprint],
        });
      },
      [Symbol.asyncDispose]: () => network[Symbol.asyncDispose](),
    };
  } catch (error) {
    await network[Symbol.asyncDispose]();
    throw error;
  }
};

/** A client that finds another guard goes past the lines. */
const assertGuards = async (network: TorNetwork, expected: ReadonlyArray<string>): Promise<void> => {
  for (const authority of network.authorities) {
    const listed = (await authority.routerStatuses()).filter(({ flags }) => flags.has("Guard"));
    const names = listed.map(({ nickname }) => nickname).sort();
    if (names.join() !== [...expected].sort().join()) throw new Error(`the guards are ${names.join(", ")}`);
  }
};
