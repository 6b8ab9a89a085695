export * from "./config.ts";
export * from "./keys/index.ts";
