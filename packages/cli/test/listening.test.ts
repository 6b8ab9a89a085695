import { assert, describe, it } from "@effect/vitest";
import { isLoopback } from "../src/index.ts";

describe("an address to listen on", () => {
  for (const host of ["127.0.0.1", "127.9.9.9", "::1"])
    it(`${host} is reached by this machine alone`, () => assert.isTrue(isLoopback(host)));

  for (const host of ["0.0.0.0", "::", "192.0.2.127", "128.0.0.1", "::11"])
    it(`${host} is reached by others too`, () => assert.isFalse(isLoopback(host)));
});
