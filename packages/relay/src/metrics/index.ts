export * from "./limits.ts";
export { formatPrometheus, PROMETHEUS_CONTENT_TYPE } from "./prometheus.ts";
export { defaultMetricsPolicy, type MetricsConfig, type MetricsServer, makeMetricsServer } from "./server.ts";
