export * from "./limits.ts";
export { formatPrometheus, PROMETHEUS_CONTENT_TYPE } from "./prometheus.ts";
export { bandwidthMetrics, directoryMetrics, relayMetrics } from "./relay-metrics.ts";
export { defaultMetricsPolicy, type MetricsConfig, type MetricsServer, makeMetricsServer } from "./server.ts";
export { topologyMetrics } from "./topology-metrics.ts";
