import { assert, it } from "@effect/vitest";
import { AlliumClient, TorNetwork } from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { texts } from "./support/allium.ts";
import { alliumClient } from "./support/conflux.ts";
import { assertEndsWithGuard, UNLIKE_GUARDS } from "./support/killed-guard.ts";

describeWithTor("a guard that dies, and sets of Allium's client to tor exits", () => {
  it("ends what moves through it at once, and nothing else", async () => {
    await using network = await TorNetwork.start({ ...UNLIKE_GUARDS, exits: 2, clients: 0 });
    const client = await AlliumClient.start(network);
    await assertEndsWithGuard(network, alliumClient(client), await network.childOrigin());
    assert.deepStrictEqual(texts(client.warnings()), []);
    assert.deepStrictEqual(network.warnings(), []);
  });
});
