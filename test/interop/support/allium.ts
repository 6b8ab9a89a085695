import type { Socket } from "node:net";
import { join } from "node:path";
import { assert } from "@effect/vitest";
import {
  AlliumRelay,
  formatRequest,
  TorNetwork as Network,
  OPEN_EXIT_POLICY,
  type OriginRequest,
  SocketReader,
  SocksError,
  type TorNetwork,
  type TorNetworkOptions,
} from "../../network/index.ts";

/** With conflux in the consensus clients prefer its sets, and these tests are about circuits. */
export const WITHOUT_CONFLUX = { cfx_enabled: 0 };

/** The table `[exit]` of a relay that lets everything out, as the network's `tor` exits do, and asks the same name server. */
export const openExit = (network: TorNetwork, policy: ReadonlyArray<string> = OPEN_EXIT_POLICY) => ({
  enabled: true,
  policy,
  reject_private: false,
  ipv6: true,
  resolv_conf: join(network.directory, "resolv.conf"),
});

/** A program on Node starts slower than a daemon, above all on a busy machine: seconds until the first consensus. */
export const UNHURRIED = { firstAfter: 12 };

/**
 * Waits until everybody's consensus has Allium's relay as an exit, and Allium's has everybody. An exit serves no streams from a
 * relay that it does not know: if the first consensus went without, that takes it another round.
 */
export const waitUntilKnown = async (network: TorNetwork, allium: Pick<AlliumRelay, "knowsRelays">): Promise<void> => {
  const flags = ["Running", "Valid", "Exit"];
  const others = [...network.authorities, ...network.relays, ...network.exits];
  await Promise.all([
    // Of all authorities: a client asks any of them for its first.
    ...others.map((at) => network.waitForConsensus("allium", { at, flags, timeoutMs: 90_000 })),
    // Itself among them.
    allium.knowsRelays(others.length + 1, 90_000),
  ]);
};

/** A network whose first consensus has what `start` starts in it, as an exit; once that is known to all, its clients come. */
export const startBeside = async <A>(
  options: TorNetworkOptions,
  start: (network: TorNetwork) => Promise<A>,
  known: (network: TorNetwork, allium: A) => Promise<void>,
): Promise<{ readonly network: TorNetwork; readonly allium: A }> => {
  let allium: A | undefined;
  const { clients = 1 } = options;
  const network = await Network.start({
    ...options,
    clients: 0,
    consensusParams: { ...WITHOUT_CONFLUX, ...options.consensusParams },
    voting: { ...UNHURRIED, ...options.voting },
    beside: async (starting) => {
      allium = await start(starting);
    },
  });
  try {
    await known(network, allium!);
    await Promise.all(Array.from({ length: clients }, () => network.addClient()));
    return { network, allium: allium! };
  } catch (error) {
    await network[Symbol.asyncDispose]();
    throw error;
  }
};

/** A network with Allium's relay in a process of its own, an exit. */
export const startWithAllium = ({
  policy,
  metrics = false,
  conflux = {},
  ...options
}: TorNetworkOptions & {
  readonly policy?: ReadonlyArray<string>;
  readonly metrics?: boolean;
  /** Its `[conflux]`. */
  readonly conflux?: Readonly<Record<string, boolean>>;
} = {}) =>
  startBeside(
    options,
    (network) => AlliumRelay.start(network, { metrics, extra: { exit: openExit(network, policy), conflux } }),
    (network, allium) => allium.whileRunning(waitUntilKnown(network, allium)),
  );

/** Sends a request to the origin on a connected socket. */
export const ask = (socket: Socket, request: OriginRequest): SocketReader => {
  socket.write(formatRequest(request));
  return new SocketReader(socket);
};

/** The SOCKS reply code that an attempt ends with. */
export const socksCode = async (attempt: Promise<unknown>): Promise<number> =>
  await attempt.then(
    () => assert.fail("succeeded"),
    (error: unknown) => {
      assert.instanceOf(error, SocksError);
      return error.code;
    },
  );

/** The lines of a log that somebody should look at, as texts. */
export const texts = (findings: ReadonlyArray<{ readonly text: string }>): ReadonlyArray<string> =>
  findings.map(({ text }) => text);
