import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import {
  describeFailures,
  eventually,
  type LineSettings,
  type Origin,
  pause,
  runTransfers,
  type SlowLine,
  socksConnect,
  type TorNetwork,
  type TorNetworkOptions,
} from "../../network/index.ts";
import { describeWithTor } from "../../network/vitest.ts";
import type { ConfluxClient } from "./conflux.ts";

/** 40 Mbit/s. */
const RATE = 5_000_000;

/** What is before every guard to begin with. */
const LINE: LineSettings = { delayMs: 25, bytesPerSecond: RATE };

/** Clients use two of them: one that was not reached at once is not tried again for minutes. */
const GUARDS = ["relay0", "relay1", "relay2"];

/** A network whose clients come in through lines alone. */
export const BEHIND_LINES = {
  relays: 5,
  consensusParams: { cfx_enabled: 1 },
  equalBandwidths: true,
  lines: Object.fromEntries(GUARDS.map((guard) => [guard, LINE])),
  voting: { guards: GUARDS },
} satisfies TorNetworkOptions;

/** How long an application may wait to hear that its stream is gone: far below anything's timeout. */
const AT_ONCE_MS = 2_000;

/**
 * How long an application waits after a cut before it asks anew. A relay of `tor` keeps DESTROYs back while its channel has nothing else to
 * send (packages/conflux/README.md); the exit then sends over a leg that is gone, and the stream waits in vain, at whatever exit.
 */
const ASKS_AGAIN_MS = 10_000;

/** The lines of the two guards that the client's sets come in by. */
interface Lines {
  readonly near: SlowLine;
  readonly far: SlowLine;
}

/** What happens to the lines, and what arrives all the same. */
interface Trouble {
  /** What a user sees. */
  readonly test: string;
  /** In each direction. */
  readonly bytes: number;
  readonly before?: (lines: Lines) => Promise<void>;
  /** While the bytes move. */
  readonly meanwhile?: (lines: Lines) => Promise<void>;
  /** What each line has to carry at least, in each direction in which the sender uses both at once. */
  readonly overEach?: number;
}

const TROUBLES: Readonly<Record<string, Trouble>> = {
  plain: {
    test: "moves bytes both ways, as they are",
    bytes: 20_000_000,
  },
  slow: {
    test: "moves them while one line is ten times slower than the other",
    bytes: 10_000_000,
    before: ({ far }) => far.set({ delayMs: 200, bytesPerSecond: RATE / 10 }),
  },
  stalls: {
    test: "moves them while one line stalls for five seconds",
    bytes: 20_000_000,
    meanwhile: async ({ near }) => {
      await pause(1_000);
      await near.stall(true);
      await pause(5_000);
      await near.stall(false);
    },
  },
  crosses: {
    test: "moves them while the faster line becomes the slower one, and back",
    bytes: 20_000_000,
    meanwhile: async ({ near, far }) => {
      for (let round = 0; round < 3; round++) {
        await pause(700);
        await near.set({ delayMs: 60, bytesPerSecond: RATE });
        await far.set({ delayMs: 5, bytesPerSecond: RATE });
        await pause(700);
        await near.set({ delayMs: 5, bytesPerSecond: RATE });
        await far.set({ delayMs: 60, bytesPerSecond: RATE });
      }
    },
    overEach: 1_000_000,
  },
};

/** A network behind lines, and who is at both ends of the sets. */
interface Stage {
  readonly network: TorNetwork;
  readonly client: ConfluxClient;
  /** Whether uploads keep to one leg for as long as its round trip is the shorter one, which `tor`'s exits ask for (low memory). */
  readonly sparesExit?: boolean;
  /** What a relay that is not of the network warns of. */
  readonly relayWarnings?: () => ReadonlyArray<string>;
}

