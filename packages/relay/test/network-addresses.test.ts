import type { DirectorySnapshot } from "@allium/directory";
import { type Consensus, encodeHex, type Microdescriptor, NetParams } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { networkRelays } from "../src/network-addresses.ts";

const relay = (seed: number) => ({ rsaId: Buffer.alloc(20, seed), ed25519Id: Buffer.alloc(32, seed) });

type Relay = ReturnType<typeof relay>;

const consensusOf = (...relays: ReadonlyArray<Relay>) =>
  ({ routers: relays.map(({ rsaId }) => ({ fingerprint: encodeHex(rsaId) })) }) as unknown as Consensus;

const described = (...relays: ReadonlyArray<Relay>): ReadonlyMap<string, Microdescriptor> =>
  new Map(relays.map(({ ed25519Id }, index) => [`${index}`, { ed25519Identity: ed25519Id } as Microdescriptor]));

const snapshotOf = (parts: Partial<DirectorySnapshot>): DirectorySnapshot => ({
  consensus: undefined,
  held: undefined,
  params: NetParams.none,
  microdescriptors: new Map(),
  certificates: [],
  missingMicrodescriptors: 0,
  ...parts,
});

describe("a relay of the network", () => {
  const [listed, left, stranger] = [relay(1), relay(2), relay(3)];

  it("is one that the consensus lists, also before its microdescriptor is here", () => {
    const known = networkRelays(() => snapshotOf({ consensus: consensusOf(listed) }));
    assert.deepStrictEqual([listed, left, stranger].map(known), [true, false, false]);
  });

  it("is one that an earlier consensus has listed, as long as its microdescriptor is kept", () => {
    let snapshot = snapshotOf({ consensus: consensusOf(listed), microdescriptors: described(listed, left) });
    const known = networkRelays(() => snapshot);
    assert.deepStrictEqual([listed, left, stranger].map(known), [true, true, false]);
    snapshot = snapshotOf({ consensus: consensusOf(listed), microdescriptors: described(listed) });
    assert.deepStrictEqual([listed, left, stranger].map(known), [true, false, false]);
  });

  it("is nobody as long as there is no consensus", () => {
    const known = networkRelays(() => snapshotOf({}));
    assert.deepStrictEqual([listed, left, stranger].map(known), [false, false, false]);
  });
});
