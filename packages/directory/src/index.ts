export * from "./authorities.ts";
export { CacheFileError, readCacheFile, writeCacheFile } from "./cache/files.ts";
export type { DirectoryActivity, RequestUnderWay, WantedDocuments } from "./download/activity.ts";
export { REASONABLY_LIVE_MILLIS } from "./download/holdings.ts";
export type { DirectoryRole } from "./download/policy.ts";
export * from "./errors.ts";
export * from "./fallbacks.ts";
export { type Head as HttpHead, type Headers as HttpHeaders, HeadReader, HttpError, shorten } from "./http/head.ts";
export { readRequest } from "./http/read-request.ts";
export type { HttpRequest } from "./http/request.ts";
export type { DescriptorLookup } from "./mirror/descriptor-store.ts";
export { DirectoryMirror, layer as layerDirectoryMirror, type MirrorConfig } from "./mirror/mirror.ts";
export { type ConsensusToServe, ServedConsensus } from "./mirror/served-consensus.ts";
export type { NetworkConfig } from "./network-config.ts";
export { publicAuthorities, publicFallbacks } from "./public-network/public-network.ts";
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
export { layerAuthoritySources } from "./sources/authority-sources.ts";
export {
  type DirectoryDocument,
  type DirectoryOutcome,
  type DirectorySource,
  DirectorySources,
  type DirectoryWish,
} from "./sources/source.ts";
export { type DirectoryTiming, publicTiming, testTiming } from "./timing.ts";
export type { LineProblem } from "./torrc-lines.ts";
export { type DirectorySnapshot, DirectoryView, type HeldConsensus } from "./view.ts";
export {
  DocumentWorker,
  DocumentWorkerError,
  layerInline as layerDocumentWorkerInline,
} from "./worker/document-worker.ts";
export { layer as layerDocumentWorker } from "./worker/thread.ts";
