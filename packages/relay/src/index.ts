export * from "./config.ts";
export * from "./descriptor.ts";
export * from "./exit/index.ts";
export * from "./keys/index.ts";
export * from "./metrics/index.ts";
export * from "./params.ts";
export * from "./relay.ts";
export * from "./traffic.ts";
