export * from "./authorities.ts";
export * from "./errors.ts";
export * from "./publish/descriptor-source.ts";
export * from "./timing.ts";
export * from "./view.ts";
