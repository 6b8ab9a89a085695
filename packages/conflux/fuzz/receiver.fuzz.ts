import assert from "node:assert/strict";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import {
  isReady,
  LegSelection,
  legStart,
  MAX_CELLS_AHEAD,
  MAX_LEGS,
  NO_LEG,
  OrderedReceiver,
  ResendBuffer,
  SendSequence,
  schedulerFor,
} from "../src/index.ts";

/** A train names its cells: the model is the list of all that were ever sent. */
interface Train {
  readonly first: number;
  readonly cells: number;
}

type Item =
  | { readonly relative: number }
  | { readonly rewindTo: number }
  | { readonly train: Train; readonly isData: boolean };

const SENDME_INC = 31;

/** A leg on its way: what was sent and has not come, and SENDMEs that go back. */
interface Wire {
  readonly leg: number;
  readonly items: Array<Item>;
  sendmes: number;
  counted: number;
}

/** Both ends of a set, and what is between. */
class HonestSet {
  readonly random: Random;
  readonly resumes: boolean;
  readonly sender: SendSequence;
  readonly buffer = new ResendBuffer<Train & { readonly isData: boolean }>();
  readonly receiver: OrderedReceiver<Train>;
  wires: Array<Wire> = [];
  private legs = 0;
  private got: number;

  constructor(random: Random, resumes: boolean) {
    this.random = random;
    this.resumes = resumes;
    this.got = random.pick([0, 0, random.uint32()]);
    this.sender = new SendSequence(this.got);
    const skip = (train: Train, cells: number): Train => ({ first: train.first + cells, cells: train.cells - cells });
    this.receiver = new OrderedReceiver(resumes ? { delivered: this.got, skip } : { delivered: this.got });
    for (let count = 1 + random.below(MAX_LEGS); count > 0; count--) this.link();
  }

  /** A leg links, its numbers said at different times. Without resumption that is at rest. */
  link(): void {
    const leg = this.legs++;
    const said = { sent: this.sender.sent, received: 0 };
    if (this.resumes) while (this.random.oneIn(2)) this.come();
    const answered = { sent: 0, received: this.receiver.sequence.delivered };
    const start = legStart(said, answered).sent;
    assert.equal(start, legStart(answered, said).received);
    const added = this.sender.addLeg(leg, start);
    assert.equal(this.receiver.sequence.addLeg(leg, start), added);
    assert.equal(added, this.wires.length < MAX_LEGS);
    if (!added) return;
    const wire: Wire = { leg, items: [], sendmes: 0, counted: 0 };
    this.wires.push(wire);
  }

  /** Something that went with a leg goes out on another. False if there is nothing. */
  sendAgain(): boolean {
    const { next } = this.buffer;
    if (next === undefined) return false;
    const { first, cells, payload } = next;
    const wire = this.random.pick(this.wires);
    const relative = this.sender.sendAgain(wire.leg, first, cells);
    assert.equal(this.sender.last(wire.leg), first + cells - 1);
    if (relative < 0) wire.items.push({ rewindTo: first - 1 });
    this.buffer.onSentAgain(wire.leg, payload.isData ? cells : 0);
    this.put(wire, relative, payload, payload.isData);
    return true;
  }

  send(): void {
    while (this.sendAgain()) {}
    const wire = this.random.pick(this.wires);
    const cells = 1 + this.random.below(40);
    const isData = !this.random.oneIn(3);
    const train = { first: this.sender.sent + 1, cells, isData };
    const relative = this.sender.send(wire.leg, cells);
    assert.equal(this.sender.last(wire.leg), this.sender.sent);
    if (this.resumes) assert.ok(this.buffer.keep(wire.leg, train.first, cells, isData ? cells : 0, cells, train));
    this.put(wire, relative, train, isData);
  }

  /** The network and the other end's codec cut trains as they like; cells of a leg stay in order. */
  private put(wire: Wire, relative: number, train: Train, isData: boolean): void {
    if (relative > 0) wire.items.push({ relative });
    for (let { first, cells } = train; cells > 0; ) {
      const part = 1 + this.random.below(cells);
      wire.items.push({ train: { first, cells: part }, isData });
      first += part;
      cells -= part;
    }
  }

