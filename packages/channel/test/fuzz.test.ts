import { describe, it } from "@effect/vitest";
import { Random } from "../../../test/support/fuzz.ts";
import { targets as handshake } from "../fuzz/handshake.fuzz.ts";
import { targets as openChannel } from "../fuzz/open-channel.fuzz.ts";

const ITERATIONS = 1000;

describe("fuzz", () => {
  it.each([handshake, openChannel].flat())(
    "$name",
    ({ run }) => {
      const random = new Random(20_260_101);
      for (let iteration = 0; iteration < ITERATIONS; iteration++) run(random);
    },
    60_000,
  );
});
