import { describe, it } from "@effect/vitest";
import { Random } from "../../../test/support/fuzz.ts";
import { targets as ofConfig } from "../fuzz/config.fuzz.ts";
import { targets as ofReports } from "../fuzz/report.fuzz.ts";

describe("fuzz targets of the program", () => {
  for (const target of [...ofConfig, ...ofReports]) {
    it(target.name, () => {
      for (let seed = 0; seed < 3_000; seed++) target.run(new Random(seed));
    });
  }
});
