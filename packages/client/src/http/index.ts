export { createAgent, type TorAgent, type TorAgentOptions } from "./agent.ts";
export { createDispatcher, type TorDispatcher, type TorDispatcherOptions } from "./dispatcher.ts";
export type { RequestStreams } from "./streams.ts";
export * as TorHttpClient from "./tor-http-client.ts";
export * as TorWebSocket from "./tor-web-socket.ts";
