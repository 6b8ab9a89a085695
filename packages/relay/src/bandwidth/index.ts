export { type BandwidthLimiter, makeBandwidthLimiter } from "./limiter.ts";
export * from "./limits.ts";
export { type BandwidthLimits, TokenBucket } from "./token-bucket.ts";
