import { describe } from "@effect/vitest";
import { checkSeeds } from "./check-seeds.ts";

describe("sets of the seeds", () => {
  checkSeeds(2_500, 2_500);
});