  /** Something comes, on any leg. False if there is nothing on it. */
  come(): boolean {
    if (this.wires.length === 0) return false;
    const wire = this.random.pick(this.wires);
    const item = wire.items.shift();
    if (item === undefined) return false;
    if ("rewindTo" in item) {
      assert.equal(this.receiver.sequence.onRewind(wire.leg, BigInt(item.rewindTo)), undefined);
      return true;
    }
    if ("relative" in item) {
      assert.equal(this.receiver.sequence.onSwitch(wire.leg, item.relative), undefined);
      return true;
    }
    const { train } = item;
    const outcome = this.receiver.receive(wire.leg, train.cells, train.cells, train, train.first);
    assert.notEqual(outcome, "full");
    assert.equal(this.receiver.sequence.last(wire.leg), train.first + train.cells - 1, "the number is the sender's");
    if (outcome === "deliver") this.take(train);
    for (let next = this.receiver.next(); next !== undefined; next = this.receiver.next()) this.take(next);
    if (!this.resumes) assert.equal(this.receiver.repeats, 0);
    if (item.isData) wire.counted += train.cells;
    for (; wire.counted >= SENDME_INC; wire.counted -= SENDME_INC) wire.sendmes++;
    return true;
  }

  private take(train: Train): void {
    assert.equal(train.first, this.got + 1, "in order, and never twice");
    this.got += train.cells;
    assert.equal(this.receiver.sequence.delivered, this.got);
  }

  sendme(): void {
    const wire = this.random.pick(this.wires);
    if (wire.sendmes === 0) return;
    wire.sendmes--;
    if (this.resumes) this.buffer.release(wire.leg, SENDME_INC);
  }

  /** A leg ends, with all that is on it. */
  end(): void {
    const wire = this.random.pick(this.wires);
    this.wires = this.wires.filter((other) => other !== wire);
    this.sender.removeLeg(wire.leg);
    this.receiver.sequence.removeLeg(wire.leg);
    if (this.resumes) assert.ok(this.buffer.onLegEnded(wire.leg));
  }

  finish(): void {
    while (this.sendAgain()) {}
    while (this.wires.some(({ items }) => items.length > 0)) this.come();
    assert.equal(this.got, this.sender.sent, "everything has come");
    assert.equal(this.receiver.queue.bytes, 0);
    assert.equal(this.receiver.queue.oldest, undefined);
  }
}

const fuzzHonest = (random: Random): void => {
  const set = new HonestSet(random, random.oneIn(2));
  let endings = set.resumes ? random.below(4) : 0;
  for (let step = random.below(120); step > 0; step--) {
    const what = random.below(20);
    if (what < 8) set.send();
    else if (what < 16) set.come();
    else if (set.sendAgain()) continue;
    else if (what < 18) set.sendme();
    else if (what < 19 && endings > 0 && set.wires.length > 1) {
      endings--;
      set.end();
    } else if (set.resumes || set.receiver.sequence.delivered === set.sender.sent) set.link();
  }
  set.finish();
};

