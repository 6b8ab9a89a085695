/**
 * A private network of the real `tor` on loopback, and what tests, benches and the demonstration do with it. See README.md.
 * `describeWithTor` is apart, in `vitest.ts`: this file runs outside a test runner too.
 */
export * from "./accounting.ts";
export * from "./allium-client.ts";
export * from "./allium-program.ts";
export * from "./allium-relay.ts";
export * from "./availability.ts";
export * from "./consensus.ts";
export * from "./control.ts";
export type { ControlEvent } from "./control-protocol.ts";
export * from "./errors.ts";
export * from "./event-stream.ts";
export * from "./http-proxy.ts";
export * from "./log-scan.ts";
export * from "./managed-process.ts";
export * from "./name-server.ts";
export * from "./origin.ts";
export * from "./origin-protocol.ts";
export * from "./pinned-dialer.ts";
export * from "./ports.ts";
export * from "./process-ports.ts";
export * from "./process-usage.ts";
export { type LineBytes, type LineSettings, SlowLine } from "./slow-line.ts";
export * from "./socket-reader.ts";
export * from "./socks.ts";
export * from "./tor-network.ts";
export * from "./tor-node.ts";
export * from "./torrc.ts";
export * from "./transfers.ts";
export * from "./wait.ts";
