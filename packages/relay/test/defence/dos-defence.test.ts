import { MemoryQuota } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { ClientTable } from "../../src/defence/client-table.ts";
import { DosDefence } from "../../src/defence/dos-defence.ts";
import { type DosConfig, type DosParams, dosParams } from "../../src/defence/dos-params.ts";

const ENABLED: DosConfig = { circuitCreationEnabled: true, connectionEnabled: true, streamCreationEnabled: true };
const CLIENT = "18.0.0.1";
const RELAY = "18.0.0.99";
const HOUR = 3_600;

/** A defence at a time that the test sets, which draws what the test says: by default the longest times. */
const make = (config: DosConfig = ENABLED, param: (name: string) => number | undefined = () => undefined) => {
  const quota = new MemoryQuota();
  const clock = { now: 1_000_000 };
  let params: DosParams = dosParams(param, config);
  const now = () => clock.now;
  const relays = new Set([RELAY]);
  const isRelay = (address: string) => relays.has(address);
  const clients = new ClientTable({ params: () => params, now, quota });
  const defence = new DosDefence({ params: () => params, now, below: (limit) => limit - 1, clients, isRelay });
  const configure = (other: DosConfig) => {
    params = dosParams(() => undefined, other);
  };
  return { clock, clients, defence, quota, configure, relays };
};

/** Opens connections until so many are open, a second apart: the rate of connecting is not exceeded. */
const connect = ({ clock, defence }: ReturnType<typeof make>, count: number, address = CLIENT) =>
  Array.from({ length: count }, () => {
    clock.now++;
    const leave = defence.enter(address);
    assert.isDefined(leave);
    return leave;
  });

const createAll = ({ defence }: ReturnType<typeof make>, count: number): ReadonlyArray<boolean> =>
  Array.from({ length: count }, () => defence.admitsCircuit(CLIENT));

describe("connections of an address", () => {
  // As test_dos_conn_creation of `tor`.
  it("are refused above the number that may be open at once, until one closes", () => {
    const test = make();
    // One more than the parameter says: `tor` refuses when there are more already.
    const leaves = connect(test, 101);
    assert.isUndefined(test.defence.enter(CLIENT));
    assert.strictEqual(test.defence.counters.concurrentConnectionsRejected, 1);
    assert.isDefined(test.defence.enter("18.0.0.2"));
    leaves[0]!();
    assert.isDefined(test.defence.enter(CLIENT));
    assert.isUndefined(test.defence.enter(CLIENT));
  });

  // As test_dos_conn_rate of `tor`.
  it("are refused for a day or more when they come too fast", () => {
    const test = make();
    for (let count = 0; count < 40; count++) {
      const leave = test.defence.enter(CLIENT);
      assert.isDefined(leave);
      leave();
    }
    assert.isUndefined(test.defence.enter(CLIENT));
    test.clock.now += 12 * HOUR;
    assert.isUndefined(test.defence.enter(CLIENT));
    assert.strictEqual(test.defence.counters.connectionsRejected, 2);
    test.clock.now += 23 * HOUR + 3_599;
    assert.isUndefined(test.defence.enter(CLIENT));
    test.clock.now += 2;
    assert.isDefined(test.defence.enter(CLIENT));
    // It has begun anew, and can be marked again.
    for (let count = 0; count < 39; count++) assert.isDefined(test.defence.enter(CLIENT));
    assert.isUndefined(test.defence.enter(CLIENT));
  });

  it("may come in bursts that a slower time makes up for", () => {
    const test = make();
    for (let second = 0; second < 100; second++) {
      test.clock.now++;
      for (let count = 0; count < 20; count++) {
        const leave = test.defence.enter(CLIENT);
        assert.isDefined(leave);
        leave();
      }
    }
  });

  it("are only counted if the defence is none, and not even that if it is off", () => {
    const test = make({ ...ENABLED, connectionDefenseType: 1, connectionMaxConcurrentCount: 3 });
    for (let count = 0; count < 60; count++) assert.isDefined(test.defence.enter(CLIENT));
    assert.isAbove(test.defence.counters.connectionsRejected, 10);
    assert.isAbove(test.defence.counters.concurrentConnectionsRejected, 10);
    const off = make({});
    for (let count = 0; count < 300; count++) assert.isDefined(off.defence.enter(CLIENT));
    assert.strictEqual(off.clients.size, 0);
    off.configure(ENABLED);
    assert.isDefined(off.defence.enter(CLIENT));
  });

  it("are neither counted nor refused where the network knows a relay", () => {
    const test = make();
    for (let count = 0; count < 200; count++) assert.isDefined(test.defence.enter(RELAY));
    assert.strictEqual(test.clients.size, 0);
    // Marked before the consensus listed it.
    for (let count = 0; count < 40; count++) test.defence.enter(CLIENT);
    assert.isUndefined(test.defence.enter(CLIENT));
    test.relays.add(CLIENT);
    assert.isDefined(test.defence.enter(CLIENT));
  });

  it("that came while the defence was off do not count when they end", () => {
    const test = make({});
    const early = test.defence.enter(CLIENT)!;
    test.configure({ ...ENABLED, connectionMaxConcurrentCount: 1 });
    connect(test, 2);
    early();
    assert.isUndefined(test.defence.enter(CLIENT));
  });
});

