import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import type { Arena, HostileCase } from "../hostile/case.ts";
import { differences } from "../hostile/differences.ts";
import { playChannel, playCircuit } from "../hostile/generate.ts";
import { playStreams } from "../hostile/generate-streams.ts";
import { type RunningServices, startServices } from "../hostile/services.ts";
import { hostileTable } from "../hostile/table.ts";
import { describeWithTor } from "../network/vitest.ts";
import { texts } from "./support/allium.ts";
import { arenasOf, type HostileNetwork, startHostileNetwork } from "./support/hostile.ts";

/** Sequences of each kind that are generated, each from a seed of its own. */
const GENERATED = 40;

describeWithTor("hostile peers, at Allium's relay and at tor's", () => {
  let stage: HostileNetwork;
  let services: RunningServices;
  let allium: Arena;
  let tor: Arena;
  /** Cases that are about time: all go on beside the others. */
  const waiting = new Map<HostileCase, Promise<readonly [string, string]>>();

  const play = async ({ play }: HostileCase): Promise<readonly [string, string]> =>
    await Promise.all([play(allium), play(tor)]);

  beforeAll(async () => {
    stage = await startHostileNetwork();
    services = await startServices(() => stage.network.ports.take());
    ({ allium, tor } = await arenasOf(stage, services.ports));
    for (const patient of hostileTable.at(-1)?.cases ?? []) waiting.set(patient, play(patient));
  });

  afterAll(async () => {
    await Promise.allSettled(waiting.values());
    await services?.[Symbol.asyncDispose]();
    await stage?.[Symbol.asyncDispose]();
  });

  for (const { title, cases } of hostileTable) {
    describe(title, () => {
      for (const hostile of cases) {
        it(hostile.what, async () => {
          const [ours, theirs] = await (waiting.get(hostile) ?? play(hostile));
          const difference = differences.find(({ what }) => what === hostile.what);
          const isAlike = difference === undefined || (difference.mostly === true && theirs === ours);
          assert.deepStrictEqual(
            { allium: ours, tor: theirs },
            { allium: hostile.answer, tor: isAlike ? hostile.answer : difference.tor },
          );
          await stage.nobodyElseNotices();
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
          await stage.nobodyElseNotices();
        });
      }
    }
  });

  it("none of it is an error of Allium's, or worth a warning", () => {
    assert.isTrue(stage.relay.running);
    assert.deepStrictEqual(texts(stage.relay.warnings()), []);
  });
});
