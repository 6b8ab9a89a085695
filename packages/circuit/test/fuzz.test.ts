import { describe, it } from "@effect/vitest";
import { Random } from "../../../test/support/fuzz.ts";
import { targets as client } from "../fuzz/client-handler.fuzz.ts";
import { targets as create } from "../fuzz/create.fuzz.ts";
import { targets as queue } from "../fuzz/handshake-queue.fuzz.ts";
import { targets as ingress } from "../fuzz/ingress.fuzz.ts";
import { targets as handler } from "../fuzz/relay-handler.fuzz.ts";
import { targets as streams } from "../fuzz/streams.fuzz.ts";

describe("fuzz targets of circuits", () => {
  for (const target of [...streams, ...handler, ...ingress, ...queue, ...create, ...client]) {
    it(target.name, () => {
      for (let seed = 0; seed < 2000; seed++) target.run(new Random(seed));
    });
  }
});
