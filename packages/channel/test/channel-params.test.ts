import { CELL_BODY_LEN } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import { channelParams } from "../src/index.ts";

const paramOf = (values: Readonly<Record<string, number>>) => (name: string) => values[name];

describe("parameters of the consensus for channels", () => {
  it("bound a circuit's inbox by the side that its cells come from", () => {
    const cells = (values: Readonly<Record<string, number>>) => {
      const { inboxLimitBytes } = channelParams(paramOf(values), "relay");
      return [true, false].map((ours) => inboxLimitBytes!(ours) / CELL_BODY_LEN);
    };
    assert.deepStrictEqual(cells({}), [50_000, 50_000]);
    assert.deepStrictEqual(cells({ circ_max_cell_queue_size: 2_000 }), [2_000, 2_000]);
    assert.deepStrictEqual(
      cells({ circ_max_cell_queue_size: 2_000, circ_max_cell_queue_size_out: 3_000 }),
      [2_000, 3_000],
    );
    assert.deepStrictEqual(cells({ circ_max_cell_queue_size_out: 1 }), [50_000, 1_000]);
  });

  it("close idle channels of clients and of relays by different times", () => {
    const seconds = (role: "client" | "relay", values: Readonly<Record<string, number>> = {}) =>
      channelParams(paramOf(values), role).idleTimeoutMillis() / 1000;
    assert.deepStrictEqual([seconds("client"), seconds("relay")], [1_800, 3_600]);
    const values = { nf_conntimeout_clients: 90, nf_conntimeout_relays: 1 };
    assert.deepStrictEqual([seconds("client", values), seconds("relay", values)], [90, 60]);
  });
});
