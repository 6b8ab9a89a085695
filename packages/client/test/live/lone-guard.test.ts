import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect } from "effect";
import type { RelayOptions } from "../../../../test/memory-network/plan.ts";
import { open, pathOf, readyClient } from "./support.ts";

const everything = ["accept *:*"];

const relays: ReadonlyArray<RelayOptions> = [
  {
    nickname: "both",
    flags: ["Exit", "Fast", "Guard", "Running", "Stable", "V2Dir", "Valid"],
    policy: everything,
    bandwidth: 5_000,
  },
  ...["one", "two", "three"].map((nickname) => ({ nickname })),
  { nickname: "exit", policy: everything },
];

describe("a client whose only guard is a good exit, too", () => {
  it.effect("draws exits until it has one that goes together with it, and nobody waits for that for long", () =>
    Effect.gen(function* () {
      const { client } = yield* readyClient({ relays, params: { cbtdisabled: 1 } });
      for (let index = 0; index < 20; index++) {
        const begun = yield* Clock.currentTimeMillis;
        const stream = yield* open(client, `${index}`);
        assert.isBelow((yield* Clock.currentTimeMillis) - begun, 30_000);
        const path = pathOf(client, stream.tunnel);
        assert.deepStrictEqual([path[0], path[2]], ["both", "exit"]);
        stream.connection.destroy();
      }
    }).pipe(Effect.scoped),
  );
});
