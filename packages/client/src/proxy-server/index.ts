export { type DatagramPort, Datagrams } from "./datagrams.ts";
export { layerNodeDatagrams } from "./datagrams-node.ts";
export { type DnsServer, type DnsServerConfig, makeDnsServer } from "./dns-server.ts";
export { type IsolationFlags, isolationKey } from "./isolation.ts";
export * from "./proxy-server.ts";
