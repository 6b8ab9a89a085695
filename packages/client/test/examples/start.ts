import { createTorClient, type TorClientConfig } from "@allium/client";

/** Ends with its block: streams, circuits and files are let go of. */
export const start = async (config: TorClientConfig, tell: (line: string) => void, signal: AbortSignal) => {
  await using tor = await createTorClient(config); // connects by itself from here on
  for await (const event of tor.events()) {
    if (event._tag !== "Bootstrap") continue;
    const { progress, waitsFor, trouble } = event.status;
    tell(`${Math.round(progress * 100)} %: ${trouble?.detail ?? waitsFor}`);
    if (progress === 1 || signal.aborted) break;
  }
};
