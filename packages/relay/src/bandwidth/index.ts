export { type BandwidthLimiter, type BandwidthLimits, makeBandwidthLimiter } from "./limiter.ts";
export * from "./limits.ts";
