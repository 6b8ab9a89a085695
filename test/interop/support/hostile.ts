import { assert } from "@effect/vitest";
import type { Arena } from "../../hostile/case.ts";
import { create, type HostileCircuit } from "../../hostile/circuit.ts";
import { authenticate } from "../../hostile/handshake.ts";
import { makeIdentity } from "../../hostile/identity.ts";
import { LinkPeer } from "../../hostile/link-peer.ts";
import { FORBIDDEN, isServed } from "../../hostile/stage.ts";
import { readTarget, type Target } from "../../hostile/target.ts";
import { type AlliumRelay, OPEN_EXIT_POLICY, pause, type TorNetwork } from "../../network/index.ts";
import { startWithAllium } from "./allium.ts";

const POLICY = [`reject ${FORBIDDEN}:*`, ...OPEN_EXIT_POLICY];

/** Who minds his own business while others are attacked. */
interface Bystander {
  readonly peer: LinkPeer;
  readonly circuit: HostileCircuit;
}

const openBystander = async (target: Target): Promise<Bystander> => {
  const peer = await LinkPeer.connect(target.port);
  await authenticate(peer, await makeIdentity());
  return { peer, circuit: await create(peer, target) };
};

/** A relay knows the network's parameters a moment after the authorities: until then it takes the attacker for a client. */
const waitUntilServing = async (circuit: HostileCircuit): Promise<void> => {
  for (let attempt = 0; attempt < 200; attempt++) {
    await isServed(circuit);
    if (circuit.events.at(-1)?.body[0] === EXITPOLICY) return;
    await pause(250);
  }
  assert.fail("the relay never served the bystander");
};

const EXITPOLICY = 4;

/** An exit of Allium's and one of `tor`'s in one network, to which the same is done. */
export interface HostileNetwork extends AsyncDisposable {
  readonly network: TorNetwork;
  readonly relay: AlliumRelay;
  readonly allium: Target;
  readonly tor: Target;
  /** Fails if a bystander at one of the two is not served any more. */
  readonly nobodyElseNotices: () => Promise<void>;
}

/** Starts both, and waits until they serve. */
export const startHostileNetwork = async (relays = 0): Promise<HostileNetwork> => {
  const { network, allium: relay } = await startWithAllium({
    exits: 1,
    relays,
    clients: 0,
    policy: POLICY,
    exitPolicy: POLICY,
    // The attacker is a relay that nobody knows, so that it need not be a client of one hop.
    consensusParams: { refuseunknownexits: 0 },
  });
  const { status } = await network.waitForConsensus("allium");
  const { nickname, orPort, dataDirectory } = relay;
  const allium = readTarget({ nickname, orPort, dataDirectory, fingerprint: status.fingerprint });
  const tor = readTarget(network.exits[0]!);
  const bystanders = await Promise.all([openBystander(allium), openBystander(tor)]);
  await Promise.all(bystanders.map(({ circuit }) => waitUntilServing(circuit)));
  return {
    network,
    relay,
    allium,
    tor,
    nobodyElseNotices: async () => {
      const served = await Promise.all(bystanders.map(({ circuit }) => isServed(circuit)));
      assert.deepStrictEqual(served, [true, true], "bystanders at Allium and at tor");
    },
    [Symbol.asyncDispose]: async () => {
      for (const { peer } of bystanders) peer.destroy();
      await network[Symbol.asyncDispose]();
    },
  };
};

/** What is the same for both when a case is played. */
export const arenasOf = async (
  { network, allium, tor }: HostileNetwork,
  services: Arena["services"],
): Promise<{ readonly allium: Arena; readonly tor: Arena }> => {
  const shared = {
    other: readTarget(network.authorities[0]!),
    identity: await makeIdentity(),
    services,
    freePort: () => network.ports.take(),
  };
  return { allium: { ...shared, target: allium }, tor: { ...shared, target: tor } };
};
