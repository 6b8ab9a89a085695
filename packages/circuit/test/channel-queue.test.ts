import { assert, describe, it } from "@effect/vitest";
import { ChannelQueue } from "../src/channel-queue.ts";

describe("the queue towards the channel (proposal 324, 3.3)", () => {
  it("is blocked from the high mark on, until it has fallen to the low mark", () => {
    const queue = new ChannelQueue({ high: 256, low: 10 });
    const seen = [0, 255, 256, 300, 255, 11, 10, 11, 255, 256, 0].map((cells) => queue.look(cells));
    assert.deepStrictEqual(seen, [false, false, true, true, true, true, false, false, false, true, false]);
  });

  it("with equal marks, is blocked when it is at the mark or above", () => {
    const queue = new ChannelQueue({ high: 10, low: 10 });
    assert.deepStrictEqual(
      [9, 10, 11, 9].map((cells) => queue.look(cells)),
      [false, true, true, false],
    );
  });
});
