import { Meter, processUsage } from "../network/index.ts";
import { CircuitBuilder, type CircuitsBuilt } from "./circuits-at-once.ts";
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

  await using builder = await CircuitBuilder.open(control);
  const circuits: CircuitsBuilt = { built: [], failed: 0 };
  let seconds = 0;
  const buildMore = async (more: number): Promise<void> => {
    const started = performance.now();
    await builder.build(path, more, concurrency, circuits);
    seconds += (performance.now() - started) / 1000;
  };

  const meter = new Meter({ relay: relay.pid, client: bench.client.pid });
  await buildMore(Math.ceil(count / 2));
  const half = { built: circuits.built.length, relay: await relayMemory(), client: clientMemory() };
  await buildMore(Math.floor(count / 2));
  const usage = meter.read();
  const full = { built: circuits.built.length, relay: await relayMemory(), client: clientMemory() };
  await builder.closeAll(circuits.built);

  const grown = Math.max(1, full.built - half.built);
  return {
    built: full.built,
    failed: circuits.failed,
    builtPerSecond: full.built / seconds,
    relayCpuPerCircuit: usage.relay.cpuSeconds / Math.max(1, full.built),
    clientCpuPerCircuit: usage.client.cpuSeconds / Math.max(1, full.built),
    relayMemoryPerCircuit: (full.relay - half.relay) / grown,
    clientMemoryPerCircuit: (full.client - half.client) / grown,
  };
};
