import assert from "node:assert/strict";
import { type ConfluxLink, RelayCommand, relayCellV0, writeRelayMessage } from "@allium/cell";
import { slabBytes } from "@allium/channel";
import { type LinkableCircuit, Micros, type StreamPath, type StreamTrain } from "@allium/circuit";
import { MemoryQuota } from "@allium/kernel";
import { Exit } from "effect";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import {
  ConfluxSet,
  confluxParams,
  InitiatorLeg,
  isMultiplexed,
  MAX_CELLS_AHEAD,
  MAX_LEGS,
  minRtt,
  REORDER_BYTES,
  ResponderLeg,
  violationTable,
} from "../src/index.ts";
import { Arrivals, LegViolation } from "../src/set/arrivals.ts";
import { Leg, type LegParts } from "../src/set/leg.ts";
import { LegMessages } from "../src/set/leg-messages.ts";

const { BEGIN_DIR, CONFLUX_LINK, CONFLUX_LINKED, CONFLUX_LINKED_ACK, CONFLUX_SWITCH, DATA } = RelayCommand;

/** Where cells of streams go, and whether there is room for them. */
class Streams {
  readonly cells: Array<{ readonly command: number; readonly id: number }> = [];
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  waitsForRoom(): boolean {
    return this.random.oneIn(6);
  }

  offerUnsafe({ slab, from, to }: StreamTrain): void {
    assert.ok(from < to, "no empty runs");
    for (let index = from; index < to; index++) {
      const start = slabBytes(index);
      this.cells.push({ command: slab[start] as number, id: slab.readUInt32BE(start + 11) });
    }
  }
}

/** What a fuzzed set stands on, as far as what comes is concerned. */
const newSet = (): ConfluxSet =>
  new ConfluxSet({
    name: "set",
    group: { cause: undefined, stopUnsafe: () => {} } as unknown as ConfluxSet["group"],
    quota: new MemoryQuota(),
    scheduler: () => minRtt,
    params: confluxParams(() => undefined),
  });

/** A leg whose trains are put in by hand. */
class FuzzedLeg {
  readonly trains: Array<StreamTrain> = [];
  readonly said: Array<unknown> = [];
  readonly leg: Leg;

  constructor(number: number, machine: LegParts["machine"], isExtended: boolean) {
    const flow = { view: {}, sending: { sendmeInc: 31, streamFlow: "xon-xoff", view: {} }, budget: { room: 0 } };
    this.leg = new Leg({
      number,
      circuit: { isExtended, paths: { blocked: false } } as LinkableCircuit,
      hop: 0,
      flow: flow as unknown as LegParts["flow"],
      machine,
      inbound: {
        reader: {
          takeUnsafe: () => {
            const train = this.trains.shift();
            return train === undefined ? undefined : Exit.succeed(train);
          },
        },
      } as LegParts["inbound"],
      outbound: {
        writer: { offerUnsafe: (batch: unknown) => this.said.push(batch) },
      } as unknown as LegParts["outbound"],
    });
  }
}

/** One cell that is nearly right, or nothing of the kind. Cells of streams have an ID each. */
const writeCell = (random: Random, slab: Buffer, index: number, link: ConfluxLink, id: number): void => {
  const at = slabBytes(index);
  switch (random.below(12)) {
    case 0: {
      const relativeSeqno = random.pick([0, 1, 1, 2, 3, 10, MAX_CELLS_AHEAD, random.uint32()]);
      return writeRelayMessage(relayCellV0, slab, index, 0, { _tag: "CONFLUX_SWITCH", relativeSeqno });
    }
    case 1:
      return writeRelayMessage(relayCellV0, slab, index, 0, { _tag: "CONFLUX_LINKED_ACK" });
    case 2:
      return writeRelayMessage(
        relayCellV0,
        slab,
        index,
        0,
        random.oneIn(2) ? { ...link, _tag: "CONFLUX_LINKED" } : link,
      );
    case 3: {
      const command = random.pick([CONFLUX_LINK, CONFLUX_LINKED, CONFLUX_LINKED_ACK, CONFLUX_SWITCH]);
      const body = random.bytes(random.below(60));
      return relayCellV0.writeMessage(slab, index, command, 0, body, 0, body.length);
    }
    case 4:
      // Conflux with any header: on a stream, longer than its cell.
      random.bytes(60).copy(slab, at);
      slab.writeUInt8(CONFLUX_LINK + random.below(4), at);
      return;
    case 5:
      slab.writeUInt8(random.pick([BEGIN_DIR, 5, 44, 200]), at);
      slab.writeUInt16BE(7, at + 3);
      slab.writeUInt32BE(id, at + 11);
      return;
    default: {
      const body = Buffer.alloc(100);
      body.writeUInt32BE(id, 0);
      return relayCellV0.writeMessage(slab, index, DATA, 7, body, 0, body.length);
    }
  }
};

