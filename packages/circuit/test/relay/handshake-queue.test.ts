import { assert, describe, it } from "@effect/vitest";
import { Random } from "../../../../test/support/fuzz.ts";
import {
  type HandshakeDrop,
  HandshakeQueue,
  type HandshakeQueueLimits,
  type HandshakeTicket,
  MAX_QUEUED,
} from "../../src/relay/handshake-queue.ts";

const make = (limits: Partial<HandshakeQueueLimits> = {}) => {
  const dropped: Array<readonly [job: string, why: HandshakeDrop]> = [];
  const queue = new HandshakeQueue<string, string>(
    { maxDelayMillis: () => 1_750, cutoffMillis: () => 5_000, concurrency: 1, ...limits },
    (job, why) => dropped.push([job, why]),
  );
  return { queue, dropped };
};

/** Adds `count` jobs of a channel: `a1`, `a2` and so on. */
const addAll = (queue: HandshakeQueue<string, string>, channel: string, count: number, now = 0): void => {
  for (let number = 1; number <= count; number++) queue.add(channel, `${channel}${number}`, now);
};

const takeAll = (queue: HandshakeQueue<string, string>, now = 0): ReadonlyArray<string> => {
  const taken: Array<string> = [];
  for (let job = queue.take(now); job !== undefined; job = queue.take(now)) taken.push(job);
  return taken;
};

/** So many handshakes were measured. */
const measured = (queue: HandshakeQueue<string, string>, millis: number, count = 100): void => {
  for (let done = 0; done < count; done++) queue.noteDone(millis);
};

