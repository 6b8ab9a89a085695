import { MemoryQuota } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Random } from "../../../../test/support/fuzz.ts";
import { ClientTable } from "../../src/defence/client-table.ts";
import { DosDefence } from "../../src/defence/dos-defence.ts";
import { dosParams } from "../../src/defence/dos-params.ts";

const params = dosParams(() => undefined, { circuitCreationEnabled: true, connectionEnabled: true });

const make = (capacity?: number, quota = new MemoryQuota()) => {
  const clock = { now: 0 };
  const options = { params: () => params, now: () => clock.now, quota };
  const table = new ClientTable(capacity === undefined ? options : { ...options, capacity });
  return { clock, table, quota };
};

describe("ClientTable", () => {
  it("forgets those of which nothing is to be remembered", () => {
    const { clock, table, quota } = make();
    for (const address of ["connected", "marked", "spent", "overran", "plain"]) table.enter(address);
    table.get("connected")!.connections = 1;
    table.get("marked")!.circuitMarked = 1_000;
    for (let count = 0; count < 40; count++) table.get("spent")!.connects.take();
    table.get("overran")!.overruns = 1;
    const each = quota.used / 5;
    clock.now = 600;
    table.enter("new");
    const known = () =>
      ["connected", "marked", "spent", "overran", "plain"].filter((one) => table.get(one) !== undefined);
    assert.deepStrictEqual(known(), ["connected", "marked", "overran"]);
    clock.now = 1_300;
    table.enter("new");
    assert.deepStrictEqual(known(), ["connected", "overran"]);
    clock.now = 24 * 3_600;
    table.enter("new");
    assert.deepStrictEqual(known(), ["connected"]);
    assert.strictEqual(quota.used, 2 * each);
  });

  it("when it is full, the one makes room that was seen longest ago, has no connection, and is not marked", () => {
    const { table } = make(3);
    for (const address of ["a", "b", "c"]) table.enter(address);
    table.get("a")!.connections = 1;
    table.get("b")!.connectMarked = 100;
    assert.isDefined(table.enter("d"));
    assert.isUndefined(table.get("c"));
    table.get("d")!.connections = 1;
    assert.isDefined(table.enter("e"));
    assert.isUndefined(table.get("b"));
    table.get("e")!.connections = 1;
    assert.isUndefined(table.enter("f"));
    assert.strictEqual(table.size, 3);
  });

  it("gives up those without a connection when memory is short", () => {
    const quota = new MemoryQuota({ limit: 100_000 });
    const { table } = make(undefined, quota);
    for (let address = 0; address < 200; address++) {
      table.enter(`${address}`);
      if (address % 40 === 0) table.get(`${address}`)!.connections = 1;
    }
    quota.open({ name: "others", policy: "fixed" }).adjust(50_000);
    for (const _ of quota.reclaim());
    assert.isAtMost(quota.used, 60_000);
    for (let address = 0; address < 200; address += 40) assert.isDefined(table.get(`${address}`));
    table.close();
    assert.strictEqual(quota.used, 50_000);
  });

  it("counts connections rightly in any order of events, and keeps its bound", () => {
    for (let seed = 0; seed < 40; seed++) {
      const random = new Random(seed);
      const { clock, table, quota } = make(8);
      const defence = new DosDefence({
        params: () => params,
        now: () => clock.now,
        below: (limit) => random.below(limit),
        clients: table,
        isRelay: () => false,
      });
      const open: Array<readonly [address: string, leave: () => void]> = [];
      for (let step = 0; step < 300; step++) {
        const address = `${random.below(12)}`;
        switch (random.below(6)) {
          case 0:
            clock.now += random.pick([1, 1, 10, 1_000, 100_000]);
            break;
          case 1: {
            const [index] = [random.below(open.length + 1)];
            open.splice(index, 1)[0]?.[1]();
            break;
          }
          case 2:
            defence.admitsCircuit(address);
            break;
          case 3:
            defence.circuitOverran(address);
            break;
          default: {
            const leave = defence.enter(address);
            // With no room in the table it is let in, and not counted.
            if (leave !== undefined && table.get(address) !== undefined) open.push([address, leave]);
          }
        }
        for (let one = 0; one < 12; one++) {
          const count = open.filter(([of]) => of === `${one}`).length;
          assert.strictEqual(table.get(`${one}`)?.connections ?? 0, count);
        }
        assert.isAtMost(table.size, 8);
        assert.strictEqual(quota.used, table.size * 400);
      }
    }
  });
});
