export * from "./authorities.ts";
export * from "./errors.ts";
export { HttpError } from "./http/head.ts";
export { readRequest } from "./http/read-request.ts";
export type { HttpRequest } from "./http/request.ts";
export type { DescriptorLookup } from "./mirror/descriptor-store.ts";
export { DirectoryMirror, layer as layerDirectoryMirror, type MirrorConfig } from "./mirror/mirror.ts";
export { type ConsensusToServe, ServedConsensus } from "./mirror/served-consensus.ts";
export type { NetworkConfig } from "./network-config.ts";
export * from "./publish/descriptor-source.ts";
export type { Publication } from "./publish/publisher.ts";
export type { UploadOutcome } from "./publish/upload.ts";
export { type DirectoryConfig, DirectoryReactor, layer as layerDirectory } from "./reactor.ts";
export { MAX_STREAMS as MAX_DIRECTORY_STREAMS } from "./server/limits.ts";
export {
  type DirectoryClient,
  DirectoryServer,
  type DirectoryServerConfig,
  type DirectoryServerCounts,
  layer as layerDirectoryServer,
} from "./server/server.ts";
export { type DirectoryTiming, publicTiming, testTiming } from "./timing.ts";
export { type DirectorySnapshot, DirectoryView, type HeldConsensus } from "./view.ts";
export {
  DocumentWorker,
  DocumentWorkerError,
  layerInline as layerDocumentWorkerInline,
} from "./worker/document-worker.ts";
export { layer as layerDocumentWorker } from "./worker/thread.ts";
