import { assert, describe, it } from "@effect/vitest";
import { planOf } from "../draw-plan.ts";
import type { LinePlan, Plan } from "../plan.ts";
import { simulate, simulatePlan } from "../simulate.ts";

const LINE: LinePlan = { delay: 10, rate: 4, burst: 16, changes: [] };

/** One set of two legs, and a stream that carries 50 kB each way. */
const PLAN: Plan = {
  seed: 1,
  maxTrain: 32,
  split: { initiator: false, responder: false },
  resumption: { initiator: false, responder: false },
  ux: { initiator: 3, responder: 3 },
  switching: { sendPct: 100, drainPct: 0 },
  window: { sendmeInc: 8, init: 16, min: 8, max: 200 },
  buffers: { stream: 100_000, hop: 1_000_000, xoff: 250_000 },
  memory: { initiator: undefined, responder: undefined },
  legs: [0, 1].map((number) => ({
    linksAt: 0,
    timeout: 60_000,
    outboxCells: 128,
    lines: { initiator: { ...LINE, delay: 10 + number }, responder: LINE },
    death: undefined,
  })),
  streams: [
    {
      opensAt: 0,
      kind: "begin",
      leg: 0,
      patience: undefined,
      opening: { after: 0, refuses: false },
      speakers: {
        initiator: { bytes: 50_000, chunk: 5_000, pauses: [], finish: "end" },
        responder: { bytes: 50_000, chunk: 5_000, pauses: [], finish: "answer" },
      },
    },
  ],
  close: { at: undefined, by: ["initiator"], how: "circuits", rests: true },
};

/** The plan, with another line of the second leg towards the responder. */
const withLine = (line: Partial<LinePlan>): Plan => ({
  ...PLAN,
  legs: PLAN.legs.map((leg, number) =>
    number === 0 ? leg : { ...leg, lines: { ...leg.lines, initiator: { ...leg.lines.initiator, ...line } } },
  ),
});

describe("a simulated set", () => {
  it("sends on both legs, and ends as it should", async () => {
    const { complaints, trace, figures } = await simulatePlan(PLAN);
    assert.deepStrictEqual(complaints, []);
    for (const way of ["0 →", "1 →", "0 ←", "1 ←"]) assert.match(trace, new RegExp(`leg ${way}: .*DATA`));
    assert.strictEqual(figures.fate, "lived");
    assert.isAbove(figures.mostHeld, 0);
  });

  it("is the same for the same seed, byte for byte, and another for another", async () => {
    const hashes = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      const [once, again] = [await simulate(seed), await simulate(seed)];
      assert.strictEqual(once.trace, again.trace, `seed ${seed}`);
      assert.strictEqual(once.hash, again.hash);
      hashes.add(once.hash);
    }
    assert.isAbove(hashes.size, 190);
  });

  it("is drawn the same for the same seed", () => {
    assert.deepStrictEqual(planOf(7), planOf(7));
    assert.notDeepEqual(planOf(7), planOf(8));
  });
});

describe("the simulation complains", () => {
  it("if all stands still, for a leg that loses its cells", async () => {
    const { complaints } = await simulatePlan(withLine({ losesFrom: 10 }));
    assert.include(complaints.join(), "it stands still: stream 0");
    assert.include(complaints.join(), "of 50000 bytes of a stream that ended in order");
  });
});