/** A peer that says anything; the bounds hold, and whatever is delivered has the numbers that are next. */
const fuzzHostile = (random: Random): void => {
  const limitBytes = random.pick([0, 50, 1000]);
  const cellsOf = new Map<object, number>();
  const skip = (train: { readonly first: number }, cells: number): { readonly first: number } => {
    const rest = { first: train.first + cells };
    cellsOf.set(rest, (cellsOf.get(train) ?? Number.NaN) - cells);
    return rest;
  };
  const resumes = random.oneIn(2);
  const receiver = new OrderedReceiver<{ readonly first: number }>(resumes ? { limitBytes, skip } : { limitBytes });
  const legs: Array<number> = [];
  let nextLeg = 0;
  let next = 1;
  let held = 0;
  const take = (train: { readonly first: number }): void => {
    assert.equal(train.first, next);
    next += cellsOf.get(train) ?? Number.NaN;
  };
  for (let step = random.below(150); step > 0; step--) {
    if (legs.length === 0 || random.oneIn(20)) {
      if (receiver.sequence.addLeg(nextLeg, random.pick([0, next - 1, random.below(50)]))) legs.push(nextLeg);
      else assert.equal(legs.length, MAX_LEGS);
      nextLeg++;
    }
    const leg = random.pick(legs);
    const last = receiver.sequence.last(leg);
    if (random.oneIn(3)) {
      const relative = random.pick([0, 1, random.below(20), MAX_CELLS_AHEAD, random.uint32()]);
      const violation = receiver.sequence.onSwitch(leg, relative);
      assert.equal(receiver.sequence.last(leg), violation === undefined ? last + relative : last);
      if (violation !== undefined && random.oneIn(3)) return;
    } else if (random.oneIn(5)) {
      const to = random.pick([0n, BigInt(random.below(50)), BigInt(last), 2n ** 64n - 1n]);
      const violation = receiver.sequence.onRewind(leg, to);
      if (!resumes) assert.equal(violation, "rewind-unasked");
      assert.equal(receiver.sequence.last(leg), violation === undefined ? Number(to) : last);
      assert.ok(receiver.sequence.last(leg) <= last);
    } else if (random.oneIn(30)) {
      receiver.sequence.removeLeg(leg);
      legs.splice(legs.indexOf(leg), 1);
    } else {
      const cells = 1 + random.below(20);
      const train = { first: last + 1 };
      cellsOf.set(train, cells);
      const outcome = receiver.receive(leg, cells, random.below(30), train, step);
      if (outcome === "full") assert.equal(receiver.sequence.last(leg), last);
      if (outcome === "deliver") take(train);
      if (outcome === "dropped") assert.ok(train.first < next);
      for (let more = receiver.next(); more !== undefined; more = receiver.next()) take(more);
    }
    held = receiver.queue.bytes;
    assert.ok(held <= limitBytes && held >= 0);
    assert.ok(receiver.queue.trains > 0 || held === 0);
    assert.equal(receiver.sequence.delivered, next - 1);
    for (const open of legs) assert.ok(receiver.sequence.last(open) <= next - 1 + MAX_CELLS_AHEAD);
  }
  receiver.queue.clear();
  assert.equal(receiver.next(), undefined);
};

/** A sender for days: any number of cells at once, always on a leg that can be reached, and the numbers stay within 32 bits. */
const fuzzLong = (random: Random): void => {
  const sender = new SendSequence();
  const legs = Array.from({ length: 2 + random.below(3) }, (_, leg) => ({
    leg,
    rttUs: 1 + random.below(10),
    minRttUs: 1,
    cwnd: 100,
    inflight: 0,
    room: random.oneIn(4) ? 0 : 100,
    sendmeInc: 31,
    blocked: random.oneIn(5),
    inSlowStart: false,
  }));
  for (const { leg } of legs) sender.addLeg(leg, 0);
  const selection = new LegSelection(schedulerFor(random.below(6), { sendPct: 100 }), { drainPct: 0 });
  for (let step = 0; step < 50; step++) {
    const usable = legs.filter(({ leg }) => sender.reachable(leg));
    const due = sender.due();
    const chosen = selection.forData(usable, due);
    if (chosen === undefined) return;
    if (due !== NO_LEG && isReady(legs[due] as (typeof legs)[0])) assert.equal(chosen.leg, due);
    const cells = random.pick([1, random.below(1000) + 1, 2 ** 30]);
    const relative = sender.send(chosen.leg, cells);
    selection.sent(chosen, cells);
    assert.ok(relative >= 0 && relative < 2 ** 32 - 1);
  }
};

export const targets: ReadonlyArray<FuzzTarget> = [
  { name: "conflux/receiver", run: (random) => random.pick([fuzzHonest, fuzzHonest, fuzzHostile, fuzzLong])(random) },
];
