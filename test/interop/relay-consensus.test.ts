import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import {
  AlliumRelay,
  describeFailures,
  dialOrigin,
  eventually,
  runTransfers,
  TorNetwork,
  type TorNode,
} from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { openExit, texts, WITHOUT_CONFLUX } from "./support/allium.ts";

/** Guard is nobody's by decree here: authorities give it to relays with V2Dir that are Fast and Stable. */
const FLAGS = ["Running", "Valid", "Fast", "Stable", "Exit", "V2Dir", "Guard"];

describeWithTor("Allium joining a running tor network", () => {
  let network: TorNetwork;
  let allium: AlliumRelay;
  let beside: TorNode;

  beforeAll(async () => {
    network = await TorNetwork.start({
      exits: 0,
      relays: 2,
      clients: 0,
      consensusParams: WITHOUT_CONFLUX,
      // Exit for the policy, Fast for the bandwidth and Guard on merit, as on the public network.
      voting: { interval: 20, earnedFlags: true },
    });
  });

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
  });

  it("earns Running, Valid, Fast, Stable, Exit, V2Dir and Guard within three rounds, and as soon as a tor exit started beside it", async () => {
    // From the beginning of a round, so that both have the same time until the next vote.
    await using rounds = await network.authorities[0]!.control.events("NEWCONSENSUS");
    await rounds.until((event) => event, 90_000, "the next consensus");
    allium = await AlliumRelay.start(network, { extra: { exit: openExit(network) } });
    // A program on Node starts slower than a daemon: how much, is the machine's affair.
    await allium.whileRunning(eventually("allium to listen", () => allium.log().includes("listening on")));
    beside = await network.addExit({ nickname: "beside" });
    const listed = (nickname: string) => network.waitForConsensus(nickname, { flags: FLAGS, timeoutMs: 150_000 });
    const [ours, theirs] = await allium.whileRunning(Promise.all([listed("allium"), listed("beside")]));
    console.log(`in the consensus after ${ours.rounds} rounds (tor: ${theirs.rounds}), ${ours.seconds.toFixed(1)} s`);
    assert.isAtMost(ours.rounds, 3);
    assert.isAtMost(ours.rounds, theirs.rounds);
    assert.strictEqual(ours.status.orPort, allium.orPort);
    assert.strictEqual(ours.status.address, "127.0.0.1");
    assert.include(allium.log(), `allium ${ours.status.fingerprint}`);
  });

  it("carries a client's streams while nobody warns of anything", async () => {
    // An exit refuses streams that come through a relay it has not heard of (`refuseunknownexits`), as the other one is until Allium
    // has fetched the consensus that lists both: in the first half of its time, while clients fetch it at once.
    const consensus = join(allium.dataDirectory, "cached-microdesc-consensus");
    const knowsBoth = () => readFileSync(consensus, "utf8").includes("\nr beside ");
    await allium.whileRunning(eventually("allium to know the other exit", knowsBoth, { timeoutMs: 60_000 }));
    const client = await network.addClient({ extraTorrc: [["ExitNodes", "allium"]] });
    const origin = await network.localOrigin();
    const report = await allium.whileRunning(
      runTransfers({
        dial: dialOrigin(client.socks(), origin),
        count: 12,
        concurrency: 6,
        sizes: [0, 1_000, 1_000_000],
        directions: ["down", "up", "both"],
      }),
    );
    assert.strictEqual(describeFailures(report), "");
    assert.isTrue(beside.running);
    assert.deepStrictEqual(network.warnings(), []);
    assert.deepStrictEqual(texts(allium.warnings()), []);
  });

  it("ends in order at SIGTERM", async () => {
    const { code, signal } = await allium.stop(60_000);
    assert.deepStrictEqual({ code, signal }, { code: 0, signal: null });
    assert.deepStrictEqual(texts(allium.warnings()), []);
  });
});
