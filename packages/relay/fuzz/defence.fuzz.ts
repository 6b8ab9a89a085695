import assert from "node:assert/strict";
import { MemoryQuota } from "@allium/kernel";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { ClientTable } from "../src/defence/client-table.ts";
import { DosDefence } from "../src/defence/dos-defence.ts";
import { type DosParams, dosParams } from "../src/defence/dos-params.ts";

const NAMES = [
  "DoSCircuitCreationEnabled",
  "DoSCircuitCreationMinConnections",
  "DoSCircuitCreationRate",
  "DoSCircuitCreationBurst",
  "DoSCircuitCreationDefenseType",
  "DoSCircuitCreationDefenseTimePeriod",
  "DoSConnectionEnabled",
  "DoSConnectionMaxConcurrentCount",
  "DoSConnectionDefenseType",
  "DoSConnectionConnectRate",
  "DoSConnectionConnectBurst",
  "DoSConnectionConnectDefenseTimePeriod",
  "DoSStreamCreationEnabled",
  "DoSStreamCreationRate",
  "DoSStreamCreationBurst",
  "DoSStreamCreationDefenseType",
  "dos_num_circ_max_outq",
];

/** What a consensus may say, and what it may not. */
const someParams = (random: Random): DosParams => {
  const values = new Map(NAMES.map((name) => [name, random.pick([1, 1, 2, 3, 10, 0, -1, 0x7fff_ffff, -0x8000_0000])]));
  return dosParams((name) => (random.oneIn(9) ? undefined : values.get(name)), {});
};

/** Connections, circuits and streams of any addresses, under parameters that change: nothing is counted wrong or kept for ever. */
const operations = (random: Random): void => {
  let params = someParams(random);
  let now = 0;
  const quota = new MemoryQuota({ limit: 1_000_000 });
  const capacity = 1 + random.below(6);
  const clients = new ClientTable({ params: () => params, now: () => now, quota, capacity });
  const defence = new DosDefence({
    params: () => params,
    now: () => now,
    below: (limit) => random.below(limit),
    clients,
    isRelay: (address) => address === "relay",
  });
  const addresses = ["relay", "a", "b", "c", "d", "e", "f", "g", "h"];
  const open: Array<{ readonly address: string; readonly leave: () => void }> = [];
  const admit = defence.streamsOfCircuit();
  let before = { ...defence.counters };
  for (let step = 0; step < 80; step++) {
    const address = random.pick(addresses);
    switch (random.below(8)) {
      case 0:
      case 1:
      case 2: {
        const leave = defence.enter(address);
        assert.ok(leave !== undefined || address !== "relay", "a relay was refused");
        if (leave !== undefined) open.push({ address, leave });
        break;
      }
      case 3:
        open.splice(random.below(open.length), 1)[0]?.leave();
        break;
      case 4:
        assert.ok(defence.admitsCircuit(address) || address !== "relay");
        break;
      case 5:
        defence.circuitOverran(address);
        break;
      case 6:
        assert.ok(["open", "refuse", "closeCircuit"].includes(admit()), "an answer that nobody knows");
        if (random.oneIn(20)) params = someParams(random);
        break;
      default:
        now += random.pick([0, 1, 60, 100_000]);
    }
    assert.ok(clients.size <= capacity);
    for (const known of addresses) {
      const client = clients.get(known);
      const connections = open.filter((connection) => connection.address === known).length;
      // It may have been forgotten, or not been there when they came.
      assert.ok(client === undefined || (client.connections >= 0 && client.connections <= connections));
      assert.ok(client === undefined || (client.circuits.tokens >= 0 && client.connects.tokens >= 0));
    }
    const after = { ...defence.counters };
    for (const [name, count] of Object.entries(after)) {
      assert.ok(count >= before[name as keyof typeof before], `${name} went back`);
    }
    before = after;
  }
  clients.close();
  assert.equal(quota.used, 0);
};

export const targets: ReadonlyArray<FuzzTarget> = [{ name: "defence against floods", run: operations }];
