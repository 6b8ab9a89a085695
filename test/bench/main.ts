/**
 * The figures of `docs/measurements.md`: benchmarks of the packages in one process, then Allium's relay and `tor`'s in one
 * network and one run. Says how much else the machine was doing.
 *
 *     npm run bench                    everything
 *     npm run bench -- --only relay    the network, or `packages`
 *     npm run bench -- --bytes 60000000 --rounds 3 --circuits 2000
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { AlliumRelay, INSTALL_TOR, missingTor } from "../network/index.ts";
import { type BenchNetwork, startBenchNetwork } from "./support.ts";
import { formatFigures, measureRelays, torAt } from "./tor-baseline.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    bytes: { type: "string", default: "60000000" },
    rounds: { type: "string", default: "3" },
    circuits: { type: "string", default: "2000" },
  },
});

const say = (text: string): void => console.error(text);

/** As the first line of `allium-relay` has it. */
const YOUNG_GENERATION = ["--min-semi-space-size=2", "--max-semi-space-size=2"];

const benchPackages = (): void => {
  for (const file of globSync("packages/*/bench/*.bench.ts").sort()) {
    console.log(`\n== ${file}\n`);
    const run = spawnSync(process.execPath, ["--expose-gc", ...YOUNG_GENERATION, file], { stdio: "inherit" });
    if (run.status !== 0) process.exitCode = 1;
  }
};

/** One run: Allium's relay at each position, then `tor` at the same, in the same network. */
const benchRelay = async (): Promise<void> => {
  if (missingTor().length > 0) {
    console.error(`No tor to measure beside: ${INSTALL_TOR}`);
    process.exitCode = 1;
    return;
  }
  const bytes = Number(values.bytes);
  const rounds = Number(values.rounds);
  const circuits = Number(values.circuits);
  let allium: AlliumRelay | undefined;
  await using bench: BenchNetwork = await startBenchNetwork({
    relays: 4,
    exits: 1,
    consensusParams: { cfx_enabled: 0 },
    onProgress: ({ phase, seconds, text }) => phase !== "client" && say(`${seconds.toFixed(1)} s ${text}`),
    beside: async (network) => {
      allium = await AlliumRelay.start(network, { exit: { policy: ["accept *:*"] } });
    },
  });
  if (allium === undefined) throw new Error("Allium's relay was not started");
  const { status } = await bench.network.waitForConsensus(allium.nickname, { flags: ["Running", "Valid"] });
  // An exit serves no streams from a relay that it does not know.
  await allium.knowsRelays(bench.network.nodes.length - bench.network.clients.length);
  const relay = { nickname: "Allium", fingerprint: status.fingerprint, pid: allium.pid };
  const options = { bytes, rounds, circuits, onProgress: say };
  const before = loadavg()[0] ?? 0;
  const tor = torAt(bench);
  const figures = await allium.whileRunning(measureRelays(bench, (position) => [relay, tor(position)], options));
  console.log(`\n${formatFigures(figures)}`);
  console.log(
    `\nLoad before: ${before.toFixed(2)}, after: ${(loadavg()[0] ?? 0).toFixed(2)}; the median of ${rounds} times ${bytes / 1e6} MB each way.`,
  );
};

if (values.only !== "relay") benchPackages();
if (values.only !== "packages") await benchRelay();
