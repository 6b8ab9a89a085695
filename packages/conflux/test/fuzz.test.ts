import { describe, it } from "@effect/vitest";
import { Random } from "../../../test/support/fuzz.ts";
import { targets as arrivals } from "../fuzz/arrivals.fuzz.ts";
import { targets as handshake } from "../fuzz/handshake.fuzz.ts";
import { targets as receiver } from "../fuzz/receiver.fuzz.ts";
import { targets as schedulers } from "../fuzz/schedulers.fuzz.ts";

describe("fuzz targets of conflux", () => {
  for (const target of [...arrivals, ...receiver, ...handshake, ...schedulers]) {
    it(target.name, () => {
      for (let seed = 0; seed < 3000; seed++) target.run(new Random(seed));
    });
  }
});