/** Legs that anything comes on, in any order: what is handed on is what came, once, in an order that the numbers allow. */
const fuzzArrivals = (random: Random): void => {
  const set = newSet();
  const link: ConfluxLink = {
    _tag: "CONFLUX_LINK",
    nonce: random.bytes(32),
    lastSeqnoSent: 0n,
    lastSeqnoReceived: 0n,
    desiredUx: 0,
  };
  const now = Micros(1);
  const isInitiator = random.oneIn(2);
  const legs: Array<FuzzedLeg> = [];
  for (let count = 1 + random.below(MAX_LEGS); count > 0; count--) {
    const machine = isInitiator
      ? new InitiatorLeg({ nonce: link.nonce, desiredUx: 0 })
      : new ResponderLeg({ desiredUx: 0 });
    const fuzzed = new FuzzedLeg(legs.length, machine, random.oneIn(20));
    legs.push(fuzzed);
    set.add(fuzzed.leg);
    if (machine instanceof InitiatorLeg) {
      machine.link(set.numbers, now);
      if (random.oneIn(4)) continue;
      assert.equal(machine.onLinked({ ...link, _tag: "CONFLUX_LINKED" }, now), undefined);
    } else {
      assert.equal(machine.onLink(link), undefined);
      machine.linked(set.numbers, now);
      if (!random.oneIn(4)) machine.onLinkedAck(now);
    }
    assert.equal(set.join(fuzzed.leg), undefined);
  }
  const arrivals = new Arrivals(set, new LegMessages(set, () => now));
  const streams = new Streams(random);
  const sentOn: Array<number> = [];
  let ended = false;
  for (let step = random.below(40); step > 0 && !ended; step--) {
    const { leg, trains } = random.pick(legs);
    if (trains.length < 3) {
      const cells = 1 + random.below(8);
      const slab = Buffer.alloc(slabBytes(cells));
      for (let index = 0; index < cells; index++) {
        writeCell(random, slab, index, link, sentOn.length);
        sentOn.push(leg.leg);
      }
      trains.push({ hop: 0, slab, from: random.oneIn(4) ? cells - 1 : 0, to: cells });
    }
    ended = !goOn(set, arrivals, streams);
    // What a set ends with is charged, and let go of with the rest.
    if (!ended) {
      assert.equal(set.account.bytes, set.receiver.queue.bytes, "what waits is charged");
      assert.equal(set.receiver.repeats, 0, "cells that come again end the set");
    }
    assert.ok(set.receiver.queue.bytes <= REORDER_BYTES);
  }
  check(set, streams, sentOn);
  set.release();
  assert.equal(set.account.bytes, 0);
};

/** Does what a controller does with what has come. False if the set ends. */
const goOn = (set: ConfluxSet, arrivals: Arrivals, streams: Streams): boolean => {
  for (;;) {
    try {
      const moved = arrivals.step();
      if (moved === "wants streams") set.streams = { inlet: streams } as unknown as StreamPath;
      else if (!moved) return true;
    } catch (thrown) {
      if (!(thrown instanceof LegViolation)) throw thrown;
      const { leg, violation } = thrown;
      if (leg === undefined || violationTable[violation].ends === "set") return false;
      leg.isBroken = true;
    }
  }
};

const check = (set: ConfluxSet, { cells }: Streams, sentOn: ReadonlyArray<number>): void => {
  const counted = cells.filter(({ command }) => isMultiplexed(command));
  assert.ok(counted.length <= set.receiver.sequence.delivered, "no more than the numbers allow");
  assert.ok(
    cells.every(({ command }) => command < CONFLUX_LINK || command > CONFLUX_SWITCH),
    "conflux is none of the streams'",
  );
  const ids = counted.filter(({ command }) => command === DATA).map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, "each once");
  const last = new Map<number, number>();
  for (const id of ids) {
    const leg = sentOn[id] as number;
    assert.ok((last.get(leg) ?? -1) < id, "the order of a leg is kept");
    last.set(leg, id);
  }
};

export const targets: ReadonlyArray<FuzzTarget> = [{ name: "conflux/arrivals", run: fuzzArrivals }];