describe("circuits of an address", () => {
  // As test_dos_circuit_creation of `tor`.
  it("are refused from the one on that takes the last of the burst, if the address has enough connections", () => {
    const test = make();
    connect(test, 3);
    assert.isTrue(createAll(test, 89).every((admitted) => admitted));
    assert.deepStrictEqual(createAll(test, 3), [false, false, false]);
    assert.strictEqual(test.defence.counters.markedAddresses, 1);
    assert.strictEqual(test.defence.counters.circuitsRejected, 3);
  });

  it("are not refused to an address that the consensus lists by now", () => {
    const test = make();
    connect(test, 3);
    assert.isFalse(createAll(test, 90)[89]);
    test.relays.add(CLIENT);
    assert.isTrue(createAll(test, 100).every((admitted) => admitted));
    for (let count = 0; count < 3; count++) test.defence.circuitOverran(CLIENT);
    assert.strictEqual(test.defence.counters.markedAddressesMaxQueue, 0);
  });

  it("are never refused to an address with fewer connections, nor to one that is not known", () => {
    const test = make();
    connect(test, 2);
    assert.isTrue(createAll(test, 1_000).every((admitted) => admitted));
    connect(test, 1);
    // A second has passed, and three have come.
    assert.deepStrictEqual(createAll(test, 3), [true, true, false]);
    assert.isTrue(test.defence.admitsCircuit("18.0.0.2"));
  });

  // As test_dos_bucket_refill of `tor`.
  it("have a rate of their own", () => {
    const test = make();
    connect(test, 3);
    createAll(test, 30);
    test.clock.now++;
    // 60 left, and three more.
    assert.deepStrictEqual(createAll(test, 63).lastIndexOf(true), 61);
    // A week later the burst is full, and not fuller; its first half hour the address is still marked for.
    test.clock.now += 604_800;
    assert.deepStrictEqual(createAll(test, 90).lastIndexOf(true), 88);
  });

  it("are refused for a time that grows as long as the address goes on", () => {
    const test = make();
    connect(test, 3);
    createAll(test, 90);
    // An hour and up to half of one.
    test.clock.now += 5_300;
    for (let count = 0; count < 300; count++) test.defence.admitsCircuit(CLIENT);
    test.clock.now += 5_399;
    assert.isFalse(test.defence.admitsCircuit(CLIENT));
    test.clock.now += 2;
    assert.isTrue(test.defence.admitsCircuit(CLIENT));
    // Counted once, as `tor` does.
    assert.strictEqual(test.defence.counters.markedAddresses, 1);
  });

  it("are only counted if the defence is none, and not even that if it is off", () => {
    const test = make({ ...ENABLED, circuitCreationDefenseType: 1 });
    connect(test, 3);
    assert.isTrue(createAll(test, 100).every((admitted) => admitted));
    assert.strictEqual(test.defence.counters.circuitsRejected, 11);
    test.configure({ connectionEnabled: true });
    createAll(test, 100);
    test.defence.circuitOverran(CLIENT);
    assert.strictEqual(test.defence.counters.circuitsRejected, 11);
  });

  it("are refused to an address whose circuits have overrun three times", () => {
    const test = make();
    connect(test, 1);
    test.defence.circuitOverran("18.0.0.2");
    for (let count = 0; count < 2; count++) test.defence.circuitOverran(CLIENT);
    assert.isTrue(test.defence.admitsCircuit(CLIENT));
    test.defence.circuitOverran(CLIENT);
    assert.isFalse(test.defence.admitsCircuit(CLIENT));
    assert.strictEqual(test.defence.counters.markedAddressesMaxQueue, 1);
    // While it is marked, more of them make no difference.
    for (let count = 0; count < 5; count++) test.defence.circuitOverran(CLIENT);
    test.clock.now += 5_401;
    assert.isTrue(test.defence.admitsCircuit(CLIENT));
    test.defence.circuitOverran(CLIENT);
    assert.isTrue(test.defence.admitsCircuit(CLIENT));
    const never = make(ENABLED, (name) => (name === "dos_num_circ_max_outq" ? 0 : undefined));
    connect(never, 1);
    for (let count = 0; count < 50; count++) never.defence.circuitOverran(CLIENT);
    assert.isTrue(never.defence.admitsCircuit(CLIENT));
  });

  it("a period of no time is one second at least", () => {
    const test = make({ ...ENABLED, circuitCreationDefenseTimePeriod: 0, circuitCreationBurst: 1 });
    connect(test, 3);
    assert.isFalse(test.defence.admitsCircuit(CLIENT));
    test.clock.now += 2;
    test.configure(ENABLED);
    assert.isTrue(test.defence.admitsCircuit(CLIENT));
  });
});

