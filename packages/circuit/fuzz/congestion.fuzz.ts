import assert from "node:assert/strict";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import {
  CongestionError,
  congestionControl,
  congestionParams,
  congestionParamTable,
  Micros,
  receiveAccount,
} from "../src/congestion/index.ts";
import {
  FlowError,
  flowParams,
  flowParamTable,
  type StreamFlow,
  windowFlow,
  XonRate,
  xonXoffFlow,
} from "../src/flow/index.ts";

type Ranges = Readonly<Record<string, { readonly default: number; readonly min: number; readonly max: number }>>;

/** A consensus as an authority gone mad might vote it. */
const randomConsensus = (random: Random, table: Ranges): ((name: string) => number | undefined) => {
  const values = new Map<string, number>();
  for (const [name, range] of Object.entries(table)) {
    if (random.oneIn(2)) continue;
    const within = range.min + random.below(Math.min(range.max - range.min, 5000) + 1);
    values.set(name, random.pick([within, range.min, range.max, -0x8000_0000, 0x7fff_ffff]));
  }
  return (name) => values.get(name);
};

/** A clock that stands still, creeps, runs, jumps, and, as it must not, goes back. */
const nextTime = (random: Random, now: number): Micros =>
  Micros(Math.max(now + random.pick([0, 1, random.below(1000), random.below(1_000_000), 1e10, -random.below(1e6)]), 0));

/** Runs `act`. True if it threw the typed error of this package, false if it returned; anything else is a finding. */
const violates = (act: () => unknown): boolean => {
  try {
    act();
    return false;
  } catch (error) {
    if (error instanceof CongestionError || error instanceof FlowError) return true;
    throw error;
  }
};

/** A sender against a peer that answers with right and wrong SENDMEs, beside a model that knows what is outstanding. */
const fuzzSender = (random: Random): void => {
  const params = congestionParams(
    randomConsensus(random, congestionParamTable),
    random.pick(["exit", "onion", "sbws"]),
  );
  const agreed = random.oneIn(3) ? params.fixedWindow : params.vegas;
  const control = congestionControl(agreed);
  const account = receiveAccount(agreed);
  const minVersion = agreed.sendmeAcceptMinVersion;
  const tags: Array<Buffer> = [];
  let now = Micros(random.below(1000));
  let inflight = 0;
  let received = 0;
  for (let step = 0; step < 60; step++) {
    now = nextTime(random, now);
    if (random.oneIn(2)) {
      for (let left = Math.min(control.room(), random.below(400)); left > 0; left--) {
        inflight++;
        received++;
        if (!control.onCellSent(now)) continue;
        const tag = random.bytes(20);
        control.rememberTag(tag);
        tags.push(tag);
      }
    } else {
      const expected = tags[0];
      // Mostly as it should be, or nothing would last.
      const honest = !random.oneIn(30);
      if (honest && expected === undefined) continue;
      const version = honest ? Math.max(random.below(2), minVersion) : random.pick([0, 1, 1, random.below(256)]);
      const tag = honest
        ? expected
        : random.pick([
            expected,
            tags.at(-1),
            expected?.subarray(0, random.below(20)),
            random.bytes(random.below(40)),
            undefined,
          ]);
      const isRight =
        version >= minVersion &&
        version <= 1 &&
        expected !== undefined &&
        (version === 0 || tag?.subarray(0, 20).equals(expected) === true);
      const signals = { channelBlocked: random.oneIn(3), channelQueue: random.below(2000) };
      const violation = violates(() => control.onSendme(version, tag, now, signals));
      assert.equal(violation, !isRight);
      if (violation) return;
      tags.shift();
      inflight -= control.sendmeInc;
    }
    const { view } = control;
    assert.equal(view.inflight, inflight);
    assert.equal(view.room, Math.max(view.cwnd - inflight, 0));
    assert.equal(control.room(), view.room);
    assert.ok(Number.isSafeInteger(view.cwnd) && view.cwnd >= control.sendmeInc);
    assert.ok(view.room > 0 || tags.length > 0, "no room and nothing that could make any");
    assert.ok(view.minRttUs === undefined || view.minRttUs > 0);
  }
  // The other end counts the same cells.
  let due = 0;
  for (let cell = 0; cell < received; cell++) {
    if (!account.onCellReceived()) continue;
    account.onSendmeSent();
    due++;
  }
  assert.equal(due, Math.floor(received / control.sendmeInc));
};

/** Both halves of a stream against a peer that sends any flow control message at any time. */
const fuzzStream = (random: Random): void => {
  const params = flowParams(randomConsensus(random, flowParamTable));
  const clock = { clockReliable: true };
  const flow: StreamFlow = random.oneIn(3) ? windowFlow() : xonXoffFlow(params, random.pick(["client", "exit"]), clock);
  let now = Micros(0);
  let buffered = 0;
  for (let step = 0; step < 120; step++) {
    now = nextTime(random, now);
    clock.clockReliable = !random.oneIn(10);
    const room = flow.send.room(now);
    assert.ok(room >= 0 && (Number.isInteger(room) || room === Number.POSITIVE_INFINITY));
    const roomAt = flow.send.roomAt(now);
    if (room > 0) assert.equal(roomAt, now);
    else if (roomAt !== undefined) assert.ok(roomAt > now);
    const act = random.pick([
      () => {
        for (let left = Math.min(room, random.below(600)); left > 0 && flow.send.room(now) > 0; left--) {
          flow.send.onDataSent(random.pick([498, 488, random.below(499)]), now);
        }
      },
      () => {
        buffered += random.below(499);
        flow.receive.onDataReceived(buffered, now);
      },
      () => {
        const drained = random.pick([buffered, random.below(buffered + 1)]);
        buffered -= drained;
        const answer = flow.receive.onDrained(drained, buffered, now);
        if (answer?._tag === "Xon")
          assert.ok(Number.isInteger(answer.rate) && answer.rate >= 0 && answer.rate < 2 ** 32);
        if (answer?._tag === "Sendme") assert.ok(answer.count > 0);
      },
      () => {
        if (random.oneIn(4)) random.pick([() => flow.send.onSendme(), () => flow.send.onXoff()])();
      },
      () => {
        if (random.oneIn(4)) flow.send.onXon(XonRate(random.pick([0, 1, random.below(10_000), random.uint32()])), now);
      },
    ]);
    if (violates(act)) return;
  }
};

export const targets: ReadonlyArray<FuzzTarget> = [
  { name: "congestion control", run: fuzzSender },
  { name: "stream flow control", run: fuzzStream },
];
