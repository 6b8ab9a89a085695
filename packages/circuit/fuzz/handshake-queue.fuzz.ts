import assert from "node:assert/strict";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { HandshakeQueue, type HandshakeTicket } from "../src/relay/handshake-queue.ts";

interface Job {
  readonly channel: object;
  readonly addedAt: number;
}

/** Any handshakes of any channels: each is done, dropped or withdrawn, once; channels take turns; a flood drops its own. */
const operations = (random: Random): void => {
  const waiting = new Map<Job, HandshakeTicket<Job>>();
  const dropped: Array<readonly [Job, "full" | "late"]> = [];
  const maxDelay = random.pick([1, 60, 200, 1_750]);
  const cutoff = random.pick([5, 1_000, 5_000]);
  const queue = new HandshakeQueue<object, Job>(
    { maxDelayMillis: () => maxDelay, cutoffMillis: () => cutoff, concurrency: 1 + random.below(3) },
    (job, why) => dropped.push([job, why]),
  );
  const channels = Array.from({ length: 1 + random.below(5) }, () => ({}));
  let now = 0;
  const settle = (): void => {
    for (const [job, why] of dropped.splice(0)) {
      assert.ok(waiting.has(job), "dropped, but it did not wait");
      if (why === "late") assert.ok(job.addedAt <= now - cutoff, "too early to be late");
      else {
        const of = (channel: object): number => [...waiting.keys()].filter((other) => other.channel === channel).length;
        assert.ok(
          channels.every((channel) => of(channel) <= of(job.channel)),
          "somebody else asked for more",
        );
      }
      waiting.delete(job);
    }
  };
  let last: object | undefined;
  for (let step = 0; step < 60; step++) {
    now += random.pick([0, 0, 1, 7, 900]);
    switch (random.below(5)) {
      case 0:
      case 1:
        for (let left = random.pick([1, 1, 20]); left > 0; left--) {
          const job: Job = { channel: random.oneIn(2) ? channels[0]! : random.pick(channels), addedAt: now };
          // It may be dropped before `add` returns.
          waiting.set(job, undefined as unknown as HandshakeTicket<Job>);
          const ticket = queue.add(job.channel, job, now);
          waiting.set(job, ticket);
          settle();
          last = undefined;
        }
        break;
      case 2: {
        const others = new Set([...waiting.keys()].map(({ channel }) => channel));
        const job = queue.take(now);
        settle();
        assert.equal(job === undefined, waiting.size === 0);
        if (job === undefined) break;
        assert.ok(waiting.delete(job), "taken, but it did not wait");
        assert.ok(
          others.size === 1 || job.channel !== last || [...waiting.keys()].every((other) => other.channel === last),
        );
        last = job.channel;
        break;
      }
      case 3: {
        const [job] = waiting.keys();
        if (job === undefined) break;
        const ticket = waiting.get(job)!;
        assert.ok(queue.remove(ticket));
        assert.ok(!queue.remove(ticket), "withdrawn twice");
        waiting.delete(job);
        last = undefined;
        break;
      }
      default:
        queue.noteDone(random.pick([0, 0.1, 1, 50]));
    }
    assert.equal(queue.size, waiting.size);
    assert.ok(queue.delayMillis >= 0 && Number.isFinite(queue.delayMillis));
  }
};

export const targets: ReadonlyArray<FuzzTarget> = [{ name: "handshake queue", run: operations }];
