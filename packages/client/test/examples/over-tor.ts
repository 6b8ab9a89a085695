import { createDispatcher, createTorClient, type TorClientConfig } from "@allium/client";

/** A page, over Tor. */
export const pageOverTor = async (url: string, config: TorClientConfig): Promise<string> => {
  await using tor = await createTorClient(config); // dataDir, and for a private network its authorities
  const response = await fetch(url, { dispatcher: createDispatcher(tor) });
  return await response.text();
};
