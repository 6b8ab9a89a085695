import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { type RecordedDifference, recordedDifferences } from "../hostile/differences.ts";
import { makeIdentity } from "../hostile/identity.ts";
import { directoryNames } from "../hostile/recording/directory-names.ts";
import { type PlayArena, playRecording } from "../hostile/recording/play.ts";
import { type Recording, readRecordings } from "../hostile/recording/recording.ts";
import { eventually } from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { texts } from "./support/allium.ts";
import { type HostileNetwork, startHostileNetwork } from "./support/hostile.ts";

const recordings = readRecordings();

/** How a report has it that a directory does not have something: not the digits alone, which a digest may have too. */
const NOT_FOUND = "HTTP/1.0 404 ";

const recorded = (name: string): Recording => {
  const found = recordings.get(name);
  assert.isDefined(found, name);
  return found!;
};

describeWithTor("what tor once said to a relay, said to Allium's and to tor's", () => {
  let stage: HostileNetwork;
  let allium: PlayArena;
  let tor: PlayArena;
  /** Listed differences that there were. */
  const met = new Set<RecordedDifference>();

  beforeAll(async () => {
    // As many relays as there were in the network of the recordings: their documents are asked for.
    stage = await startHostileNetwork(2);
    const { network } = stage;
    network.names.setHost("recorded.test", "198.51.100.7");
    const origin = await network.localOrigin();
    const shared = {
      identity: await makeIdentity(),
      ports: { origin: origin.port, refused: await network.ports.take() },
      freePort: () => network.ports.take(),
    };
    // Who has a consensus serves streams by it at once, and hands it on when its name in diffs is known. What it names
    // may have changed by then.
    await eventually("both to hand the consensus on", async () => {
      const consensus = await network.authorities[0]!.control.getInfo("dir/status-vote/current/consensus-microdesc");
      const names = directoryNames(consensus);
      allium = { ...shared, names, target: stage.allium };
      tor = { ...shared, names, target: stage.tor };
      const answers = await Promise.all([allium, tor].map((arena) => playRecording(recorded("bootstrap"), arena)));
      return !answers.flat().some((line) => line.includes(NOT_FOUND));
    });
  });

  afterAll(async () => {
    await stage?.[Symbol.asyncDispose]();
  });

  describe("is answered alike", () => {
    for (const [name, recording] of recordings) {
      it(`${name}: ${recording.title}`, async () => {
        const [ours, theirs] = await Promise.all([playRecording(recording, allium), playRecording(recording, tor)]);
        const listed = ours.map((line, index) =>
          recordedDifferences.find((difference) => difference.allium === line && difference.tor === theirs[index]),
        );
        for (const difference of listed) if (difference !== undefined) met.add(difference);
        assert.deepStrictEqual(
          ours,
          theirs.map((line, index) => listed[index]?.allium ?? line),
        );
        await stage.nobodyElseNotices();
      });
    }
  });

  it("differs only as it is listed, and in all that is listed", () => {
    assert.deepStrictEqual(
      recordedDifferences.filter((difference) => !met.has(difference)),
      [],
    );
  });

  describe("and is not taken for alike when it is not", () => {
    it("if a stream is refused at one of the two", async () => {
      const { refused = 0 } = tor.ports;
      const answers = await playRecording(recorded("crosswise"), tor);
      const others = await playRecording(recorded("crosswise"), { ...tor, ports: { origin: refused, refused } });
      assert.notDeepEqual(others, answers);
    });

    it("if other bytes come", async () => {
      const download = recorded("download");
      const altered = {
        ...download,
        steps: download.steps.map((step) =>
          "body" in step ? { ...step, body: step.body?.replace("seed=1", "seed=2") ?? "" } : step,
        ),
      };
      const answers = await playRecording(download, allium);
      const others = await playRecording(altered, allium);
      const changed = others.filter((line, index) => line !== answers[index]);
      assert.strictEqual(changed.length, 1, changed.join("\n"));
      assert.match(changed[0]!, /^circuit 1, stream 1: CONNECTED 7f000001, END DONE, \d+ bytes /);
    });
  });

  it("none of it is an error of Allium's, or worth a warning", () => {
    assert.isTrue(stage.relay.running);
    assert.deepStrictEqual(texts(stage.relay.warnings()), []);
  });
});
