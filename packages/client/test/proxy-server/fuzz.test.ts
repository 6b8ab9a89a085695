import { describe, it } from "@effect/vitest";
import { Random } from "../../../../test/support/fuzz.ts";
import { targets } from "../../fuzz/bridge.fuzz.ts";

describe("fuzz targets of the proxy port", () => {
  for (const target of targets) {
    it(target.name, () => {
      for (let seed = 0; seed < 3_000; seed++) target.run(new Random(seed));
    });
  }
});
