import type { Socket } from "node:net";
import {
  CircuitFailedError,
  ControlClosedError,
  ControlError,
  formatRequest,
  type Origin,
  PinnedDialer,
  pause,
  runTransfers,
  SocketEndedError,
  SocketReader,
  SocksError,
  type TorNetwork,
  type TorNode,
  TransferMismatchError,
  type TransferPlan,
  WaitTimeoutError,
  writeAll,
} from "../network/index.ts";
import { CircuitBuilder } from "./circuits-at-once.ts";
import { fingerprints, POSITIONS, type Position, pathThrough, type RelayUnderTest } from "./support.ts";

const BULK_SIZES = [2_000_000, 8_000_000] as const;
const PAGE_SIZES = [1_000, 4_000, 9_000, 16_000, 25_000, 50_000] as const;
const STREAMS_PER_PAGE = 12;
const STREAMS_AT_ONCE = 6;
const CIRCUITS_AT_ONCE = 20;

/** How long circuits that carry nothing are held. */
const HELD_MS = 500;

/** What each worker leaves between two pieces of its work, so that the machine is busy and not only waiting. */
const BREATH_MS = 200;

/** How much a transfer that will be killed, or reset, is let go on for. */
const BEFORE_KILL_MS = 1500;
const BEFORE_RESET_BYTES = 200_000;

/** Between two deaths of the client that is killed. */
const BETWEEN_KILLS_MS = 10_000;

/** What the load has done so far. */
export interface SoakCounts {
  transfers: number;
  failed: number;
  /** Transfers whose bytes were not those that were sent. */
  mismatches: number;
  circuits: number;
  failedCircuits: number;
  kills: number;
  resets: number;
  /** Why transfers and circuits failed, each way once. */
  readonly reasons: Map<string, number>;
}

/** A client whose circuits are all of our making. */
interface Driven {
  readonly client: TorNode;
  readonly dialer: PinnedDialer;
}

/** Who takes part. */
export interface SoakParts {
  readonly network: TorNetwork;
  readonly origin: Origin;
  readonly relay: RelayUnderTest;
}

/** Mixed load on a relay as guard, middle and exit, in spans of time between which all is quiet. */
export class SoakLoad {
  readonly counts: SoakCounts = {
    transfers: 0,
    failed: 0,
    mismatches: 0,
    circuits: 0,
    failedCircuits: 0,
    kills: 0,
    resets: 0,
    reasons: new Map(),
  };
  private readonly parts: SoakParts;
  private readonly bulk: Driven;
  private readonly web: Driven;
  private readonly mortal: TorNode;
  private seed = 1;

  private constructor(parts: SoakParts, bulk: Driven, web: Driven, mortal: TorNode) {
    this.parts = parts;
    this.bulk = bulk;
    this.web = web;
    this.mortal = mortal;
  }

  /** Takes three clients of the network: for bulk and circuits, for what is like the web, and one to be killed. */
  static async make(parts: SoakParts, bulk: Driven): Promise<SoakLoad> {
    const { network } = parts;
    const [, web, mortal] = network.clients;
    if (web === undefined || mortal === undefined) throw new TypeError("a soak needs three clients");
    for (const client of network.clients) await tame(client);
    const dialer = network.use(await PinnedDialer.open(web));
    return new SoakLoad(parts, bulk, { client: web, dialer }, mortal);
  }

  /** Loads the relay for so long; returns when all that was begun has ended. */
  async run(ms: number): Promise<void> {
    const until = performance.now() + ms;
    const repeat = async (work: (position: Position) => Promise<void>, first: number): Promise<void> => {
      for (let turn = first; performance.now() < until; turn++) {
        await this.forgiving(work(POSITIONS[turn % POSITIONS.length]!));
        await pause(BREATH_MS);
      }
    };
    await Promise.all([
      ...POSITIONS.map((position) => repeat(() => this.bulkTransfers(position), 0)),
      repeat((position) => this.page(position), 0),
      repeat((position) => this.page(position), 1),
      repeat((position) => this.manyCircuits(position), 0),
      repeat((position) => this.reset(position), 2),
      this.kills(until),
    ]);
  }

  /** A large transfer each way. */
  private async bulkTransfers(position: Position): Promise<void> {
    await this.onCircuit(this.bulk, position, (dial) =>
      this.transfers({ dial, count: 4, concurrency: 2, sizes: BULK_SIZES, directions: ["down", "up"] }),
    );
  }

  /** Many short streams on a circuit of their own. */
  private async page(position: Position): Promise<void> {
    await this.onCircuit(this.web, position, (dial) =>
      this.transfers({
        dial,
        count: STREAMS_PER_PAGE,
        concurrency: STREAMS_AT_ONCE,
        sizes: PAGE_SIZES,
        directions: ["down", "up"],
      }),
    );
  }

