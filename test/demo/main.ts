/**
 * `npm start`: a private network of system `tor` daemons with Allium's relay as its only exit, and a download through it.
 *
 *     node test/demo/main.ts [--size MB] [--exit allium|tor]
 */
import { parseArgs } from "node:util";
import {
  AlliumRelay,
  formatBytes,
  INSTALL_TOR,
  missingTor,
  OPEN_EXIT_POLICY,
  type Origin,
  runTransfers,
  socksConnect,
  TorNetwork,
  type TorNode,
} from "../network/index.ts";
import { ProgressLine, say } from "./progress.ts";
import { circuitCounts, circuitPath, readParts, summarise } from "./summary.ts";

const usage = (): never => {
  console.error("usage: node test/demo/main.ts [--size MB] [--exit allium|tor]");
  process.exit(2);
};

const readOptions = () => {
  try {
    const options = {
      size: { type: "string", default: "20" },
      exit: { type: "string", default: "allium" },
    } as const;
    return parseArgs({ options }).values;
  } catch {
    return usage();
  }
};

const values = readOptions();
const bytes = Math.round(Number(values.size) * 1e6);
if (!(bytes > 0) || !["allium", "tor"].includes(values.exit)) usage();

const missing = missingTor();
if (missing.length > 0) {
  console.error(`This demonstration needs the Tor daemon: ${missing.join(" and ")} not found. Install with:\n`);
  console.error(`    ${INSTALL_TOR}\n`);
  process.exit(1);
}
// What was started ends with this process, however it ends.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const download = async (client: TorNode, origin: Origin): Promise<{ path: string; seconds: number }> => {
  await using streams = await client.control.events("STREAM");
  const progress = new ProgressLine(bytes);
  let path = "";
  const report = await runTransfers({
    dial: async () => {
      const socket = await socksConnect(client.socks(), "origin.test", origin.port);
      const circuit = await streams.until(
        ({ words }) => (words[1] === "SUCCEEDED" ? words[2] : undefined),
        5000,
        "the download's circuit",
      );
      path = await circuitPath(client, circuit);
      return socket;
    },
    count: 1,
    sizes: [bytes],
    timeoutMs: 600_000,
    onBytes: (length) => progress.add(length),
  });
  progress.end();
  if (report.failures[0] !== undefined) throw report.failures[0].error;
  return { path, seconds: report.seconds };
};

const main = async (): Promise<void> => {
  const whose = values.exit === "allium" ? "Allium's relay" : "tor's";
  console.log(`A private Tor network on this machine. Its only exit is ${whose}.\n`);
  let allium: AlliumRelay | undefined;
  await using network = await TorNetwork.start({
    exits: values.exit === "tor" ? 1 : 0,
    clients: 0,
    // One circuit carries the download, so that its path can be shown.
    consensusParams: { cfx_enabled: 0 },
    beside: async (authorities) => {
      if (values.exit === "allium") {
        allium = await AlliumRelay.start(authorities, { exit: { policy: OPEN_EXIT_POLICY } });
      }
    },
    onProgress: ({ phase, text }) => {
      if (phase !== "client" && phase !== "ready") say(text);
    },
  });

  const exit = allium ?? network.exits[0]!;
  const listed = network.waitForConsensus(exit.nickname, { flags: ["Running", "Valid", "Exit"] });
  const { status, rounds } = await (allium?.whileRunning(listed) ?? listed);
  // An exit serves no streams from a relay that it does not know.
  await allium?.whileRunning(allium.knowsRelays(network.nodes.length - network.clients.length));
  const when = rounds === 0 ? "the first consensus" : `the consensus, ${rounds} rounds later`;
  say(`${exit.nickname} is in ${when}: ${[...status.flags].join(", ")}`);

  say("starting a client");
  const client = await network.addClient();
  const origin = await network.localOrigin();
  const parts = [...network.nodes, ...(allium === undefined ? [] : [allium])];
  const before = await readParts(parts);

  say(`downloading ${formatBytes(bytes)} through it`);
  const { path, seconds } = await download(client, origin);
  say(
    `${formatBytes(bytes)} in ${seconds.toFixed(1)} s (${formatBytes(bytes / seconds)}/s), SHA-256 equal at both ends`,
  );
  say(`by ${path}`);
  console.log(`\n${summarise(before, await readParts(parts), await circuitCounts(client), status.fingerprint)}\n`);

  const warnings = [...network.warnings(), ...(allium?.warnings() ?? []).map(({ text }) => `allium: ${text}`)];
  console.log(warnings.length === 0 ? "No warning in any log." : `Warnings:\n${warnings.join("\n")}`);
};

try {
  await main();
} catch (error) {
  console.error(`\n${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
