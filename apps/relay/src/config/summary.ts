import { formatEndpoint } from "@allium/channel";
import { formatSummary, mebibytes, yesOrNo } from "@allium/cli";
import { type DosConfig, machineMemory, memoryLimitFor, type RelayConfig } from "@allium/relay";
import type { ProgramConfig } from "./load.ts";

const cacheText = ({ cache, extraInfo }: ProgramConfig["relay"]["directory"]): string =>
  cache ? `cached for others${extraInfo ? ", extra-info documents too" : ""}` : "not cached for others";

const confluxText = ({ conflux: { enabled, maxSets, resumption }, exit }: RelayConfig): string => {
  if (!exit.enabled || enabled === false) return "no";
  return `${enabled === "auto" ? "as the consensus says" : "yes"}, at most ${maxSets} sets${resumption ? ", which outlive the loss of a circuit" : ""}`;
};

const dosText = (dos: DosConfig): string => {
  const said = Object.entries(dos).map(([key, value]) => {
    const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return `${name} = ${value}`;
  });
  return said.length === 0 ? "as the consensus says" : `${said.join(", ")}; else as the consensus says`;
};

/** What a configuration means, defaults included, in a few lines for people. */
export const summarize = ({ file, relay, log, shutdownWaitMillis, shutdownTimeoutMillis }: ProgramConfig): string => {
  const { metrics, exit, limits, bandwidth } = relay;
  const lines: ReadonlyArray<readonly [name: string, value: string]> = [
    ["nickname", relay.nickname],
    ["contact", relay.contact ?? "none"],
    ["data", relay.dataDir],
    ["listens on", formatEndpoint(relay.orPort)],
    ["reached at", formatEndpoint(relay.advertised)],
    ["test network", yesOrNo(relay.testNetwork)],
    ["authorities", relay.authorities.map(({ name }) => name).join(", ")],
    ["family", relay.family.join(", ") || "none"],
    [
      "bandwidth",
      `${mebibytes(bandwidth.rate)}/s, at most ${mebibytes(bandwidth.burst)}/s (${bandwidth.isLimit ? "limit" : "announced, no limit"})`,
    ],
    ["exit", yesOrNo(exit.enabled)],
    ...(exit.enabled
      ? ([
          ["  policy", [...exit.policy, "then the default policy"].join("; ")],
          ["  private", exit.rejectPrivate ? "refused" : "as the policy says"],
          ["  IPv6", yesOrNo(exit.ipv6)],
          ["  names", exit.nameServers.join(", ") || `the name servers of ${exit.resolvConf}`],
        ] as const)
      : []),
    ["conflux", confluxText(relay)],
    ["documents", cacheText(relay.directory)],
    [
      "connections",
      `${limits.maxConnections} from others, ${limits.maxConnectionsPerAddress} from one address, ${limits.maxOutgoingConnections} to others`,
    ],
    ["circuits", `${limits.maxCircuits}`],
    [
      "streams",
      `${limits.maxStreams} in all, ${limits.maxStreamsPerCircuit} on a circuit, ${mebibytes(limits.streamBufferBytes)} waiting on each`,
    ],
    [
      "memory",
      limits.maxMemoryBytes === undefined
        ? `${mebibytes(memoryLimitFor(machineMemory()))} for what waits, as this machine has ${mebibytes(machineMemory())}`
        : `${mebibytes(limits.maxMemoryBytes)} for what waits`,
    ],
    ["floods", dosText(relay.dos)],
    ["log", `${log.level}, ${log.format}`],
    [
      "metrics",
      metrics === undefined
        ? "none"
        : `at ${formatEndpoint(metrics.listen)}, for ${(metrics.policy ?? ["this machine"]).join("; ")}`,
    ],
    ["shutdown", `${shutdownWaitMillis / 1_000} s for circuits, then ${shutdownTimeoutMillis / 1_000} s`],
  ];
  return formatSummary(file, lines);
};
