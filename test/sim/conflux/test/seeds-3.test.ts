import { describe } from "@effect/vitest";
import { checkSeeds } from "./check-seeds.ts";

describe("sets of the seeds", () => {
  checkSeeds(5_000, 2_500);
});
