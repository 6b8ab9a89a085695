import { startWithAllium, texts } from "./support/allium.ts";
import { torClient } from "./support/conflux.ts";
import { BEHIND_LINES, describeSlowLines } from "./support/slow-lines.ts";

describeSlowLines("a tor client with conflux over slow lines, and Allium as the exit", async () => {
  const { network, allium } = await startWithAllium({ ...BEHIND_LINES, exits: 0 });
  return { network, client: torClient(network.clients[0]!), relayWarnings: () => texts(allium.warnings()) };
});
