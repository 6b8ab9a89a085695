import { describe, it } from "@effect/vitest";
import { Random } from "../../../test/support/fuzz.ts";
import { targets as authorities } from "../fuzz/authorities.fuzz.ts";
import { targets as holdings } from "../fuzz/holdings.fuzz.ts";
import { targets as http } from "../fuzz/http.fuzz.ts";

const ITERATIONS = 2000;

describe("fuzz", () => {
  it.each([authorities, holdings, http].flat())("$name", ({ run }) => {
    const random = new Random(20_260_101);
    for (let iteration = 0; iteration < ITERATIONS; iteration++) run(random);
  });
});
