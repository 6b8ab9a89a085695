import { describe } from "@effect/vitest";
import { checkSeeds } from "./check-seeds.ts";

describe("sets of the seeds", () => {
  checkSeeds(0, 2_500);
});
