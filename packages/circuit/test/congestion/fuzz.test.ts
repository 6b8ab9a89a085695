import { describe, it } from "@effect/vitest";
import { Random } from "../../../../test/support/fuzz.ts";
import { targets } from "../../fuzz/congestion.fuzz.ts";

describe("fuzz targets of congestion and flow control", () => {
  for (const target of targets) {
    it(target.name, () => {
      for (let seed = 0; seed < 3000; seed++) target.run(new Random(seed));
    });
  }
});
