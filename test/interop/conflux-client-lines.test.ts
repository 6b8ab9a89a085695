import { AlliumClient, TorNetwork } from "../network/index.ts";
import { alliumClient } from "./support/conflux.ts";
import { BEHIND_LINES, describeSlowLines } from "./support/slow-lines.ts";

describeSlowLines("Allium's client with conflux over slow lines, and tor exits", async () => {
  const network = await TorNetwork.start({ ...BEHIND_LINES, exits: 2, clients: 0 });
  return { network, client: alliumClient(await AlliumClient.start(network)), sparesExit: true };
});
