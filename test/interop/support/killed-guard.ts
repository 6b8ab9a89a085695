import type { Socket } from "node:net";
import { assert } from "@effect/vitest";
import {
  eventually,
  type Origin,
  pause,
  runTransfers,
  type SlowLine,
  type SocketReader,
  socksConnect,
  type TorNetwork,
  type TorNetworkOptions,
  waitForConnection,
} from "../../network/index.ts";
import { ask } from "./allium.ts";
import type { ConfluxClient } from "./conflux.ts";

/** 40 Mbit/s: what is moved is still on its way when the guard dies. */
const RATE = 5_000_000;

/**
 * The guards, and how far each is away, so far apart that both ends take the same leg of a set for the better one, even while others
 * fill its line: a stream with little to say keeps to it.
 */
const DELAYS: Readonly<Record<string, number>> = { relay0: 5, relay1: 150, relay2: 300 };

/** So much more than the guards have that paths need these for guards alone (dir-spec, 3.8.4): no leg's middle is another leg's guard. */
const MIDDLE_BANDWIDTH = 20_000;

/** A network whose clients come in over lines that differ. */
export const UNLIKE_GUARDS = {
  relays: 5,
  consensusParams: { cfx_enabled: 1 },
  equalBandwidths: true,
  bandwidths: { relay3: MIDDLE_BANDWIDTH, relay4: MIDDLE_BANDWIDTH },
  lines: Object.fromEntries(
    Object.entries(DELAYS).map(([guard, delayMs]) => [guard, { delayMs, bytesPerSecond: RATE }]),
  ),
  voting: { guards: Object.keys(DELAYS) },
} satisfies TorNetworkOptions;

/** How long an application may wait to hear that its stream is gone: far below anything's timeout. */
const AT_ONCE_MS = 2_000;

/** Of an upload and of a download: more than there is time for. */
const ENDLESS = 200_000_000;

/** What a line has carried when it is in use, and not only for circuits that are built over it. */
const IN_USE = 1_000_000;

/** A stream to the origin that says little. */
interface QuietStream extends Disposable {
  /** Says something and waits until it comes back. */
  readonly isAlive: () => Promise<boolean>;
}

/** Less than a window, and more than is said on a line while circuits are built. */
const WORD = Buffer.alloc(40_000, "word");

const quietStream = async (socket: Socket): Promise<QuietStream> => {
  const reader: SocketReader = ask(socket, { mode: "echo" });
  const isAlive = async (): Promise<boolean> => {
    socket.write(WORD);
    return (await reader.exactly(WORD.length)).equals(WORD);
  };
  return { isAlive, [Symbol.dispose]: () => socket.destroy() };
};

/** Of these guards the one that is furthest away. */
const furthest = (guards: ReadonlyArray<string>): string =>
  guards.reduce((far, guard) => ((DELAYS[guard] ?? 0) > (DELAYS[far] ?? 0) ? guard : far));

/** Whether two sets come in by the same guards. */
const areSame = (some: ReadonlyArray<string>, others: ReadonlyArray<string>): boolean =>
  some.toSorted().join() === others.toSorted().join();

/** What a line has carried, both ways. */
const bytesOver = async (line: SlowLine): Promise<number> => {
  const { toRelay, fromRelay } = await line.carried();
  return toRelay + fromRelay;
};

/**
 * Waits until what filled a line has gone: what is asked over it in the meantime takes longer than over a line that is further away, and would
 * rightly go over that one next.
 */
const drained = (line: SlowLine): Promise<true> =>
  eventually("the line to have no more than circuits need", async () => {
    const before = await bytesOver(line);
    await pause(300);
    return (await bytesOver(line)) - before < WORD.length;
  });

/**
 * Opens one on a set of which both ends use the leg over the shorter line alone, and which comes in by the guards of the sets that are still
 * to be used. What a program does for the first time takes long: a round trip that was measured then may mislead, and a guard that was
 * late may have been taken for dead. Then another set is tried.
 */
