import { assert, describe, it } from "@effect/vitest";
import { RESEND_BYTES, ResendBuffer } from "../../src/index.ts";

const A = 0;
const B = 1;
const C = 2;

interface Train {
  readonly name: string;
}

const bufferWith = (limitBytes?: number) => {
  const buffer = new ResendBuffer<Train>(limitBytes);
  /** A train of DATA, or of others; 10 bytes a cell. */
  const keep = (leg: number, first: number, cells: number, data = cells): boolean =>
    buffer.keep(leg, first, cells, data, cells * 10, { name: `${first}` });
  /** Sends all again that is to be, on a leg. Returns what that was. */
  const again = (leg: number): ReadonlyArray<string> => {
    const sent: Array<string> = [];
    for (let { next } = buffer; next !== undefined; { next } = buffer) {
      sent.push(next.payload.name);
      buffer.onSentAgain(leg, next.cells);
    }
    return sent;
  };
  return { buffer, keep, again };
};

describe("what was sent and is not acknowledged", () => {
  it("is kept by leg, and sent again in order when a leg ends", () => {
    const { buffer, keep, again } = bufferWith();
    keep(A, 1, 10);
    keep(B, 11, 5);
    keep(A, 16, 2, 0);
    assert.strictEqual(buffer.bytes, 170);
    assert.isUndefined(buffer.next);
    assert.isTrue(buffer.onLegEnded(A));
    assert.deepStrictEqual(buffer.next, { first: 1, cells: 10, bytes: 100, payload: { name: "1" } });
    assert.deepStrictEqual(again(B), ["1", "16"]);
    assert.strictEqual(buffer.bytes, 170);
  });

  it("is nothing of a leg that was not used", () => {
    const { buffer } = bufferWith();
    assert.isTrue(buffer.onLegEnded(A));
    assert.isUndefined(buffer.next);
  });

  it("goes with SENDMEs, DATA by DATA, and takes along what went before it on its leg", () => {
    const { buffer, keep, again } = bufferWith();
    keep(A, 1, 1, 0);
    keep(A, 2, 20);
    keep(A, 22, 1, 0);
    keep(A, 23, 20);
    keep(B, 43, 20);
    buffer.release(A, 31);
    assert.strictEqual(buffer.bytes, 400);
    buffer.onLegEnded(A);
    assert.deepStrictEqual(again(C), ["23"]);
    buffer.release(B, 31);
    buffer.release(7, 31);
    assert.strictEqual(buffer.bytes, 200);
  });

  it("waits for all of its cells to be acknowledged once it was sent again", () => {
    const { buffer, keep, again } = bufferWith();
    keep(A, 1, 10);
    buffer.release(A, 5);
    buffer.onLegEnded(A);
    assert.deepStrictEqual(again(B), ["1"]);
    buffer.release(B, 9);
    assert.strictEqual(buffer.bytes, 100);
    buffer.release(B, 1);
    assert.strictEqual(buffer.bytes, 0);
  });

  it("is in the order of its numbers, if it was sent on several legs that have ended", () => {
    const { buffer, keep, again } = bufferWith();
    keep(A, 1, 10);
    keep(B, 11, 10);
    keep(A, 21, 10);
    buffer.onLegEnded(A);
    assert.strictEqual(buffer.next?.first, 1);
    buffer.onSentAgain(B, 10);
    assert.isTrue(buffer.onLegEnded(B));
    assert.deepStrictEqual(again(C), ["1", "11", "21"]);
    assert.strictEqual(buffer.bytes, 300);
  });

  it("is bounded: what does not fit is not kept, and its leg cannot be done without until it is acknowledged", () => {
    for (const acknowledged of [false, true]) {
      const { buffer, keep, again } = bufferWith(100);
      assert.isTrue(keep(A, 1, 10));
      assert.isFalse(keep(A, 11, 1));
      assert.isFalse(keep(A, 12, 4));
      assert.strictEqual(buffer.bytes, 100);
      buffer.release(A, 10);
      assert.isTrue(keep(A, 16, 2));
      if (acknowledged) buffer.release(A, 5);
      assert.strictEqual(buffer.onLegEnded(A), acknowledged);
      assert.deepStrictEqual(again(B), ["16"]);
    }
  });

  it("does not take the SENDME of a train that was not kept for that of another", () => {
    const { buffer, keep, again } = bufferWith(100);
    keep(B, 1, 10);
    assert.isFalse(keep(A, 11, 10));
    buffer.release(B, 10);
    assert.isTrue(keep(A, 21, 10));
    buffer.release(A, 10);
    assert.isTrue(buffer.onLegEnded(A));
    assert.deepStrictEqual(again(C), ["21"]);
  });

  it("is 4 MiB by default", () => {
    const { buffer } = bufferWith();
    assert.strictEqual(RESEND_BYTES, 4_194_304);
    assert.isTrue(buffer.keep(A, 1, 1, 1, RESEND_BYTES, { name: "" }));
    assert.isFalse(buffer.keep(A, 2, 1, 1, 1, { name: "" }));
  });

  it("can be let go of, and then what was in flight cannot be sent again, but what follows can", () => {
    const { buffer, keep, again } = bufferWith();
    keep(A, 1, 10);
    keep(A, 11, 5);
    keep(B, 16, 1, 0);
    assert.isTrue(buffer.clear());
    assert.isTrue(buffer.clear());
    assert.strictEqual(buffer.bytes, 0);
    keep(A, 17, 3);
    buffer.release(A, 15);
    assert.isTrue(buffer.onLegEnded(A));
    assert.deepStrictEqual(again(C), ["17"]);
    assert.isFalse(buffer.onLegEnded(B));
  });

  it("ends its set if it is let go of while it is to be sent again", () => {
    const { buffer, keep } = bufferWith();
    keep(A, 1, 10);
    buffer.onLegEnded(A);
    assert.isFalse(buffer.clear());
    assert.isUndefined(buffer.next);
    assert.strictEqual(buffer.bytes, 0);
  });
});
