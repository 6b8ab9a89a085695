import { CircuitFailedError, type ControlEvent, Meter, processUsage, WaitTimeoutError } from "../network/index.ts";
import { type BenchNetwork, fingerprints, type Position, pathThrough, type RelayUnderTest } from "./support.ts";

/** What building circuits and holding them idle cost. */
export interface CircuitsResult {
  readonly built: number;
  readonly failed: number;
  readonly builtPerSecond: number;
  /** CPU seconds for each circuit built: of the relay under test and of the client. */
  readonly relayCpuPerCircuit: number;
  readonly clientCpuPerCircuit: number;
  /** Growth in bytes for each idle circuit of the second half: the first also fills what a daemon allocates once. */
  readonly relayMemoryPerCircuit: number;
  readonly clientMemoryPerCircuit: number;
}

/**
 * Builds `count` circuits with the relay under test at `position`, at most `concurrency` at a time, looks at the memory while
 * they are idle, and closes them. Memory is right in a daemon's first such run only: later ones use again what the allocator
 * kept.
 */
export const measureCircuits = async (
  bench: BenchNetwork,
  relay: RelayUnderTest,
  position: Position,
  options: { readonly count?: number; readonly concurrency?: number } = {},
): Promise<CircuitsResult> => {
  const { count = 2000, concurrency = 32 } = options;
  const path = fingerprints(pathThrough(bench.network, relay, position));
  const control = bench.client.control;
  const relayMemory = relay.memory ?? (async () => processUsage(relay.pid)?.residentBytes ?? 0);
  const clientMemory = (): number => processUsage(bench.client.pid)?.residentBytes ?? 0;

  // The channels between the path's relays are there before the count begins.
  await control.closeCircuit(await control.buildCircuit(path));

  await using events = await control.events("CIRC");
  const outcomes = new CircuitOutcomes(events);
  const built: Array<string> = [];
  let failed = 0;
  let seconds = 0;
  const buildMore = async (more: number): Promise<void> => {
    let left = more;
    const worker = async (): Promise<void> => {
      while (left > 0) {
        left--;
        const circuitId = await control.extendCircuit(path);
        try {
          built.push(await outcomes.of(circuitId));
        } catch (error) {
          if (!(error instanceof CircuitFailedError)) throw error;
          failed++;
        }
      }
    };
    const started = performance.now();
    await Promise.all(Array.from({ length: concurrency }, worker));
    seconds += (performance.now() - started) / 1000;
  };

  const meter = new Meter({ relay: relay.pid, client: bench.client.pid });
  await buildMore(Math.ceil(count / 2));
  const half = { built: built.length, relay: await relayMemory(), client: clientMemory() };
  await buildMore(Math.floor(count / 2));
  const usage = meter.read();
  const full = { built: built.length, relay: await relayMemory(), client: clientMemory() };
  for (const circuitId of built) await control.closeCircuit(circuitId).catch(() => {});

  const grown = Math.max(1, full.built - half.built);
  return {
    built: full.built,
    failed,
    builtPerSecond: full.built / seconds,
    relayCpuPerCircuit: usage.relay.cpuSeconds / Math.max(1, full.built),
    clientCpuPerCircuit: usage.client.cpuSeconds / Math.max(1, full.built),
    relayMemoryPerCircuit: (full.relay - half.relay) / grown,
    clientMemoryPerCircuit: (full.client - half.client) / grown,
  };
};

/** Tells many waiters apart that one stream of CIRC events answers. */
class CircuitOutcomes {
  private readonly waiting = new Map<string, PromiseWithResolvers<string>>();

  constructor(events: AsyncIterable<ControlEvent>) {
    void this.run(events);
  }

  /** The circuit's id once it is built. @throws CircuitFailedError, WaitTimeoutError when the events end first */
  of(circuitId: string): Promise<string> {
    return this.waiter(circuitId).promise;
  }

  private waiter(circuitId: string): PromiseWithResolvers<string> {
    const known = this.waiting.get(circuitId) ?? Promise.withResolvers<string>();
    // An outcome that comes before anybody asks for it is not an unhandled rejection.
    known.promise.catch(() => {});
    this.waiting.set(circuitId, known);
    return known;
  }

  private async run(events: AsyncIterable<ControlEvent>): Promise<void> {
    for await (const { words, fields } of events) {
      const [circuitId = "", status] = words;
      if (status === "BUILT") this.waiter(circuitId).resolve(circuitId);
      else if (status === "FAILED" || status === "CLOSED") {
        this.waiter(circuitId).reject(
          new CircuitFailedError(circuitId, fields["REASON"] ?? "UNKNOWN", fields["REMOTE_REASON"]),
        );
      }
    }
    for (const { reject } of this.waiting.values()) reject(new WaitTimeoutError("circuits", 0, "no more events"));
  }
}