describe("HandshakeQueue", () => {
  it("gives channels turns, and keeps the order within each", () => {
    const { queue } = make();
    addAll(queue, "a", 4);
    addAll(queue, "b", 2);
    addAll(queue, "c", 1);
    assert.strictEqual(queue.size, 7);
    assert.deepStrictEqual(takeAll(queue), ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]);
    assert.strictEqual(queue.size, 0);
  });

  it("lets a channel that comes anew wait for one turn of the others at most", () => {
    const { queue } = make();
    addAll(queue, "flood", 1_000);
    assert.strictEqual(queue.take(0), "flood1");
    queue.add("quiet", "quiet", 0);
    assert.deepStrictEqual([queue.take(0), queue.take(0), queue.take(0)], ["flood2", "quiet", "flood3"]);
  });

  it("has always room for fifty, however slow they are", () => {
    const { queue, dropped } = make();
    measured(queue, 10_000);
    addAll(queue, "a", 50);
    assert.deepStrictEqual(dropped, []);
    queue.add("a", "more", 0);
    assert.deepStrictEqual(dropped, [["a1", "full"]]);
    assert.strictEqual(queue.size, 50);
  });

  it("is full when all that waits would take longer than the delay, by what has been measured", () => {
    for (const [millis, concurrency, room] of [
      [2, 1, 875],
      [2, 4, 3_500],
      [0.5, 1, 3_500],
    ] as const) {
      const { queue, dropped } = make({ concurrency });
      measured(queue, millis);
      addAll(queue, "a", room);
      assert.deepStrictEqual(dropped, []);
      assert.closeTo(queue.delayMillis, 1_750, 1e-6);
      queue.add("a", "more", 0);
      assert.deepStrictEqual(dropped, [["a1", "full"]]);
    }
  });

  it("takes a millisecond for each until a hundred were measured", () => {
    const { queue } = make();
    measured(queue, 5, 99);
    assert.strictEqual(queue.millisEach, 1);
    measured(queue, 5, 1);
    assert.strictEqual(queue.millisEach, 5);
    // And forgets how it was.
    measured(queue, 1, 60_000);
    assert.isBelow(queue.millisEach, 1.1);
  });

  it("has a bound where time stands still", () => {
    const { queue, dropped } = make();
    measured(queue, 0);
    addAll(queue, "a", MAX_QUEUED);
    assert.deepStrictEqual(dropped, []);
    queue.add("b", "b1", 0);
    assert.deepStrictEqual(dropped, [["a1", "full"]]);
    assert.strictEqual(queue.size, MAX_QUEUED);
  });

  it("when it is full, the channel with most loses its oldest, and others lose nothing", () => {
    const { queue, dropped } = make({ maxDelayMillis: () => 100 });
    addAll(queue, "quiet", 3);
    addAll(queue, "flood", 1_000);
    assert.strictEqual(queue.size, 100);
    assert.strictEqual(dropped.length, 903);
    assert.isTrue(dropped.every(([job, why]) => job.startsWith("flood") && why === "full"));
    addAll(queue, "new", 20);
    const taken = takeAll(queue);
    assert.strictEqual(taken.filter((job) => job.startsWith("quiet")).length, 3);
    assert.strictEqual(taken.filter((job) => job.startsWith("new")).length, 20);
    // Of the flood, what came last.
    assert.strictEqual(taken.at(-1), "flood1000");
  });

  it("drops what has waited for too long, when its turn comes", () => {
    const { queue, dropped } = make();
    queue.add("a", "old", 0);
    queue.add("a", "older than it seems", 1);
    queue.add("a", "young", 2);
    assert.strictEqual(queue.take(5_001), "young");
    assert.deepStrictEqual(dropped, [
      ["old", "late"],
      ["older than it seems", "late"],
    ]);
    assert.isUndefined(queue.take(5_001));
    assert.strictEqual(queue.size, 0);
  });

  it("forgets what is withdrawn", () => {
    const { queue, dropped } = make();
    const first = queue.add("a", "a1", 0);
    const second = queue.add("a", "a2", 0);
    assert.isTrue(queue.remove(first));
    assert.isFalse(queue.remove(first));
    assert.strictEqual(queue.take(0), "a2");
    assert.isFalse(queue.remove(second));
    assert.deepStrictEqual(dropped, []);
    assert.strictEqual(queue.size, 0);
  });

  it("keeps its bounds and forgets nobody, whatever happens", () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = new Random(seed);
      const cutoff = 20 + random.below(200);
      const maxDelay = random.below(120);
      const concurrency = 1 + random.below(3);
      /** By channel, the oldest first. */
      const model = new Map<string, Array<{ readonly job: string; readonly at: number }>>();
      const tickets = new Map<string, HandshakeTicket<string>>();
      const dropped: Array<readonly [string, HandshakeDrop]> = [];
      const queue = new HandshakeQueue<string, string>(
        { maxDelayMillis: () => maxDelay, cutoffMillis: () => cutoff, concurrency },
        (job, why) => dropped.push([job, why]),
      );
      const room = Math.max(50, maxDelay * concurrency);
      let now = 0;
      const laneOf = (job: string) => model.get(job.slice(0, 1)) ?? [];
      const leave = (job: string) => {
        const lane = laneOf(job);
        lane.splice(
          lane.findIndex((one) => one.job === job),
          1,
        );
        tickets.delete(job);
      };
      for (let step = 0; step < 400; step++) {
        const size = () => [...model.values()].reduce((sum, lane) => sum + lane.length, 0);
        dropped.length = 0;
        switch (random.below(8)) {
          case 0: {
            now += random.below(10);
            break;
          }
          case 1: {
            const job = queue.take(now);
            for (const [late, why] of dropped) {
              assert.strictEqual(why, "late");
              assert.isAtLeast(now - laneOf(late)[0]!.at, cutoff);
              assert.strictEqual(laneOf(late)[0]!.job, late);
              leave(late);
            }
            if (job === undefined) assert.strictEqual(size(), 0);
            else {
              assert.strictEqual(laneOf(job)[0]!.job, job);
              assert.isBelow(now - laneOf(job)[0]!.at, cutoff);
              leave(job);
            }
            break;
          }
          case 2: {
            const job = random.pick([...tickets.keys()]);
            if (job !== undefined) {
              assert.isTrue(queue.remove(tickets.get(job)!));
              leave(job);
            }
            break;
          }
          default: {
            const channel = random.pick(["a", "a", "a", "b", "c", "d"]);
            const job = `${channel}${step}`;
            const lane = model.get(channel) ?? [];
            model.set(channel, lane);
            lane.push({ job, at: now });
            const full = size() > room;
            const most = Math.max(...[...model.values()].map((one) => one.length));
            tickets.set(job, queue.add(channel, job, now));
            assert.strictEqual(dropped.length, full ? 1 : 0);
            for (const [victim] of dropped) {
              assert.strictEqual(laneOf(victim).length, most);
              assert.strictEqual(laneOf(victim)[0]!.job, victim);
              leave(victim);
            }
          }
        }
        assert.strictEqual(queue.size, size());
        assert.isAtMost(queue.size, room);
      }
    }
  });
});
