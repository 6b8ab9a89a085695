export { createTorClient, layerTorClientNode, type OwnTorClient } from "./create-tor-client.ts";
export { type PlainClient, plainClient } from "./plain-client.ts";
