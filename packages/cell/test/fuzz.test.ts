import { describe, it } from "@effect/vitest";
import { Random } from "../../../test/support/fuzz.ts";
import { targets as cellDecoder } from "../fuzz/cell-decoder.fuzz.ts";
import { targets as channelMessage } from "../fuzz/channel-message.fuzz.ts";
import { targets as circuitExtension } from "../fuzz/circuit-extension.fuzz.ts";
import { targets as relayCell } from "../fuzz/relay-cell.fuzz.ts";
import { targets as relayMessage } from "../fuzz/relay-message.fuzz.ts";
import { targets as text } from "../fuzz/text.fuzz.ts";

const ITERATIONS = 2000;

describe("fuzz", () => {
  it.each([cellDecoder, channelMessage, circuitExtension, relayCell, relayMessage, text].flat())("$name", ({ run }) => {
    const random = new Random(20_260_101);
    for (let iteration = 0; iteration < ITERATIONS; iteration++) run(random);
  });
});
