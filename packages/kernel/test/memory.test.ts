import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { Random } from "../../../test/support/fuzz.ts";
import {
  Memory,
  type MemoryAccount,
  type MemoryKind,
  type MemoryPolicy,
  MemoryQuota,
  QueueAge,
  type Reclamation,
} from "../src/index.ts";

const kind = (policy: MemoryPolicy, name: string = policy): MemoryKind => ({ name, policy });

/** A queue that waits for somebody who never comes. */
const queue = (quota: MemoryQuota, of: MemoryKind, bytes: number) => {
  let oldest: number | undefined;
  const account: MemoryAccount = quota.open(of, {
    oldest: () => (account.bytes > 0 ? oldest : undefined),
    reclaim: () => account.close(),
  });
  oldest = account.adjust(bytes);
  return account;
};

/** A cache that gives what it is asked for. */
const cache = (quota: MemoryQuota, of: MemoryKind, bytes: number) => {
  const account: MemoryAccount = quota.open(of, {
    oldest: () => 0,
    reclaim: (wanted) => account.adjust(-Math.min(wanted, account.bytes)),
  });
  account.adjust(bytes);
  return account;
};

const drain = (quota: MemoryQuota) => [...quota.reclaim()].map(({ kind: of, bytes }) => [of.name, bytes]);

