import { describe, it } from "@effect/vitest";
import { Random } from "../../../test/support/fuzz.ts";
import { targets } from "../fuzz/link.fuzz.ts";

describe("fuzz targets, a short run", () => {
  for (const { name, run } of targets) {
    it(name, () => {
      const random = new Random(1);
      for (let round = 0; round < 3_000; round++) run(random);
    });
  }
});
