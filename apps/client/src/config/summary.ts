import { formatEndpoint } from "@allium/channel";
import { formatSummary, mebibytes, yesOrNo } from "@allium/cli";
import type { ProgramConfig } from "./load.ts";

/** When streams are spread over several circuits, and to what end. */
const confluxWords = ({
  enabled = "auto",
  ux = "throughput",
  resumption = false,
}: NonNullable<ProgramConfig["client"]["conflux"]>): string => {
  if (enabled === false) return "no: each stream goes through one circuit";
  const wish = ux === "none" ? "without a wish" : `for ${ux}`;
  const when = enabled === "auto" ? "if the consensus enables it" : "whatever the consensus says";
  return `${when}, ${wish}${resumption ? ", and past the loss of a circuit where exits can" : ""}`;
};

const count = (relays: ReadonlySet<string> | undefined): string => `${relays?.size ?? 0}`;

/** What a configuration means, defaults included, in a few lines for people. */
export const summarize = (config: ProgramConfig): string => {
  const { client, isolation, log } = config;
  const { reachability = {}, paths = {}, tunnels = {} } = client;
  const families = [
    ...(reachability.ipv4 === false ? [] : ["IPv4"]),
    ...(reachability.ipv6 === false ? [] : ["IPv6"]),
  ].join(", ");
  const ports = reachability.ports === undefined ? "all ports" : `ports ${[...reachability.ports].join(", ")}`;
  const apart = Object.entries(isolation)
    .filter(([, isSet]) => isSet)
    .map(([name]) => (name === "clientAddress" ? "client address" : name));
  return formatSummary(config.file, [
    ["data", client.dataDir],
    ["proxy at", formatEndpoint(config.socksListen)],
    ["DNS at", config.dnsListen === undefined ? "nowhere" : formatEndpoint(config.dnsListen)],
    ["test network", yesOrNo(client.testNetwork === true)],
    [
      "authorities",
      client.authorities?.map(({ name }) => name).join(", ") ??
        "those of the public network, and its fallback directories",
    ],
    ["guards over", `${families}, ${ports}`],
    ["not used", `${count(paths.exclude)} relays, ${count(paths.excludeExits)} more as exits`],
    ["kept apart", apart.length === 0 ? "nothing" : `streams by ${apart.join(", ")}`],
    [
      "tunnels",
      `${tunnels.maxTunnels}, with new streams for ${(tunnels.maxDirtinessMillis ?? 0) / 1_000} s, before they are asked for to port ${(tunnels.expectedPorts ?? []).join(", ") || "none"}`,
    ],
    ["conflux", confluxWords(client.conflux ?? {})],
    ["streams", `${tunnels.maxStreams}, waited for ${(tunnels.requestTimeoutMillis ?? 0) / 1_000} s`],
    ["applications", `${config.maxConnections}`],
    ["memory", `${mebibytes(client.maxMemoryBytes ?? 0)} for what waits`],
    ["log", `${log.level}, ${log.format}`],
    ["shutdown", `${config.shutdownWaitMillis / 1_000} s for streams, then ${config.shutdownTimeoutMillis / 1_000} s`],
  ]);
};
