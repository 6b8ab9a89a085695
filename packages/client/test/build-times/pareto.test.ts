import { assert, describe, it } from "@effect/vitest";
import { BuildTimeHistory, historyLength, midpointOf } from "../../src/build-times/history.ts";
import { estimateXm, fitPareto, paretoQuantile } from "../../src/build-times/pareto.ts";
import { timeoutScale } from "../../src/build-times/scale.ts";
import { seeded } from "./support.ts";

/** The build times of Arti's tests, in milliseconds (crates/tor-circmgr/src/timeouts/pareto.rs). */
const artisTimes = [300, 500, 542, 305, 543, 307, 212, 203, 617, 413];

const historyOf = (times: ReadonlyArray<number>) => {
  const history = new BuildTimeHistory();
  for (const time of times) history.add(time);
  return history;
};

describe("the history (path-spec 2.4.2)", () => {
  it("has bins of 10 ms, named by what is in their middle", () => {
    assert.deepStrictEqual([0, 1, 9.9, 10, 903].map(midpointOf), [5, 5, 5, 15, 905]);
    assert.deepStrictEqual(historyOf([542, 300, 543, 305, 500]).histogram(), [
      [305, 2],
      [505, 1],
      [545, 2],
    ]);
  });

  it("keeps the newest thousand, and its histogram is theirs", () => {
    const history = historyOf(Array.from({ length: 2500 }, (_, index) => index));
    assert.strictEqual(historyLength, 1000);
    assert.strictEqual(history.count, 1000);
    assert.deepStrictEqual(
      [...history.times()].sort((left, right) => left - right),
      Array.from({ length: 1000 }, (_, index) => 1500 + index),
    );
    assert.strictEqual(history.histogram().length, 100);
    assert.isTrue(history.histogram().every(([, count]) => count === 10));
  });
});

describe("Xm (path-spec 2.4.3)", () => {
  it("is the average of the fullest bins, weighted by what is in them", () => {
    const bins = historyOf(artisTimes).histogram();
    // Three in the bin of 305, two in that of 545: (3 * 305 + 2 * 545) / 5.
    assert.strictEqual(estimateXm(bins, 2), 401);
    assert.strictEqual(estimateXm(bins, 1), 305);
  });

  it("takes the earlier of bins that are equally full", () => {
    assert.strictEqual(estimateXm(historyOf([900, 100, 500, 300]).histogram(), 2), 205);
  });

  it("takes all bins if there are fewer", () => {
    assert.strictEqual(estimateXm(historyOf([100, 200]).histogram(), 10), 155);
  });

  it("is not there without build times", () => {
    assert.strictEqual(estimateXm([], 10), undefined);
  });
});

describe("the Pareto distribution (path-spec 2.4.3)", () => {
  it("is as computed by hand", () => {
    // The logarithm of each, less that of Xm, is 1: alpha is 1, and F(q) = 10 / (1 - q).
    const pareto = fitPareto([10 * Math.E, 10 * Math.E], 10);
    assert.approximately(pareto.inverseAlpha, 1, 1e-12);
    assert.approximately(paretoQuantile(pareto, 0.8), 50, 1e-9);
    assert.approximately(paretoQuantile(pareto, 0.99), 1000, 1e-9);
    assert.strictEqual(paretoQuantile(pareto, 0), 10);
    // With one of two at Xm or below it, alpha is 2: F(0.75) = 10 / 0.25^(1/2) = 20.
    for (const low of [10, 4]) assert.approximately(paretoQuantile(fitPareto([low, 10 * Math.E], 10), 0.75), 20, 1e-9);
  });

  it("is as in Arti's tests", () => {
    const pareto = fitPareto(artisTimes, 401);
    assert.approximately(paretoQuantile(pareto, 0.6), 451.127, 0.001);
    assert.approximately(paretoQuantile(pareto, 0.8), 493.169, 0.001);
    assert.approximately(paretoQuantile(pareto, 0.99), 724.841, 0.001);
  });

  it("is at Xm if nothing is longer", () => {
    assert.strictEqual(paretoQuantile(fitPareto([3, 5, 4], 5), 0.99), 5);
  });

  // The standard error of 1 / alpha is 1 / (alpha sqrt(n)); five of them are missed by chance once in 1.7 million.
  it.each([
    { xm: 200, alpha: 1.2, seed: 1 },
    { xm: 500, alpha: 3, seed: 2 },
    { xm: 3000, alpha: 8, seed: 3 },
  ])("is recovered from samples: Xm $xm, alpha $alpha", ({ xm, alpha, seed }) => {
    const random = seeded(seed);
    const samples = Array.from({ length: 20_000 }, () => xm / (1 - random.uniform()) ** (1 / alpha));
    const { inverseAlpha } = fitPareto(samples, xm);
    assert.approximately(inverseAlpha, 1 / alpha, 5 / (alpha * Math.sqrt(samples.length)));
  });
});

describe("other lengths (path-spec 2.4.3)", () => {
  it.each([
    [1, 1 / 6],
    [2, 3 / 6],
    [3, 1],
    [4, 10 / 6],
    [8, 36 / 6],
  ])("a circuit of %i hops takes %f of the time of three", (hops, scale) => {
    assert.strictEqual(timeoutScale({ hops }), scale);
  });

  it("an answer from a hop takes as many messages as it is hops away", () => {
    assert.strictEqual(timeoutScale({ hops: 0, roundTrips: [3] }), 3 / 6);
    assert.strictEqual(timeoutScale({ hops: 3, roundTrips: [3, 1] }), 10 / 6);
  });
});
