import assert from "node:assert/strict";
import { ConfluxUx } from "@allium/cell";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import {
  type ConfluxScheduler,
  confluxParams,
  confluxParamTable,
  cwndRtt,
  LegSelection,
  type LegView,
  schedulerFor,
} from "../src/index.ts";

/** The rules as the proposal has them in words, by lists: slow, and made differently. */
const fastest = (legs: ReadonlyArray<LegView>): LegView | undefined =>
  legs.filter(({ rttUs }) => rttUs > 0).toSorted((a, b) => a.rttUs - b.rttUs)[0];
const free = (legs: ReadonlyArray<LegView>): ReadonlyArray<LegView> =>
  legs.filter(({ blocked, room }) => !blocked && room > 0);
const latency = (legs: ReadonlyArray<LegView>): LegView | undefined => {
  const best = fastest(legs);
  return free(legs).find((leg) => leg === best);
};
const throughput = (legs: ReadonlyArray<LegView>): LegView | undefined => fastest(free(legs));
const inTime = (legs: ReadonlyArray<LegView>): LegView | undefined => {
  const best = fastest(legs);
  if (best === undefined) return undefined;
  // A leg may have what arrives within the fastest one's round trip: a cell at least.
  const fits = (leg: LegView): boolean => leg === best || leg.inSlowStart || leg.room * best.rttUs >= leg.rttUs;
  return latency(legs) ?? fastest(free(legs).filter(fits));
};

type Model = (legs: ReadonlyArray<LegView>) => LegView | undefined;

const randomLeg = (random: Random, leg: number): LegView => {
  const cwnd = random.pick([124, 500, 1 + random.below(2000)]);
  const inflight = random.pick([0, cwnd, cwnd - 1, cwnd + 5, random.below(2 * cwnd)]);
  const rttUs = random.pick([0, 1, 50_000, 50_000, random.below(300_000)]);
  return {
    leg,
    rttUs,
    minRttUs: Math.min(rttUs, random.below(50_000)),
    cwnd,
    inflight,
    room: Math.max(0, cwnd - inflight - random.pick([0, 0, random.below(40)])),
    sendmeInc: 31,
    blocked: random.oneIn(4),
    inSlowStart: random.oneIn(2),
  };
};

const fuzzSchedulers = (random: Random): void => {
  const params = confluxParams((name) => {
    const range = confluxParamTable[name as keyof typeof confluxParamTable];
    return random.pick([undefined, range.min, range.max, random.below(150)]);
  });
  const ux = random.below(7);
  const [scheduler, model]: readonly [ConfluxScheduler, Model] = random.oneIn(4)
    ? [cwndRtt, inTime]
    : [
        schedulerFor(ux, params),
        ux === ConfluxUx.MIN_LATENCY || ux === ConfluxUx.LOW_MEM_LATENCY || ux === ConfluxUx.LOW_MEM_THROUGHPUT
          ? latency
          : throughput,
      ];
  const limited = scheduler.name.includes("low memory");
  const selection = new LegSelection(scheduler, params);
  let legs = Array.from({ length: 1 + random.below(4) }, (_, leg) => randomLeg(random, leg));
  let sinceSwitch = 0;
  let least = 0;
  for (let step = random.below(40); step > 0; step--) {
    legs = legs.map((leg) => (random.oneIn(3) ? randomLeg(random, leg.leg) : leg));
    if (random.oneIn(15) && legs.length > 1) {
      const gone = random.pick(legs);
      legs = legs.filter((leg) => leg !== gone);
      if (selection.current === gone.leg) sinceSwitch = least;
      selection.removed(gone.leg);
      assert.notEqual(selection.current, gone.leg);
      assert.notEqual(selection.previous, gone.leg);
    }
    const before = { current: selection.current, previous: selection.previous, left: selection.cellsUntilSwitch };
    const forData = selection.forData(legs);
    const forOther = selection.forOther(legs);
    const after = { current: selection.current, previous: selection.previous, left: selection.cellsUntilSwitch };
    assert.deepEqual(after, before, "asking changes nothing");
    if (forData !== undefined) assert.ok(forData.room > 0 && !forData.blocked, "DATA only where there is room");
    assert.ok(forOther !== undefined && legs.includes(forOther), "others always find a leg");
    if (forData !== undefined) assert.equal(forOther, forData);
    const previous = legs.find(({ leg }) => leg === selection.previous);
    const drained =
      previous !== undefined &&
      (previous.inflight < previous.sendmeInc || previous.inflight / previous.cwnd <= params.drainPct / 100);
    if (selection.cellsUntilSwitch === 0 || drained) assert.equal(forData, model(legs), scheduler.name);
    else assert.ok(forData === undefined || forData.leg === selection.current, "no switch before its time");
    const chosen = random.oneIn(3) ? forOther : forData;
    if (chosen === undefined) continue;
    const cells = 1 + random.below(60);
    if (chosen.leg !== selection.current) {
      if (limited && chosen === forData && selection.current >= 0) assert.ok(sinceSwitch >= least || drained);
      least = limited && selection.current >= 0 ? Math.floor((chosen.cwnd * params.sendPct) / 100) : 0;
      sinceSwitch = 0;
    }
    selection.sent(chosen, cells);
    sinceSwitch += cells;
    assert.equal(selection.current, chosen.leg);
    assert.equal(selection.cellsUntilSwitch, Math.max(0, least - sinceSwitch));
  }
};

export const targets: ReadonlyArray<FuzzTarget> = [{ name: "conflux/schedulers", run: fuzzSchedulers }];