describe("streams of a circuit", () => {
  it("are refused, or the circuit is closed, when they are too many too fast", () => {
    for (const [type, defense] of [
      [1, "open"],
      [2, "refuse"],
      [3, "closeCircuit"],
    ] as const) {
      const { defence, clock } = make({ ...ENABLED, streamCreationDefenseType: type });
      const next = defence.streamsOfCircuit();
      for (let count = 0; count < 300; count++) assert.strictEqual(next(), "open");
      assert.strictEqual(next(), defense);
      assert.strictEqual(defence.counters.streamsRejected, 1);
      clock.now++;
      for (let count = 0; count < 100; count++) assert.strictEqual(next(), "open");
      assert.strictEqual(next(), defense);
      assert.strictEqual(defence.counters.streamsRejected, 2);
      // Another circuit has its own.
      assert.strictEqual(defence.streamsOfCircuit()(), "open");
    }
  });

  it("are not counted if the defence is off", () => {
    const { defence } = make({});
    const next = defence.streamsOfCircuit();
    for (let count = 0; count < 1_000; count++) assert.strictEqual(next(), "open");
  });
});

describe("dosParams", () => {
  it("are those of the consensus within their ranges, and the defaults of tor", () => {
    const off = dosParams(() => undefined);
    assert.deepStrictEqual(off, {
      circuits: {
        enabled: false,
        minConnections: 3,
        rate: 3,
        burst: 90,
        defense: "refuse",
        period: 3_600,
        maxOverruns: 3,
      },
      connections: { enabled: false, maxConcurrent: 100, rate: 20, burst: 40, defense: "close", period: 86_400 },
      streams: { enabled: false, rate: 100, burst: 300, defense: "refuse" },
    });
    const extreme = dosParams((name) => (name.endsWith("Enabled") ? 7 : -5));
    assert.deepStrictEqual(extreme, {
      circuits: { enabled: true, minConnections: 1, rate: 1, burst: 1, defense: "none", period: 0, maxOverruns: 0 },
      connections: { enabled: true, maxConcurrent: 1, rate: 1, burst: 1, defense: "none", period: 10 },
      streams: { enabled: true, rate: 1, burst: 1, defense: "none" },
    });
    assert.deepInclude(dosParams(() => 9).streams, { defense: "closeCircuit" });
  });

  it("yield to what the operator says", () => {
    const params = dosParams(() => 1, {
      circuitCreationEnabled: false,
      circuitCreationMinConnections: 2,
      circuitCreationRate: 4,
      circuitCreationBurst: 6,
      circuitCreationDefenseType: 2,
      circuitCreationDefenseTimePeriod: 8,
      connectionEnabled: false,
      connectionMaxConcurrentCount: 10,
      connectionDefenseType: 2,
      connectionConnectRate: 12,
      connectionConnectBurst: 14,
      connectionConnectDefenseTimePeriod: 16,
      streamCreationEnabled: false,
      streamCreationRate: 18,
      streamCreationBurst: 20,
      streamCreationDefenseType: 3,
    });
    assert.deepStrictEqual(params, {
      circuits: { enabled: false, minConnections: 2, rate: 4, burst: 6, defense: "refuse", period: 8, maxOverruns: 1 },
      connections: { enabled: false, maxConcurrent: 10, rate: 12, burst: 14, defense: "close", period: 16 },
      streams: { enabled: false, rate: 18, burst: 20, defense: "closeCircuit" },
    });
  });
});
