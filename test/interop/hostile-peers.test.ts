import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import type { Arena, HostileCase } from "../hostile/case.ts";
import { create, type HostileCircuit } from "../hostile/circuit.ts";
import { differences } from "../hostile/differences.ts";
import { playChannel, playCircuit } from "../hostile/generate.ts";
import { playStreams } from "../hostile/generate-streams.ts";
import { authenticate } from "../hostile/handshake.ts";
import { makeIdentity } from "../hostile/identity.ts";
import { LinkPeer } from "../hostile/link-peer.ts";
import { type RunningServices, startServices } from "../hostile/services.ts";
import { FORBIDDEN, isServed } from "../hostile/stage.ts";
import { hostileTable } from "../hostile/table.ts";
import { readTarget } from "../hostile/target.ts";
import { type AlliumRelay, OPEN_EXIT_POLICY, pause, type TorNetwork } from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { startWithAllium, texts } from "./support/allium.ts";

const POLICY = [`reject ${FORBIDDEN}:*`, ...OPEN_EXIT_POLICY];

/** Sequences of each kind that are generated, each from a seed of its own. */
const GENERATED = 40;

/** Who minds his own business while others are attacked. */
interface Bystander {
  readonly peer: LinkPeer;
  readonly circuit: HostileCircuit;
}

const openBystander = async (arena: Arena): Promise<Bystander> => {
  const peer = await LinkPeer.connect(arena.target.port);
  await authenticate(peer, await makeIdentity());
  return { peer, circuit: await create(peer, arena.target) };
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

describeWithTor("hostile peers, at Allium's relay and at tor's", () => {
  let network: TorNetwork;
  let relay: AlliumRelay;
  let services: RunningServices;
  let allium: Arena;
  let tor: Arena;
  let bystanders: ReadonlyArray<Bystander> = [];
  /** Cases that are about time: all go on beside the others. */
  const waiting = new Map<HostileCase, Promise<readonly [string, string]>>();

  const play = async ({ play }: HostileCase): Promise<readonly [string, string]> =>
    await Promise.all([play(allium), play(tor)]);

  beforeAll(async () => {
    ({ network, allium: relay } = await startWithAllium({
      exits: 1,
      relays: 0,
      clients: 0,
      policy: POLICY,
      exitPolicy: POLICY,
      // The attacker is a relay that nobody knows, so that it need not be a client of one hop.
      consensusParams: { refuseunknownexits: 0 },
    }));
    services = await startServices(() => network.ports.take());
    const [exit, authority] = [network.exits[0]!, network.authorities[0]!];
    const { status } = await network.waitForConsensus("allium");
    const identity = await makeIdentity();
    const arenaOf = (target: Arena["target"]): Arena => ({
      target,
      other: readTarget(authority),
      identity,
      services: services.ports,
      freePort: () => network.ports.take(),
    });
    const { nickname, orPort, dataDirectory } = relay;
    allium = arenaOf(readTarget({ nickname, orPort, dataDirectory, fingerprint: status.fingerprint }));
    tor = arenaOf(readTarget(exit));
    bystanders = await Promise.all([openBystander(allium), openBystander(tor)]);
    await Promise.all(bystanders.map(({ circuit }) => waitUntilServing(circuit)));
    for (const patient of hostileTable.at(-1)?.cases ?? []) waiting.set(patient, play(patient));
  });

  afterAll(async () => {
    await Promise.allSettled(waiting.values());
    for (const { peer } of bystanders) peer.destroy();
    await services?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
  });

  const nobodyElseNotices = async (): Promise<void> => {
    const served = await Promise.all(bystanders.map(({ circuit }) => isServed(circuit)));
    assert.deepStrictEqual(served, [true, true], "bystanders at Allium and at tor");
  };

  for (const { title, cases } of hostileTable) {
    describe(title, () => {
      for (const hostile of cases) {
        it(hostile.what, async () => {
          const [ours, theirs] = await (waiting.get(hostile) ?? play(hostile));
          const difference = differences.find(({ what }) => what === hostile.what);
          assert.deepStrictEqual(
            { allium: ours, tor: theirs },
            { allium: hostile.answer, tor: difference?.tor ?? hostile.answer },
          );
          await nobodyElseNotices();
        });
      }
    });
  }

  describe("generated sequences are answered alike", () => {
    const kinds = [
      ["on a circuit", playCircuit],
      ["on a channel", playChannel],
      ["on streams", playStreams],
    ] as const;
    for (let seed = 1; seed <= GENERATED; seed++) {
      for (const [where, playSequence] of kinds) {
        it(`${where}, seed ${seed}`, async () => {
          const [ours, theirs] = await Promise.all([playSequence(seed, allium), playSequence(seed, tor)]);
          assert.deepStrictEqual(ours.answers, theirs.answers, ours.steps.join("; "));
          await nobodyElseNotices();
        });
      }
    }
  });

  it("none of it is an error of Allium's, or worth a warning", () => {
    assert.isTrue(relay.running);
    assert.deepStrictEqual(texts(relay.warnings()), []);
  });
});
