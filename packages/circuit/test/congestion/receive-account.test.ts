import { assert, describe, it } from "@effect/vitest";
import type { ReceiveAccount } from "../../src/congestion/control.ts";
import { receiveAccount } from "../../src/congestion/receive-account.ts";
import { defaults, problemOf } from "./support.ts";

/** Receives so many cells and sends each SENDME that is due. */
const receive = (account: ReceiveAccount, cells: number): void => {
  for (let cell = 0; cell < cells; cell++) if (account.onCellReceived()) account.onSendmeSent();
};

const { fixedWindow, vegas } = defaults();

describe("ReceiveAccount", () => {
  /** Whether the next cell has to be acknowledged when the deliver window of `tor` would stand at this. */
  const isNext = (account: ReceiveAccount, deliverWindow: number): boolean => {
    receive(account, 1000 - deliverWindow);
    return account.onCellReceived();
  };

  // `tor` 0.4.8, src/test/test_sendme.c: deliver window, expected.
  it("sendme_is_next1000", () => {
    const vectors = [
      [1000, 0],
      [999, 0],
      [901, 1],
      [900, 0],
      [899, 0],
      [801, 1],
      [101, 1],
      [100, 0],
      [99, 0],
      [1, 1],
      [0, 0],
    ] as const;
    for (const [window, expected] of vectors) {
      assert.strictEqual(isNext(receiveAccount(fixedWindow), window), expected === 1, `deliver window ${window}`);
    }
  });

  it("sendme_is_next", () => {
    const vectors = [
      [1000, 0],
      [970, 1],
      [969, 0],
      [9, 1],
      [8, 0],
      [7, 0],
      [1, 0],
      [0, 0],
    ] as const;
    for (const [window, expected] of vectors) {
      assert.strictEqual(isNext(receiveAccount(vegas), window), expected === 1, `deliver window ${window}`);
    }
  });

  it("bears 1000 unacknowledged cells on a fixed window, and not one more", () => {
    const account = receiveAccount(fixedWindow);
    for (let cell = 0; cell < 1000; cell++) account.onCellReceived();
    assert.strictEqual(account.unacknowledged, 1000);
    assert.strictEqual(
      problemOf(() => account.onCellReceived()),
      "window-overrun",
    );
    account.onSendmeSent();
    for (let cell = 0; cell < 100; cell++) account.onCellReceived();
    assert.strictEqual(
      problemOf(() => account.onCellReceived()),
      "window-overrun",
    );
  });

  it("does not know the other end's window with congestion control", () => {
    const account = receiveAccount(vegas);
    let due = 0;
    for (let cell = 0; cell < 31_000; cell++) due += account.onCellReceived() ? 1 : 0;
    assert.strictEqual(due, 1000);
    assert.strictEqual(account.unacknowledged, 31_000);
  });

  it("throws a defect at a caller that acknowledges what did not come", () => {
    const account = receiveAccount(vegas);
    for (let cell = 0; cell < 30; cell++) account.onCellReceived();
    assert.throws(() => account.onSendmeSent(), /not due/);
  });
});
