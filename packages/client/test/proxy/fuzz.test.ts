import { describe, it } from "@effect/vitest";
import { Random } from "../../../../test/support/fuzz.ts";
import { targets as dns } from "../../fuzz/dns.fuzz.ts";
import { targets as proxy } from "../../fuzz/proxy.fuzz.ts";

const ITERATIONS = 3000;

describe("fuzz", () => {
  it.each([proxy, dns].flat())("$name", ({ run }) => {
    const random = new Random(20_261_121);
    for (let iteration = 0; iteration < ITERATIONS; iteration++) run(random);
  });
});
