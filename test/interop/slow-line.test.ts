import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import {
  describeFailures,
  type LineSettings,
  type Origin,
  runTransfers,
  socksConnect,
  TorNetwork,
} from "../network/index.ts";
import { describeWithTor } from "../network/vitest.ts";

const LINE: LineSettings = { delayMs: 25, bytesPerSecond: 1_000_000 };

describeWithTor("a network whose only guard is behind a line", () => {
  let network: TorNetwork;
  let origin: Origin;

  beforeAll(async () => {
    network = await TorNetwork.start({ lines: { relay0: LINE }, voting: { guards: ["relay0"] } });
    origin = await network.localOrigin();
  });

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
  });

  it("has no other guard, and no other exit than the one whose policy lets something out", async () => {
    const statuses = await network.authorities[0]!.routerStatuses();
    const having = (flag: string) => statuses.filter(({ flags }) => flags.has(flag)).map(({ nickname }) => nickname);
    assert.deepStrictEqual(having("Guard"), ["relay0"]);
    assert.deepStrictEqual(having("Exit"), ["exit0"]);
  });

  it("lets a client's bytes through at the line's speed, and counts them", async () => {
    const line = network.line("relay0");
    const size = 3_000_000;
    for (const [direction, end] of [
      ["down", "fromRelay"],
      ["up", "toRelay"],
    ] as const) {
      const before = await line.carried();
      const report = await runTransfers({
        dial: () => socksConnect(network.clients[0]!.socks(), origin.host, origin.port),
        count: 1,
        sizes: [size],
        directions: [direction],
      });
      assert.strictEqual(describeFailures(report), "");
      const after = await line.carried();
      assert.isAbove(after[end] - before[end], size);
      assert.isBelow(report.bytesPerSecond, LINE.bytesPerSecond!);
    }
  });
});
