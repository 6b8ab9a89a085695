import type { DirectorySnapshot } from "@allium/directory";
import { assert, describe, it } from "@effect/vitest";
import { currentDosParams, type DosConfig } from "../src/defence/index.ts";
import { relayAddresses } from "../src/network-addresses.ts";
import { handshakeParams } from "../src/params.ts";

const paramOf = (values: Readonly<Record<string, number>>) => (name: string) => values[name];

describe("parameters of the consensus", () => {
  it("say how long CREATEs may wait: all of them in milliseconds, one of them in seconds", () => {
    const times = (values: Readonly<Record<string, number>>) => {
      const { maxDelayMillis, cutoffMillis } = handshakeParams(paramOf(values));
      return [maxDelayMillis(), cutoffMillis()];
    };
    assert.deepStrictEqual(times({}), [1_750, 5_000]);
    assert.deepStrictEqual(times({ MaxOnionQueueDelay: 0, onion_queue_wait_cutoff: 0 }), [1, 0]);
    assert.deepStrictEqual(times({ MaxOnionQueueDelay: 300, onion_queue_wait_cutoff: 2 }), [300, 2_000]);
  });

  it("about floods are worked out again when the consensus or the operator says something else", () => {
    let asked = 0;
    let rate = 7;
    let consensus = {};
    let config: DosConfig = {};
    const current = currentDosParams(
      () => consensus,
      () => config,
      (name) => {
        asked++;
        return name === "DoSStreamCreationRate" ? rate : undefined;
      },
    );
    assert.strictEqual(current().streams.rate, 7);
    const before = asked;
    rate = 8;
    assert.strictEqual(current().streams.rate, 7);
    assert.strictEqual(asked, before);
    consensus = {};
    assert.strictEqual(current().streams.rate, 8);
    config = { streamCreationRate: 9 };
    assert.strictEqual(current().streams.rate, 9);
  });
});

describe("addresses of relays", () => {
  it("are those that the consensus lists, of either family; none before there is one", () => {
    const snapshotOf = (consensus: object | undefined) => ({ consensus }) as unknown as DirectorySnapshot;
    let snapshot = snapshotOf(undefined);
    const isRelay = relayAddresses(() => snapshot);
    assert.isFalse(isRelay("192.0.2.1"));
    const routers = [
      { address: "192.0.2.1", orAddresses: [{ address: "2001:db8::1", port: 443 }] },
      { address: "192.0.2.2", orAddresses: [] },
    ];
    snapshot = snapshotOf({ routers });
    assert.deepStrictEqual(["192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3"].map(isRelay), [
      true,
      true,
      true,
      false,
    ]);
  });
});
