import { readFileSync } from "node:fs";
import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import {
  AlliumRelay,
  describeFailures,
  dialOrigin,
  eventually,
  type Origin,
  runTransfers,
  TorNetwork,
  type TorNode,
  type TorrcLine,
} from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";
import { texts, UNHURRIED, WITHOUT_CONFLUX } from "./support/allium.ts";

/** A request that Allium answered. */
interface Served {
  readonly target: string;
  readonly status: number;
  readonly encoding: string;
  readonly isDiff: boolean;
}

const answered = /directory: GET (\S+): (\d+), \d+ bytes, ([a-z-]+)(, a diff)?/g;

describeWithTor("Allium as a directory cache", () => {
  let network: TorNetwork;
  let allium: AlliumRelay;
  let fingerprint: string;
  let origin: Origin;

  const served = (): ReadonlyArray<Served> =>
    [...allium.log().matchAll(answered)].map(([, target = "", status, encoding = "", diff]) => ({
      target,
      status: Number(status),
      encoding,
      isDiff: diff !== undefined,
    }));

  /** What makes Allium a daemon's only source of documents: it cannot reach an authority, and no other relay is a cache. */
  const onlyAllium = (): ReadonlyArray<TorrcLine> => [
    ["UseDefaultFallbackDirs", 0],
    ["FallbackDir", `127.0.0.1:${allium.orPort} orport=${allium.orPort} id=${fingerprint}`],
    ["Log", "[dir]info notice stdout"],
  ];

  /** What a daemon tells of documents that it has received, in whole lines. */
  const receivedBy = (node: TorNode): ReadonlyArray<string> =>
    logOf(node)
      .split("\n")
      .slice(0, -1)
      .filter((line) => /\[info\].*(?:Received|Applied) .* from server/.test(line));

  const isFromAllium = (line: string): boolean => line.includes(`127.0.0.1:${allium.orPort}`);

  const fromAllium = (node: TorNode): ReadonlyArray<string> => receivedBy(node).filter(isFromAllium);

  /** Whom a daemon had documents from: by its log, nobody but Allium. */
  const sources = (node: TorNode): ReadonlyArray<string> => {
    const received = receivedBy(node);
    assert.deepStrictEqual(received, received.filter(isFromAllium));
    return received;
  };

  const logOf = (node: TorNode): string => readFileSync(node.logFile, "utf8");

  /** Waits until something is in a log, or in what was served. */
  const until = async (what: string, holds: () => boolean, timeoutMs = 120_000): Promise<void> => {
    await allium.whileRunning(eventually(what, holds, { timeoutMs, everyMs: 100 }));
  };

  beforeAll(async () => {
    network = await TorNetwork.start({
      relays: 2,
      exits: 1,
      clients: 0,
      consensusParams: WITHOUT_CONFLUX,
      // A guard has to be Stable and a directory cache, for clients too.
      voting: { ...UNHURRIED, earnedFlags: true },
      dirCaches: false,
      extraTorrc: {
        relay: [
          ["Log", "[dir]info notice stdout"],
          ["DownloadExtraInfo", 1],
        ],
      },
      beside: async (starting) => {
        allium = await AlliumRelay.start(starting, {
          extra: { directory: { extra_info: true }, log_level: "debug" },
        });
      },
    });
    const { status } = await allium.whileRunning(
      network.waitForConsensus("allium", { flags: ["Running", "V2Dir", "Guard", "Stable"] }),
    );
    fingerprint = status.fingerprint;
    const others = await network.authorities[0]!.routerStatuses();
    const caches = others.filter(({ flags }) => flags.has("V2Dir")).map(({ nickname }) => nickname);
    assert.sameMembers(caches, ["allium", "authority0", "authority1", "authority2"]);
    origin = await network.localOrigin();
  });

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
  });

  let client: TorNode;

  it("bootstraps a client that knows no other directory, and carries its transfers", async () => {
    client = await allium.whileRunning(
      network.addClient({
        cutOff: true,
        extraTorrc: [...onlyAllium(), ["EntryNodes", fingerprint]],
      }),
    );
    const report = await allium.whileRunning(
      runTransfers({
        dial: dialOrigin(client.socks(), origin),
        count: 6,
        concurrency: 3,
        sizes: [1_000, 500_000],
        directions: ["down", "up"],
      }),
    );
    assert.strictEqual(describeFailures(report), "");
    assert.isAbove(sources(client).length, 2);
    const taken = served().filter(({ status, encoding }) => status === 200 && encoding === "x-zstd");
    for (const prefix of ["/tor/status-vote/current/consensus-microdesc/", "/tor/keys/fp", "/tor/micro/d/"])
      assert.isTrue(
        taken.some(({ target }) => target.startsWith(prefix)),
        prefix,
      );
  });

  it("sends a client a diff to its next consensus, which it applies", async () => {
    await until("a diff", () => /Applied consensus diff/.test(logOf(client)));
    assert.isTrue(served().some(({ isDiff, encoding }) => isDiff && encoding === "x-zstd"));
    assert.notMatch(logOf(client), /Could not apply consensus diff|Refusing to apply/);
  });

  it("bootstraps a client that wants whole descriptors", async () => {
    const thorough = await allium.whileRunning(
      network.addClient({
        nickname: "thorough",
        cutOff: true,
        extraTorrc: [...onlyAllium(), ["EntryNodes", fingerprint], ["UseMicrodescriptors", 0]],
      }),
    );
    assert.isAbove(sources(thorough).length, 2);
    const taken = served().filter(({ status }) => status === 200);
    for (const prefix of ["/tor/status-vote/current/consensus/", "/tor/server/d/"])
      assert.isTrue(
        taken.some(({ target }) => target.startsWith(prefix)),
        prefix,
      );
  });

  it("has what relays want that are no caches themselves: all descriptors, and extra-info documents", async () => {
    const got = (what: RegExp): boolean =>
      network.relays.some((relay) => fromAllium(relay).some((line) => what.test(line)));
    await until("descriptors", () => got(/server info/));
    await until("extra-info documents", () => got(/extra server info/));
  });

  it("has nobody warn of it", () => {
    // What the torrc asks for.
    const ofTheNetwork = [/you're logging more than "notice"/, /DirCache is disabled/];
    assert.deepStrictEqual(network.warnings(ofTheNetwork), []);
    assert.deepStrictEqual(texts(allium.warnings()), []);
  });
});
