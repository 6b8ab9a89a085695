import { describe, it } from "@effect/vitest";
import { Random } from "../../../test/support/fuzz.ts";
import { targets as certificates } from "../fuzz/certificates.fuzz.ts";
import { targets as handshakes } from "../fuzz/handshakes.fuzz.ts";
import { targets as relayCrypto } from "../fuzz/relay-crypto.fuzz.ts";

describe("a short run of each fuzz target", () => {
  it.each([...certificates, ...handshakes, ...relayCrypto])("$name", ({ run }) => {
    const random = new Random(1);
    for (let iteration = 0; iteration < 1500; iteration++) run(random);
  });
});
