import { ConfluxUx } from "@allium/cell";
import { type ConfluxScheduler, ConfluxSchedulers } from "@allium/conflux";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Logger } from "effect";
import { whileTimePasses } from "../../../../test/memory-network/index.ts";
import { buildLeg, makeNetwork, openEcho, settle } from "./support.ts";

const broken: ConfluxScheduler = {
  name: "broken",
  choose: () => {
    throw new Error("a bug");
  },
  cellsUntilSwitch: () => 0,
};

describe("a set whose scheduler has a bug", () => {
  it.effect("ends with its legs, and the log says so", () => {
    const lines: Array<string> = [];
    const logger = Logger.make(({ message, logLevel }) => {
      lines.push(`${logLevel} ${Array.isArray(message) ? message[0] : message}`);
    });
    return Effect.gen(function* () {
      const { client } = yield* makeNetwork();
      const leg = yield* buildLeg(client, 0);
      const set = client.conflux.begin({ desiredUx: ConfluxUx.NO_OPINION });
      yield* Effect.orDie(whileTimePasses(set.link(leg, 2)));
      yield* Effect.forkScoped(Effect.ignoreCause(openEcho(leg)));
      yield* settle;
      assert.isTrue(set.isOver);
      assert.isDefined(leg.end);
      assert.deepStrictEqual(
        lines.filter((line) => line.startsWith("Error")),
        [`Error ${set.name} ended by a defect`],
      );
    }).pipe(
      Effect.provideService(ConfluxSchedulers, () => broken),
      Effect.provide(Logger.layer([logger])),
      Effect.scoped,
    );
  });
});