describe("MemoryQuota", () => {
  it("leaves everybody alone at the limit, and takes from the oldest queues above it, down to the low-water mark", () => {
    const quota = new MemoryQuota({ limit: 1000 });
    const circuits = kind("queue", "circuits");
    const accounts = [300, 200, 250, 250].map((bytes) => queue(quota, circuits, bytes));
    assert.deepStrictEqual(drain(quota), []);
    assert.isFalse(quota.shortage.isSet);
    accounts.push(queue(quota, circuits, 1));
    assert.isTrue(quota.shortage.isSet);
    // 1001 is above 1000; 701 is the first sum that is not above 750.
    assert.deepStrictEqual(drain(quota), [["circuits", 300]]);
    assert.deepStrictEqual(
      accounts.map(({ bytes }) => bytes),
      [0, 200, 250, 250, 1],
    );
    assert.deepStrictEqual(quota.sums(), [
      { kind: circuits, accounts: 4, bytes: 701, reclaimedHolders: 1, reclaimedBytes: 300 },
    ]);
    assert.strictEqual(quota.used, 701);
    assert.strictEqual(quota.peak, 1001);
  });

  it("is short at once when the limit becomes less than what is charged", () => {
    const quota = new MemoryQuota({ limit: 1000 });
    for (const bytes of [300, 300]) queue(quota, kind("queue"), bytes);
    quota.setLimit(600);
    assert.isFalse(quota.shortage.isSet);
    quota.setLimit(500);
    assert.isTrue(quota.shortage.isSet);
    assert.deepStrictEqual([quota.limit, quota.lowWater], [500, 375]);
    assert.deepStrictEqual(drain(quota), [["queue", 300]]);
    quota.setLimit(1000);
    assert.deepStrictEqual(drain(quota), []);
  });

  it("takes from a kind with more than its share before any queue, and leaves one within it", () => {
    const quota = new MemoryQuota({ limit: 1000 });
    queue(quota, kind("queue"), 600);
    cache(quota, kind("share", "names"), 200);
    const channels = kind("share", "channels");
    const buffers = [64, 64, 64, 64].map((bytes) => queue(quota, channels, bytes));
    assert.strictEqual(quota.used, 1056);
    assert.deepStrictEqual(drain(quota), [
      ["channels", 64],
      ["channels", 64],
      ["channels", 64],
      ["queue", 600],
    ]);
    assert.deepStrictEqual(
      buffers.map(({ bytes }) => bytes),
      [0, 0, 0, 64],
    );
  });

  it("orders queues of all kinds by age", () => {
    const quota = new MemoryQuota({ limit: 100, lowWater: 0 });
    for (const name of ["one", "other", "third"]) queue(quota, kind("queue", name), 40);
    assert.deepStrictEqual(drain(quota), [
      ["one", 40],
      ["other", 40],
      ["third", 40],
    ]);
  });

  it("counts what is fixed, and leaves it", () => {
    const quota = new MemoryQuota({ limit: 100 });
    quota.open(kind("fixed")).adjust(500);
    queue(quota, kind("queue"), 10);
    assert.deepStrictEqual(drain(quota), [["queue", 10]]);
    assert.strictEqual(quota.used, 500);
  });

  it("passes over holders that have let go by themselves since, and over those that do not let go", () => {
    const quota = new MemoryQuota({ limit: 100 });
    const first = queue(quota, kind("queue", "first"), 50);
    const second = queue(quota, kind("queue", "second"), 50);
    const deaf = quota.open(kind("queue", "deaf"), { oldest: () => 3, reclaim: () => {} });
    deaf.adjust(50);
    const steps = quota.reclaim();
    assert.deepStrictEqual(steps.next().value, { kind: first.kind, bytes: 50 });
    second.close();
    assert.deepStrictEqual([...steps], []);
    queue(quota, kind("queue", "last"), 60);
    assert.deepStrictEqual(drain(quota), [
      ["deaf", 0],
      ["last", 60],
    ]);
  });

  it("has no limit unless one is given", () => {
    const quota = new MemoryQuota();
    queue(quota, kind("queue"), Number.MAX_SAFE_INTEGER);
    assert.deepStrictEqual(drain(quota), []);
  });

  it("counts nothing for an account that is closed", () => {
    const quota = new MemoryQuota({ limit: 100 });
    const account = queue(quota, kind("queue"), 60);
    account.close();
    account.close();
    account.adjust(500);
    assert.strictEqual(account.bytes, 0);
    assert.strictEqual(quota.used, 0);
    assert.strictEqual(quota.sums()[0]?.accounts, 0);
  });

  it("is the sum of its parts, whatever happens", () => {
    for (let seed = 0; seed < 100; seed++) {
      const random = new Random(seed);
      const quota = new MemoryQuota({ limit: 10_000 });
      const kinds = (["share", "queue", "fixed"] as const).flatMap((policy) => [
        kind(policy, `${policy} 1`),
        kind(policy, `${policy} 2`),
      ]);
      let accounts: Array<MemoryAccount> = [];
      let most = 0;
      for (let step = 0; step < 200; step++) {
        const account = random.pick(accounts);
        switch (random.below(5)) {
          case 0:
            accounts.push((random.oneIn(2) ? cache : queue)(quota, random.pick(kinds), random.below(2_000)));
            break;
          case 1:
            account?.adjust(random.below(1_000));
            break;
          case 2:
            account?.adjust(-random.below((account?.bytes ?? 0) + 1));
            break;
          case 3:
            account?.close();
            break;
          default: {
            most = Math.max(most, quota.used);
            const short = quota.used > quota.limit;
            const steps = quota.reclaim();
            for (let at = random.below(8); at >= 0 && steps.next().done !== true; at--) {
              // Others go on meanwhile.
              if (random.oneIn(3)) random.pick(accounts)?.adjust(random.below(100));
            }
            const held = (of: MemoryPolicy) =>
              accounts.filter(({ kind: { policy } }) => policy === of).reduce((sum, { bytes }) => sum + bytes, 0);
            for (const _ of quota.reclaim());
            if (short && quota.used > quota.lowWater) {
              // All queues are empty, or it fell below the limit while only some steps were taken.
              assert.isTrue(held("queue") === 0 || quota.used <= quota.limit);
            }
          }
        }
        const total = accounts.reduce((sum, { bytes }) => sum + bytes, 0);
        assert.strictEqual(quota.used, total);
        for (const sum of quota.sums()) {
          const of = accounts.filter((one) => one.kind === sum.kind);
          assert.strictEqual(
            sum.bytes,
            of.reduce((bytes, one) => bytes + one.bytes, 0),
          );
        }
        most = Math.max(most, total);
        assert.isAtLeast(quota.peak, most);
        if (random.oneIn(20)) {
          for (const one of accounts) one.close();
          accounts = [];
          assert.strictEqual(quota.used, 0);
        }
      }
    }
  });
});

