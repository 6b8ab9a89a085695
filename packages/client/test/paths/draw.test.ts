import { assert, describe, it } from "@effect/vitest";
import { WeightedDraw } from "../../src/paths/draw.ts";
import { assertDistribution, seeded, tally } from "./support.ts";

const drawOf = (weights: ReadonlyArray<number>) =>
  new WeightedDraw(Uint32Array.from(weights.keys()), Float64Array.from(weights));
const always = (value: number) => ({ uniform: () => value });
/** The greatest number that a draw may get. */
const almostOne = 1 - 2 ** -53;

describe("a draw by weight", () => {
  it.each<readonly [string, ReadonlyArray<number>]>([
    ["even", [1, 1, 1, 1, 1]],
    ["steep", [1000, 500, 250, 125, 60, 30]],
    ["with gaps", [0, 0, 3, 0, 1, 0, 0, 2, 0]],
    ["large", [4e9, 1e9, 2e9]],
    ["of many", Array.from({ length: 300 }, (_, index) => 1 + (index % 17))],
  ])("follows weights that are %s", (_, weights) => {
    const draw = drawOf(weights);
    const random = seeded(7);
    assertDistribution(
      tally(40_000, () => `${draw.draw(random)}`),
      new Map(weights.map((weight, index) => [`${index}`, weight])),
    );
  });

  it("is even if nothing weighs anything", () => {
    const draw = drawOf([0, 0, 0]);
    const random = seeded(8);
    assertDistribution(
      tally(9000, () => `${draw.draw(random)}`),
      new Map([
        ["0", 1],
        ["1", 1],
        ["2", 1],
      ]),
    );
  });

  it("never takes what weighs nothing, at either end of chance", () => {
    const draw = drawOf([0, 1, 0, 1, 0]);
    assert.strictEqual(draw.draw(always(0)), 1);
    assert.strictEqual(draw.draw(always(almostOne)), 3);
    assert.strictEqual(drawOf([0.1, 0.1, 0.1, 0]).draw(always(almostOne)), 2);
    assert.strictEqual(drawOf([0, 0]).draw(always(almostOne)), 1);
  });

  it("is nothing if there is nothing", () => {
    assert.strictEqual(drawOf([]).draw(always(0)), undefined);
  });
});