  /** Circuits that are built, carry nothing, and are closed. */
  private async manyCircuits(position: Position): Promise<void> {
    await using builder = await CircuitBuilder.open(this.bulk.client.control);
    const circuits = await builder.build(this.path(position), CIRCUITS_AT_ONCE, CIRCUITS_AT_ONCE);
    this.counts.circuits += circuits.built.length;
    this.counts.failedCircuits += circuits.failed;
    await pause(HELD_MS);
    await builder.closeAll(circuits.built);
  }

  /** A connection that its origin breaks. */
  private async reset(position: Position): Promise<void> {
    await this.onCircuit(this.web, position, async (dial) => {
      const socket = await dial();
      const reader = new SocketReader(socket);
      await writeAll(socket, formatRequest({ mode: "reset", down: BEFORE_RESET_BYTES, seed: this.nextSeed() }));
      const ended = async (): Promise<void> => {
        while ((await reader.some(BEFORE_RESET_BYTES)) !== null);
      };
      await ended().catch((error: unknown) => {
        if (!(error instanceof SocketEndedError)) throw error;
      });
      reader.release();
      socket.destroy();
      this.counts.resets++;
    });
  }

  /** Kills a client in the middle of its transfers, again and again, and starts it anew. */
  private async kills(until: number): Promise<void> {
    while (performance.now() + BETWEEN_KILLS_MS < until) {
      await this.forgiving(this.killOnce());
      await pause(BETWEEN_KILLS_MS);
    }
  }

  private async killOnce(): Promise<void> {
    const { mortal } = this;
    const dialer = await PinnedDialer.open(mortal);
    const transfers = POSITIONS.map((position) =>
      this.onCircuit({ client: mortal, dialer }, position, async (dial) => {
        const plan = { dial, count: 2, concurrency: 2, sizes: [1e9], directions: ["down", "up"] as const };
        const { failures } = await runTransfers({ ...plan, seed: this.nextSeed() });
        for (const { error } of failures) if (error instanceof TransferMismatchError) throw error;
      }),
    );
    // That they fail is the point.
    const ended = Promise.allSettled(transfers);
    await pause(BEFORE_KILL_MS);
    await mortal.kill();
    this.counts.kills++;
    for (const outcome of await ended) {
      if (outcome.status === "rejected" && outcome.reason instanceof TransferMismatchError) throw outcome.reason;
    }
    await mortal.start();
    await mortal.bootstrapped();
    await tame(mortal);
  }

  private async transfers(plan: TransferPlan): Promise<void> {
    const { results, failures } = await runTransfers({ ...plan, seed: this.nextSeed(plan.count) });
    this.counts.transfers += results.length;
    for (const { error } of failures) this.fail(error);
  }

  private async onCircuit(
    { client, dialer }: Driven,
    position: Position,
    work: (dial: () => Promise<Socket>) => Promise<void>,
  ): Promise<void> {
    const { origin } = this.parts;
    const circuitId = await client.control.buildCircuit(this.path(position));
    this.counts.circuits++;
    try {
      await work(() => dialer.connect({ circuitId }, origin.host, origin.port));
    } finally {
      await client.control.closeCircuit(circuitId).catch(() => {});
    }
  }

  /** What goes wrong is counted, and the load goes on; what no network can do to it is a mistake of ours. */
  private async forgiving(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (error instanceof CircuitFailedError) this.counts.failedCircuits++;
      else if (!isExpected(error)) throw error;
      this.fail(error);
    }
  }

  private fail(error: unknown): void {
    this.counts.failed++;
    if (error instanceof TransferMismatchError) this.counts.mismatches++;
    const reason = String(error).replaceAll(/\d+/g, "N");
    this.counts.reasons.set(reason, (this.counts.reasons.get(reason) ?? 0) + 1);
  }

  private path(position: Position): ReadonlyArray<string> {
    return fingerprints(pathThrough(this.parts.network, this.parts.relay, position));
  }

  private nextSeed(transfers = 2): number {
    const { seed } = this;
    this.seed += 2 * transfers;
    return seed;
  }
}

/** Leaves a client without circuits of its own, now and later: those that are there at rest are then of nobody. */
const tame = async ({ control }: TorNode): Promise<void> => {
  await control.setConf({ __DisablePredictedCircuits: 1 });
  const circuits = (await control.getInfo("circuit-status")).split("\n").map((line) => line.split(" ")[0] ?? "");
  // Each may have ended by itself.
  for (const circuitId of circuits) if (circuitId !== "") await control.closeCircuit(circuitId).catch(() => {});
};

const EXPECTED = [SocksError, SocketEndedError, WaitTimeoutError, ControlError, ControlClosedError];

const isExpected = (error: unknown): boolean =>
  error instanceof TransferMismatchError || EXPECTED.some((kind) => error instanceof kind);
