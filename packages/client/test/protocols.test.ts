import { Lifetime, Protocols } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { CLIENT_PROTOCOLS, RELEASED_AT, unspokenProtocols } from "../src/protocols.ts";

const hour = 3_600_000;

/** A consensus that asks so much. */
const asking = (required: string, recommended = "", validAfter = RELEASED_AT) => {
  const of = (client: string) => ({ client: Protocols.parse(client) ?? Protocols.none, relay: Protocols.none });
  return {
    lifetime: new Lifetime(validAfter, validAfter + hour, validAfter + 3 * hour),
    requiredProtocols: of(required),
    recommendedProtocols: of(recommended),
  };
};

describe("what a network asks of clients", () => {
  it("is spoken, as far as authorities of tor 0.4.9 require and recommend it, but for onion services", () => {
    // The lists of clients in tor's protover.c.
    assert.deepStrictEqual(
      unspokenProtocols(
        asking(
          "Cons=2 Desc=2 FlowCtrl=1 Link=4 Microdesc=2 Relay=2",
          "Cons=2 Desc=2 DirCache=2 FlowCtrl=1-2 HSDir=2 HSIntro=4 HSRend=2 Link=4-5 Microdesc=2 Relay=2-4",
        ),
      ),
      { required: [], recommended: [] },
    );
  });

  it("is named, if it is not spoken: each subprotocol with its versions", () => {
    assert.deepStrictEqual(
      unspokenProtocols(asking("Relay=2-6 Link=4 Conflux=1-2 Quux=7", "Link=5-6 HSDir=3 Padding=2")),
      { required: ["Conflux=2", "Quux=7", "Relay=5-6"], recommended: ["Link=6", "Padding=2"] },
    );
  });

  it("cannot be onion services, if they are required", () => {
    assert.deepStrictEqual(unspokenProtocols(asking("HSDir=2")).required, ["HSDir=2"]);
  });

  it("is nothing, if no list is there", () => {
    assert.deepStrictEqual(unspokenProtocols(asking("")), { required: [], recommended: [] });
  });

  it("is not looked at in a consensus from before this version", () => {
    assert.deepStrictEqual(unspokenProtocols(asking("Relay=9", "Relay=9", RELEASED_AT - 1000)), {
      required: [],
      recommended: [],
    });
    assert.deepStrictEqual(unspokenProtocols(asking("Relay=9", "", hour), hour).required, ["Relay=9"]);
  });

  it("can only be what was read rightly", () => {
    assert.strictEqual(
      CLIENT_PROTOCOLS.toString(),
      "Conflux=1 Cons=1-2 Desc=1-4 DirCache=2 FlowCtrl=1-2 Link=4-5 LinkAuth=3 Microdesc=1-3 Relay=2-4",
    );
  });
});