describe("Memory.keepWithin", () => {
  it.effect("reclaims when the limit is passed, lets others have a turn, and tells of it once", () =>
    Effect.gen(function* () {
      const quota = new MemoryQuota({ limit: 1_000 });
      const told: Array<Reclamation> = [];
      yield* Effect.forkScoped(Memory.keepWithin(quota, (reclamation) => told.push(reclamation)));
      const circuits = kind("queue", "circuits");
      for (let count = 0; count < 100; count++) queue(quota, circuits, 10);
      yield* Effect.yieldNow;
      assert.deepStrictEqual(told, []);
      const last = queue(quota, circuits, 250);
      let turns = 0;
      while (told.length === 0) {
        turns++;
        yield* Effect.yieldNow;
      }
      assert.isAbove(turns, 1);
      assert.strictEqual(last.bytes, 250);
      assert.deepStrictEqual(told, [
        { before: 1_250, after: 750, kinds: new Map([[circuits, { holders: 50, bytes: 500 }]]) },
      ]);
      queue(quota, circuits, 250);
      yield* Effect.yieldNow;
      assert.strictEqual(told.length, 1);
    }).pipe(Effect.scoped),
  );

  it.effect("has a quota without a limit by default", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Memory.Quota).limit, Number.POSITIVE_INFINITY);
    }),
  );
});

describe("QueueAge", () => {
  it("knows when the oldest bytes came", () => {
    const age = new QueueAge();
    assert.strictEqual(age.oldest(0), undefined);
    age.note(0, 100, 1);
    age.note(0, 150, 2);
    age.note(20, 150, 3);
    assert.strictEqual(age.oldest(20), 1);
    assert.strictEqual(age.oldest(99), 1);
    assert.strictEqual(age.oldest(100), 2);
    age.note(150, 160, 9);
    assert.strictEqual(age.oldest(150), 9);
    assert.strictEqual(age.oldest(160), undefined);
    age.note(160, 170, 12);
    assert.strictEqual(age.oldest(160), 12);
  });

  it("is exact for short queues, and never takes bytes for younger than they are", () => {
    for (let seed = 0; seed < 300; seed++) {
      const random = new Random(seed);
      const age = new QueueAge();
      /** The place of each byte that waits. */
      const model: Array<number> = [];
      let came = 0;
      let left = 0;
      let exact = true;
      for (let place = 1; place < 200; place++) {
        const arrives = random.below(20);
        const leaves = Math.min(random.below(random.pick([2, 20, 40])), model.length);
        model.splice(0, leaves);
        left += leaves;
        for (let byte = 0; byte < arrives; byte++) model.push(place);
        came += arrives;
        age.note(left, came, place);
        exact &&= new Set(model).size <= 15;
        const oldest = age.oldest(left);
        if (exact) assert.strictEqual(oldest, model[0]);
        else if (model.length === 0) assert.strictEqual(oldest, undefined);
        else assert.isAtMost(oldest!, model[0]!);
        if (model.length === 0) exact = true;
      }
    }
  });

  it("is not much off for queues of any length", () => {
    const age = new QueueAge();
    // A byte comes with each charge, and half of them leave.
    for (let place = 1; place <= 10_000; place++) age.note(Math.floor(place / 2), place, place);
    const oldest = age.oldest(5_000)!;
    assert.isAtMost(oldest, 5_001);
    assert.isAtLeast(oldest, 3_000);
  });
});
