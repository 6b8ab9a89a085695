import assert from "node:assert/strict";
import { Resolver } from "node:dns";
import { MemoryQuota } from "@allium/kernel";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { AnswerTable } from "../src/exit/answer-table.ts";
import { LingerTable } from "../src/exit/linger-table.ts";
import { nameServersOf } from "../src/exit/resolv-conf.ts";
import { FakeConnection } from "../test/exit/support/fake-connection.ts";

const RESOLV_CONF = Buffer.from(
  [
    "# made by hand",
    "search example.com",
    "nameserver 192.0.2.1",
    "nameserver 192.0.2.2:5353",
    "nameserver 2001:db8::1",
    "nameserver [::ffff:192.0.2.3]:53",
  ].join("\n"),
);

/** Whatever is read from a file, the platform takes it for name servers. */
const resolvConf = (random: Random): void => {
  const text = random.mutate(RESOLV_CONF).toString("latin1");
  const nameServers = nameServersOf(text);
  assert.ok(nameServers.length <= text.split("\n").length);
  new Resolver().setServers(nameServers);
};

/** The table answers as a list of all that was ever set would, and forgets only what it may. */
const answerTable = (random: Random): void => {
  const capacity = 1 + random.below(5);
  const quota = new MemoryQuota();
  const table = new AnswerTable<number>(capacity, quota);
  const model: Array<{ readonly name: string; readonly value: number; readonly expires: number }> = [];
  let now = 0;
  for (let step = 0; step < 60; step++) {
    const name = `${random.below(8)}`;
    now += random.pick([0, 1, 1_000, 59_999, 120_000]);
    if (random.oneIn(2)) {
      const ttl = random.pick([0, 1, 60, 300]);
      table.set(name, step, ttl, now);
      const known = model.findIndex((entry) => entry.name === name);
      if (known >= 0) model.splice(known, 1);
      model.push({ name, value: step, expires: now + ttl * 1_000 });
    } else {
      const value = table.get(name, now);
      const index = model.findIndex((entry) => entry.name === name);
      const expected = model[index];
      if (expected === undefined || expected.expires <= now) assert.equal(value, undefined);
      // It may have made room, but only for as many as the table holds.
      else if (value === undefined) assert.ok(model.length - index > capacity);
      else assert.equal(value, expected.value);
    }
    assert.ok(table.size <= capacity);
    assert.equal(quota.used > 0, table.size > 0);
  }
};

/** Any order of events keeps the bounds, lets go of every connection in time, and never cuts one off before its time. */
const lingerTable = (random: Random): void => {
  const maxConnections = 1 + random.below(6);
  const maxBytes = 1 + random.below(3_000);
  let now = 0;
  const quota = new MemoryQuota({ limit: 2_000 });
  const table = new LingerTable({ maxConnections, maxBytes }, () => now, quota);
  const added: Array<{ readonly connection: FakeConnection; readonly at: number }> = [];
  for (let step = 0; step < 80; step++) {
    const some = added.length > 0 ? random.pick(added).connection : undefined;
    switch (random.below(7)) {
      case 0: {
        const connection = new FakeConnection(random.pick([0, 0, 1, 500, 5_000]));
        table.add(connection);
        added.push({ connection, at: now });
        break;
      }
      case 1:
        if (some?.status !== "closed") some?.flush();
        break;
      case 2:
        if (some?.status !== "closed") some?.arrive(random.below(300_000));
        break;
      case 3:
        if (some?.status === "open") some.become("ended");
        break;
      case 4:
        if (some?.status !== "closed") some?.become("closed");
        break;
      case 5:
        for (const _ of quota.reclaim());
        assert.ok(quota.used <= quota.limit);
        break;
      default:
        now += random.below(4_000);
        table.expire();
    }
    const living = added.filter(({ connection }) => !connection.destroyed);
    assert.equal(table.size, living.length);
    assert.ok(living.length <= maxConnections);
    const bytes = living.reduce((sum, { connection }) => sum + connection.pending, 0);
    assert.ok(bytes <= maxBytes || living.filter(({ connection }) => connection.pending > 0).length === 1);
    // What was pending is charged until all of it has left.
    assert.ok(quota.used >= bytes);
    if (bytes === 0) assert.equal(quota.used, 0);
    for (const { connection, at } of living) {
      assert.ok(connection.finSent);
      // Flushing, closing, and a step of the clock.
      assert.ok(now - at < 30_000 + 3_000 + 4_000);
    }
  }
  now += 30_000;
  table.expire();
  for (const { connection } of added) assert.ok(connection.destroyed);
  assert.equal(table.size, 0);
  assert.equal(quota.used, 0);
};

export const targets: ReadonlyArray<FuzzTarget> = [
  { name: "resolv.conf", run: resolvConf },
  { name: "table of DNS answers", run: answerTable },
  { name: "table of lingering connections", run: lingerTable },
];