/** Tests of sets whose legs come over lines that are slow, stall, change and are cut. */
export const describeSlowLines = (title: string, start: () => Promise<Stage>): void =>
  describeWithTor(title, () => {
    let stage: Stage;
    let network: TorNetwork;
    let client: ConfluxClient;
    let origin: Origin;
    let lines: Lines;

    beforeAll(async () => {
      stage = await start();
      ({ network, client } = stage);
      origin = await network.childOrigin();
      const [set] = await eventually(
        "two legs",
        async () => {
          const sets = await client.sets();
          return sets.length > 0 ? sets : undefined;
        },
        { timeoutMs: 60_000 },
      );
      const [near = "", far = ""] = set?.guards ?? [];
      lines = { near: network.line(near), far: network.line(far) };
      await alike();
    });

    afterAll(async () => {
      await network?.[Symbol.asyncDispose]();
    });

    /** But not quite: a choice between equals would be chance. */
    const alike = async (): Promise<void> => {
      await lines.near.set(LINE);
      await lines.far.set({ ...LINE, delayMs: 30 });
    };

    /** What the near line and the far one have carried to their relays, and from them. */
    const carried = async (): Promise<ReadonlyArray<number>> => {
      const of = await Promise.all([lines.near, lines.far].map((line) => line.carried()));
      return of.flatMap(({ toRelay, fromRelay }) => [toRelay, fromRelay]);
    };

    /** Moves so many bytes both ways, while something happens. Tells when the last stream was over. */
    const transfer = async (
      isolation: string,
      bytes: number,
      meanwhile: () => Promise<void> = async () => {},
      timeoutMs = 120_000,
    ) => {
      const moving = runTransfers({
        dial: () => socksConnect(client.socks(isolation), origin.host, origin.port),
        count: 2,
        concurrency: 2,
        sizes: [bytes],
        directions: ["down", "up"],
        timeoutMs,
      }).then((report) => ({ report, overAt: performance.now() }));
      const [{ report, overAt }] = await Promise.all([moving, meanwhile()]);
      const took = report.results.map(({ direction, seconds }) => `${direction} in ${seconds.toFixed(1)} s`);
      console.log(`${isolation}: ${bytes / 1e6} MB each way, ${took.join(", ")}`);
      return { report, overAt };
    };

    /** What comes next goes over two legs. */
    const unusedSet = () =>
      eventually("a set that nobody has used", async () => (await client.sets()).some(({ isUsed }) => !isUsed));

    for (const [isolation, trouble] of Object.entries(TROUBLES)) {
      it(trouble.test, async () => {
        await unusedSet();
        await trouble.before?.(lines);
        const before = await carried();
        const { report } = await transfer(isolation, trouble.bytes, async () => trouble.meanwhile?.(lines));
        assert.strictEqual(describeFailures(report), "");
        const moved = (await carried()).map((bytes, index) => bytes - (before[index] ?? 0));
        console.log(
          `${isolation}: near up and down, far up and down, MB: ${moved.map((bytes) => (bytes / 1e6).toFixed(1))}`,
        );
        const [nearUp = 0, nearDown = 0, farUp = 0, farDown = 0] = moved;
        for (const bytes of stage.sparesExit === true ? [nearDown, farDown] : [nearUp, nearDown, farUp, farDown])
          assert.isAtLeast(bytes, trouble.overEach ?? 0);
        await alike();
      });
    }

    it("tells the application at once when a line that is in use is cut, and serves it again, with that line", async () => {
      await unusedSet();
      let cut: SlowLine | undefined;
      let cutAt = 0;
      const { report, overAt } = await transfer("cut", 20_000_000, async () => {
        await pause(1_000);
        const used = (await client.sets()).find(({ streams }) => streams > 0);
        assert.isDefined(used, "streams are on a set");
        cut = network.line(used.guards[0] ?? "");
        cutAt = performance.now();
        await cut.cut();
      });
      console.log(`cut: told after ${(overAt - cutAt).toFixed(0)} ms`);
      assert.lengthOf(report.failures, 2);
      assert.isBelow(overAt - cutAt, AT_ONCE_MS);

      let round = 0;
      const before = await cut?.carried();
      await eventually(
        "who asks again to be served, and the line to be in use",
        async () => {
          const again = await transfer(`after the cut ${round++}`, 1_000_000, undefined, ASKS_AGAIN_MS);
          const after = await cut?.carried();
          if (before === undefined || after === undefined) return false;
          return (
            describeFailures(again.report) === "" &&
            after.toRelay > before.toRelay &&
            after.fromRelay > before.fromRelay
          );
        },
        { timeoutMs: 60_000 },
      );
      console.log(
        `cut: served again at attempt ${round}, ${((performance.now() - cutAt) / 1000).toFixed(1)} s after it`,
      );
    });

    it("with nothing to warn of, on either side", () => {
      assert.deepStrictEqual(client.warnings(), []);
      assert.deepStrictEqual(stage.relayWarnings?.() ?? [], []);
      assert.deepStrictEqual(network.warnings(), []);
    });
  });
