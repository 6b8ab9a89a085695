import type { Socket } from "node:net";
import { assert } from "@effect/vitest";
import {
  describeFailures,
  type Origin,
  type PinnedDialer,
  runTransfers,
  type TransferPlan,
  type TransferReport,
} from "../../network/index.ts";

/** Transfers over one circuit of a client's to the origin, none of which may fail. */
export const transferOver = async (
  dialer: PinnedDialer,
  circuitId: string,
  origin: Origin,
  plan: Omit<TransferPlan, "dial">,
): Promise<TransferReport> => {
  const dial = () => dialer.connect({ circuitId }, origin.host, origin.port);
  const report = await runTransfers({ ...plan, dial });
  assert.strictEqual(describeFailures(report), "");
  return report;
};

/** Sends as much as is taken, and more whenever more is, until nobody takes it any more. */
export const flood = (socket: Socket): void => {
  const piece = Buffer.alloc(65_536);
  const more = (): void => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on("drain", more);
  socket.on("error", () => {});
  more();
};