const quietStreamOnNearLeg = async (
  network: TorNetwork,
  client: ConfluxClient,
  origin: Origin,
): Promise<QuietStream> => {
  for (let attempt = 0; ; attempt++) {
    await eventually("sets that nobody has used", async () => {
      const unused = (await client.sets()).filter(({ isUsed }) => !isUsed);
      return unused.length >= 2;
    });
    const stream = await quietStream(await socksConnect(client.socks(`quiet${attempt}`), origin.host, origin.port));
    const [set, ...others] = (await client.sets()).filter(({ streams }) => streams > 0);
    assert.isDefined(set, "it is on a set");
    assert.isEmpty(others);
    const line = network.line(furthest(set.guards));
    const before = await bytesOver(line);
    assert.isTrue(await stream.isAlive());
    const keepsToNear = (await bytesOver(line)) - before < WORD.length;
    const next = (await client.sets()).filter(({ isUsed }) => !isUsed);
    if (keepsToNear && next.every(({ guards }) => areSame(guards, set.guards))) return stream;
    assert.isBelow(attempt, 8, "a set that keeps to the leg over the shorter line, as others will");
    stream[Symbol.dispose]();
    await eventually("the stream to be over", async () => (await client.sets()).every(({ streams }) => streams === 0));
  }
};

/**
 * A guard dies while an upload and a download go over the set of two legs that one of them comes in by: no farewell, as when its machine
 * loses power. Both streams end at once, for the application and at the exit; a stream whose leg to that guard carried nothing goes on;
 * the next request is served.
 */
export const assertEndsWithGuard = async (
  network: TorNetwork,
  client: ConfluxClient,
  origin: Origin,
): Promise<void> => {
  using quiet = await quietStreamOnNearLeg(network, client, origin);
  let moved = 0;
  let overAt = 0;
  const moving = runTransfers({
    dial: () => socksConnect(client.socks("busy"), origin.host, origin.port),
    count: 2,
    concurrency: 2,
    sizes: [ENDLESS],
    directions: ["down", "up"],
    onBytes: (bytes) => {
      moved += bytes;
    },
    onResult: () => {
      overAt = performance.now();
    },
  });
  const sets = await eventually("a set for each isolation", async () => {
    const some = (await client.sets()).filter(({ streams }) => streams > 0);
    return some
      .map(({ streams }) => streams)
      .toSorted()
      .join() === "1,2"
      ? some
      : undefined;
  });
  const [guards = [], others = []] = sets.map((set) => set.guards);
  assert.isTrue(areSame(guards, others), "both come in by the same guards");
  const far = furthest(guards);
  const carriedBefore = await bytesOver(network.line(far));
  await eventually(
    "both legs to be in use",
    async () => moved > 2 * RATE && (await bytesOver(network.line(far))) - carriedBefore > IN_USE,
  );

  const killedAt = performance.now();
  await network.node(far).kill();
  const report = await moving;
  console.log(`the application hears of it after ${(overAt - killedAt).toFixed(0)} ms`);
  assert.lengthOf(report.failures, 2);
  assert.isBelow(overAt - killedAt, AT_ONCE_MS);
  const assertQuietGoesOn = async (): Promise<void> => {
    await Promise.all(guards.filter((guard) => guard !== far).map((guard) => drained(network.line(guard))));
    assert.isTrue(await quiet.isAlive(), "the quiet stream goes on");
  };
  await assertQuietGoesOn();
  const isBusy = ({ mode, open }: { readonly mode: string | undefined; readonly open: boolean }) =>
    open && mode === "transfer";
  const isServed = async (isolation: string): Promise<boolean> => {
    const { failures } = await runTransfers({
      dial: () => socksConnect(client.socks(isolation), origin.host, origin.port),
      count: 1,
      sizes: [1_000_000],
      timeoutMs: 20_000,
    });
    return failures.length === 0;
  };
  let asked = 0;
  await eventually(
    "the exit to let go of the streams",
    async () => {
      if (!(await origin.connections()).some(isBusy)) return true;
      // Relays of `tor` keep DESTROYs back while nothing else goes the same way (packages/conflux/README.md).
      await isServed(`meanwhile${asked++}`);
      return false;
    },
    { timeoutMs: 60_000 },
  );
  console.log(`the exit lets go of it after ${(performance.now() - killedAt).toFixed(0)} ms`);
  await eventually("the next request to be served", () => isServed("next"), { timeoutMs: 60_000 });
  console.log(`the next request is served after ${(performance.now() - killedAt).toFixed(0)} ms`);
  await assertQuietGoesOn();
  await waitForConnection(origin, ({ mode, open }) => mode === "echo" && open);
};
