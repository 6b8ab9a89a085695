export * from "./config.ts";
export {
  BootstrapError,
  type BootstrapProblem,
  ClientFailed,
  ConnectError,
  type ConnectFailure,
  DataDirError,
} from "./errors.ts";
export * from "./http/index.ts";
export * from "./live/index.ts";
export * from "./plain/index.ts";
export * from "./proxy-server/index.ts";
export * from "./sockets/index.ts";
export * from "./status.ts";
export * from "./tor-client.ts";
