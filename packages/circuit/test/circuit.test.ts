import { layerEntropySeeded } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { pattern, readBytes } from "./support/application.ts";
import { aSecond, assertNothingLeft, makeLab, openCircuit, settled } from "./support/lab.ts";

const variants = [
  { split: false, maxTrain: 32 },
  { split: false, maxTrain: 1 },
  { split: true, maxTrain: 32 },
];

for (const { split, maxTrain } of variants) {
  describe(`a circuit of three relays, ${split ? "split" : "single"} stream reactor, maxTrain ${maxTrain}`, () => {
    for (const congestionControl of [true, false]) {
      it.effect(`carries a stream both ways, ${congestionControl ? "Vegas" : "fixed windows"}`, () =>
        Effect.gen(function* () {
          const lab = yield* makeLab({ relays: 3, split, maxTrain, limits: { maxTrain } });
          const circuit = yield* openCircuit(lab, 3, { congestionControl });
          const { connection } = yield* settled(circuit.open(2, "example.com:80"));
          const sent = pattern(6, 600_000);
          connection.write(sent);
          const back = yield* settled(readBytes(connection, sent.length));
          assert.isTrue(back.equals(sent));
          assert.strictEqual(lab.relays[2]!.circuits.circuits().length, 1);
          // Leaky pipe: the middle relay answers too, and the stream at the exit goes on.
          const directory = yield* settled(circuit.openDirectory(1));
          directory.connection.write(Buffer.from("GET"));
          assert.strictEqual((yield* settled(readBytes(directory.connection, 3))).toString(), "GET");
          yield* circuit.group.stop("finished");
          yield* aSecond;
          assertNothingLeft(lab);
        }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("circuit"))),
      );
    }
  });
}
