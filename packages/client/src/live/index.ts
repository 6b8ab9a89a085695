export { EVENTS_AHEAD } from "./events.ts";
export { type ClientPlatform, layerTorClient, startTorClient } from "./tor-client-live.ts";
