export * from "./authorities.ts";
export * from "./errors.ts";
export { HttpError } from "./http/head.ts";
export { type HttpRequest, RequestReader } from "./http/request.ts";
export * from "./publish/descriptor-source.ts";
export type { Publication } from "./publish/publisher.ts";
export type { UploadOutcome } from "./publish/upload.ts";
export { type DirectoryConfig, DirectoryReactor, layer as layerDirectory } from "./reactor.ts";
export {
  type DirectoryClient,
  DirectoryServer,
  type DirectoryServerConfig,
  layer as layerDirectoryServer,
} from "./server/server.ts";
export { type DirectoryTiming, publicTiming, testTiming } from "./timing.ts";
export { type DirectorySnapshot, DirectoryView, type HeldConsensus } from "./view.ts";
