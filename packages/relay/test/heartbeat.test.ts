import type { ChannelManager } from "@allium/channel";
import type { RelayCircuits } from "@allium/circuit";
import { MemoryQuota } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Logger, References } from "effect";
import { TestClock } from "effect/testing";
import type { DefenceCounts } from "../src/index.ts";
import { heartbeat } from "../src/tasks.ts";
import { TrafficMeter } from "../src/traffic.ts";

const quiet: DefenceCounts = {
  dos: {
    circuitsRejected: 0,
    markedAddresses: 0,
    markedAddressesMaxQueue: 0,
    connectionsRejected: 0,
    concurrentConnectionsRejected: 0,
    streamsRejected: 0,
  },
  connections: new Map(),
  incoming: 0,
  opening: 0,
  bounds: new Map(),
  overruns: { near: 0, far: 0 },
  endedForMemory: 0,
  shortages: 0,
  clients: 0,
};

describe("the heartbeat", () => {
  it.effect("tells every six hours how the relay is, and what its defences have had to do", () => {
    const lines: Array<Readonly<Record<string, unknown>>> = [];
    const logger = Logger.make(({ fiber }) => {
      lines.push(fiber.getRef(References.CurrentLogAnnotations));
    });
    let counts = quiet;
    const quota = new MemoryQuota();
    quota.open({ name: "circuits", policy: "fixed" }).adjust(5_000);
    return Effect.gen(function* () {
      yield* Effect.forkChild(
        heartbeat({
          circuits: { circuits: () => [] } as unknown as RelayCircuits["Service"],
          channels: { channels: () => [] } as unknown as ChannelManager["Service"],
          traffic: new TrafficMeter(0),
          defences: { quota, counts: () => counts },
          startedAt: 0,
        }),
      );
      yield* TestClock.adjust("6 hours");
      assert.deepStrictEqual(lines, [
        { uptime: "6h", circuits: 0, channels: 0, readBytes: 0, writtenBytes: 0, waitingBytes: 5_000 },
      ]);
      counts = {
        ...quiet,
        dos: { ...quiet.dos, circuitsRejected: 7 },
        overruns: { near: 1, far: 2 },
        endedForMemory: 4,
        bounds: new Map([["circuitsTooMany", 5]]),
      };
      yield* TestClock.adjust("6 hours");
      assert.deepInclude(lines[1], {
        circuitsRejected: 7,
        circuitsOverrun: 3,
        circuitsEndedForMemory: 4,
        circuitsTooMany: 5,
      });
      assert.notProperty(lines[1], "streamsRejected");
    }).pipe(Effect.provide(Logger.layer([logger])));
  });
});
