import { assert, describe, it } from "@effect/vitest";
import { MAX_LANES, RESEND_BYTES, ResendBuffer } from "../../src/index.ts";

const A = 0;
const B = 1;

interface Train {
  readonly name: string;
}

const bufferWith = (limitBytes?: number) => {
  const buffer = new ResendBuffer<Train>(limitBytes);
  /** A train of DATA, or of others; 10 bytes a cell. */
  const keep = (leg: number, first: number, cells: number, isData = true): boolean =>
    buffer.keep(leg, first, cells, isData, cells * 10, { name: `${first}` });
  const after = (leg: number, received: number): ReadonlyArray<string> | undefined =>
    buffer.after([leg], received)?.map(({ payload }) => payload.name);
  return { buffer, keep, after };
};

describe("what was sent and is not acknowledged", () => {
  it("is all there is, in order, by leg", () => {
    const { buffer, keep, after } = bufferWith();
    keep(A, 1, 10);
    keep(B, 11, 5);
    keep(A, 16, 2, false);
    assert.deepStrictEqual(after(A, 0), ["1", "16"]);
    assert.deepStrictEqual(after(B, 0), ["11"]);
    assert.deepStrictEqual(after(2, 0), []);
    assert.strictEqual(buffer.bytes, 170);
  });

  it("leaves out what the peer says it has, but for a train that it has in part", () => {
    const { buffer, keep, after } = bufferWith();
    keep(A, 1, 10);
    keep(A, 11, 10);
    assert.deepStrictEqual(after(A, 10), ["11"]);
    assert.deepStrictEqual(after(A, 9), ["1", "11"]);
    assert.deepStrictEqual(after(A, 20), []);
    assert.deepStrictEqual(buffer.after([A], 10), [
      { first: 11, cells: 10, bytes: 100, isData: true, payload: { name: "11" } },
    ]);
  });

  it("goes with SENDMEs, DATA by DATA, and takes along what went before it on its leg", () => {
    const { buffer, keep, after } = bufferWith();
    keep(A, 1, 1, false);
    keep(A, 2, 20);
    keep(A, 22, 1, false);
    keep(A, 23, 20);
    keep(B, 43, 20);
    buffer.release(A, 31);
    assert.deepStrictEqual(after(A, 0), ["23"]);
    buffer.release(A, 9);
    assert.deepStrictEqual(after(A, 0), []);
    assert.deepStrictEqual(after(B, 0), ["43"]);
    assert.strictEqual(buffer.bytes, 200);
    buffer.release(A, 31);
    buffer.release(7, 31);
    assert.strictEqual(buffer.bytes, 200);
  });

  it("is bounded: what does not fit is not kept, and its leg cannot be resumed until it is acknowledged", () => {
    const { buffer, keep, after } = bufferWith(100);
    assert.isTrue(keep(A, 1, 10));
    assert.isFalse(keep(A, 11, 1));
    assert.isFalse(keep(A, 12, 4));
    assert.strictEqual(buffer.bytes, 100);
    assert.isUndefined(after(A, 14));
    assert.deepStrictEqual(after(A, 15), []);
    buffer.release(A, 10);
    assert.isTrue(keep(A, 16, 2));
    assert.isUndefined(after(A, 0));
    buffer.release(A, 5);
    assert.deepStrictEqual(after(A, 0), ["16"]);
  });

  it("does not take the SENDME of a train that was not kept for that of another", () => {
    const { buffer, keep, after } = bufferWith(100);
    keep(B, 1, 10);
    assert.isFalse(keep(A, 11, 10));
    buffer.release(B, 10);
    assert.isTrue(keep(A, 21, 10));
    buffer.release(A, 10);
    assert.deepStrictEqual(after(A, 0), ["21"]);
  });

  it("is 4 MiB by default, of as many legs as a receiver holds", () => {
    const { buffer } = bufferWith();
    assert.strictEqual(RESEND_BYTES, 4_194_304);
    assert.isTrue(buffer.keep(A, 1, 1, true, RESEND_BYTES, { name: "" }));
    assert.isFalse(buffer.keep(A, 2, 1, true, 1, { name: "" }));
    const { keep, after } = bufferWith();
    for (let leg = 0; leg < MAX_LANES; leg++) assert.isTrue(keep(leg, leg + 1, 1));
    assert.deepStrictEqual(after(MAX_LANES, 0), []);
    assert.isFalse(keep(MAX_LANES, MAX_LANES + 1, 1));
    assert.isUndefined(after(MAX_LANES, 0));
  });

  it("waits on the leg on which it was sent again, from the beginning", () => {
    const { buffer, keep, after } = bufferWith();
    keep(A, 1, 10);
    keep(A, 11, 10);
    keep(A, 21, 1, false);
    buffer.release(A, 15);
    buffer.moved([A], B, 10);
    assert.deepStrictEqual(after(A, 0), []);
    assert.deepStrictEqual(after(B, 0), ["11", "21"]);
    assert.strictEqual(buffer.bytes, 110);
    buffer.release(B, 9);
    assert.deepStrictEqual(after(B, 0), ["11", "21"]);
    buffer.release(B, 1);
    assert.deepStrictEqual(after(B, 0), ["21"]);
    buffer.moved([A], B, 0);
    assert.deepStrictEqual(after(B, 0), ["21"]);
  });

  it("is in the order of its numbers, if it was sent on several legs that have ended", () => {
    const { buffer, keep } = bufferWith();
    keep(A, 1, 10);
    keep(B, 11, 10);
    keep(A, 21, 10);
    const names = (legs: ReadonlyArray<number>) => buffer.after(legs, 5)?.map(({ payload }) => payload.name);
    assert.deepStrictEqual(names([A, B]), ["1", "11", "21"]);
    buffer.moved([A, B], 2, 5);
    assert.deepStrictEqual(names([2]), ["1", "11", "21"]);
    assert.strictEqual(buffer.after([2], 5)?.[0]?.first, 6);
    assert.strictEqual(buffer.after([2], 5)?.[0]?.cells, 5);
  });

  it("does not move what the peer has", () => {
    const { buffer, keep, after } = bufferWith();
    keep(A, 1, 10);
    keep(A, 11, 10);
    buffer.moved([A], B, 10);
    assert.deepStrictEqual(after(B, 0), ["11"]);
    assert.strictEqual(buffer.bytes, 100);
  });

  it("can be let go of, and then what was in flight cannot be sent again, but what follows can", () => {
    const { buffer, keep, after } = bufferWith();
    keep(A, 1, 10);
    keep(A, 11, 5);
    keep(B, 16, 1, false);
    buffer.clear();
    buffer.clear();
    assert.strictEqual(buffer.bytes, 0);
    assert.isUndefined(after(A, 14));
    assert.isUndefined(after(B, 15));
    assert.deepStrictEqual(after(A, 15), []);
    keep(A, 17, 3);
    assert.isUndefined(after(A, 14));
    assert.deepStrictEqual(after(A, 16), ["17"]);
    buffer.release(A, 15);
    assert.deepStrictEqual(after(A, 0), ["17"]);
  });
});
