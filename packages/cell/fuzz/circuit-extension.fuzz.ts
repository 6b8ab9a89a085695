import assert from "node:assert/strict";
import type { FuzzTarget } from "../../../test/support/fuzz.ts";
import {
  CellError,
  encodeRequestExtensions,
  encodeResponseExtensions,
  readRequestExtensions,
  readResponseExtensions,
} from "../src/index.ts";
import { randomRequestExtensions } from "./messages.ts";

export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "circuit extensions",
    run: (random) => {
      const sound = encodeRequestExtensions(randomRequestExtensions(random));
      const input = random.oneIn(4) ? random.bytes(random.below(40)) : random.mutate(sound);
      try {
        const request = encodeRequestExtensions(readRequestExtensions(input));
        assert.deepEqual(encodeRequestExtensions(readRequestExtensions(request)), request);
        const response = encodeResponseExtensions(readResponseExtensions(input));
        assert.deepEqual(encodeResponseExtensions(readResponseExtensions(response)), response);
      } catch (error) {
        if (!(error instanceof CellError)) throw error;
      }
    },
  },
];
