import type { ChannelManager } from "@allium/channel";
import type { RelayCircuits } from "@allium/circuit";
import type { ConfluxManager } from "@allium/conflux";
import type { DirectoryReactor, DirectoryServer, DirectoryView } from "@allium/directory";
import type { Metric, MetricSample } from "@allium/kernel";
import type { Fingerprint, RelayFlag } from "@allium/netdoc";
import type { BandwidthLimiter } from "../bandwidth/index.ts";
import type { ExitStatus } from "../exit/index.ts";
import type { RelayKeys } from "../keys/index.ts";
import type { TrafficMeter } from "../traffic.ts";
import { byLabel } from "./by-label.ts";
import type { CircuitCounts } from "./circuit-counts.ts";
import type { ConnectionCounts } from "./connection-counts.ts";
import { dnsErrorSamples } from "./dns-errors.ts";

/** What the figures of a relay are read from. */
export interface RelayMetricsParts {
  readonly channels: ChannelManager["Service"];
  readonly circuits: RelayCircuits["Service"];
  readonly conflux: ConfluxManager["Service"];
  readonly exit: ExitStatus["Service"];
  readonly directory: DirectoryReactor["Service"];
  readonly view: DirectoryView["Service"];
  readonly traffic: TrafficMeter;
  readonly connectionCounts: ConnectionCounts;
  readonly circuitCounts: CircuitCounts;
  readonly keys: () => RelayKeys;
  readonly fingerprint: Fingerprint;
}

/** The flags that `tor` tells about itself. `Authority` and `Sybil` are none that a consensus gives this relay. */
const flags: ReadonlyArray<RelayFlag> = [
  "Fast",
  "Exit",
  "Authority",
  "Stable",
  "HSDir",
  "Running",
  "V2Dir",
  "Sybil",
  "Guard",
];

/**
 * What a relay tells of itself. Names, labels and meaning are those of `tor`'s MetricsPort (0.4.9, `tor_relay_…`) wherever the two count the
 * same; what is only here begins with `allium_`.
 */
export const relayMetrics = (parts: RelayMetricsParts): ReadonlyArray<Metric> => {
  const { channels, circuits, conflux, exit, directory, view, traffic, connectionCounts, circuitCounts } = parts;
  const openCircuits = () => circuits.circuits();
  const noteChannels = () => {
    for (const channel of channels.channels()) traffic.channels.note(channel);
  };
  return [
    {
      name: "tor_relay_connections",
      help: "Total number of opened connections",
      type: "gauge",
      read: () => connectionCounts.opened(channels.channels()),
    },
    {
      name: "tor_relay_connections_total",
      help: "Total number of created/rejected connections",
      type: "counter",
      read: () => connectionCounts.total(exit.counts().connected),
    },
    {
      name: "tor_relay_traffic_bytes",
      help: "Traffic related counters",
      type: "counter",
      read: () => {
        noteChannels();
        return byLabel("direction", Object.entries(traffic.totals));
      },
    },
    {
      name: "tor_relay_streams_total",
      help: "Total number of streams",
      type: "counter",
      read: () => byLabel("type", Object.entries(exit.counts().asked)),
    },
    {
      name: "tor_relay_circuits_total",
      help: "Total number of circuits",
      type: "gauge",
      read: () => byLabel("state", [["opened", openCircuits().length]]),
    },
    {
      name: "tor_relay_load_onionskins_total",
      help: "Total number of onionskins handled",
      type: "counter",
      read: () =>
        Object.entries(circuits.counters.handshakes).map(([type, value]) => ({
          labels: { type, action: "processed" },
          value,
        })),
    },
    {
      name: "tor_relay_drop_cell_total",
      help: "Total number of DROP cell we received",
      type: "counter",
      read: () => circuits.counters.drops,
    },
    {
      name: "tor_relay_load_tcp_exhaustion_total",
      help: "Total number of times we ran out of TCP ports",
      type: "counter",
      read: () => exit.counts().exhausted,
    },
    {
      name: "tor_relay_exit_dns_query_total",
      help: "Total number of DNS queries done by this relay",
      type: "counter",
      read: () => exit.counts().questions,
    },
    {
      name: "tor_relay_exit_dns_error_total",
      help: "Total number of DNS errors encountered by this relay",
      type: "counter",
      read: () => dnsErrorSamples(exit.counts().failedQuestions),
    },
    {
      name: "tor_relay_circ_proto_violation_total",
      help: "Total number of circuit protocol violation",
      type: "counter",
      read: () => circuitCounts.violations,
    },
    {
      name: "tor_bug_reached_count",
      help: "Total number of BUG() and similar assertion reached",
      type: "counter",
      read: () => circuitCounts.bugs,
    },
    {
      name: "tor_relay_congestion_control_total",
      help: "Congestion control related counters",
      type: "counter",
      read: () => circuitCounts.congestionTotal(openCircuits()),
    },
    {
      name: "tor_relay_congestion_control",
      help: "Congestion control related gauges",
      type: "gauge",
      read: () => circuitCounts.congestion(),
    },
    {
      name: "tor_relay_flag",
      help: "Relay flags from consensus",
      type: "gauge",
      read: () => {
        const router = view.current().consensus?.router(parts.fingerprint);
        return byLabel(
          "type",
          flags.map((flag) => [flag, router?.flags.has(flag) === true ? 1 : 0]),
        );
      },
    },
    {
      name: "tor_relay_signing_cert_expiry_timestamp",
      help: "Timestamp at which the current online keys will expire",
      type: "gauge",
      read: () => Math.floor(parts.keys().signing.expiresAt / 1000),
    },
    {
      name: "allium_circuits_refused_total",
      help: "CREATE cells that were refused, by why.",
      type: "counter",
      read: () => byLabel("reason", Object.entries(circuits.counters.refusals)),
    },
    {
      name: "allium_cells_refused_total",
      help: "Cells that channels did not hand on, by why.",
      type: "counter",
      read: () => {
        noteChannels();
        const { strayCells, droppedCreates, refusedCreates } = traffic.channels.totals;
        return byLabel("reason", [
          ["stray", strayCells],
          ["unread", droppedCreates],
          ["channelFull", refusedCreates],
        ]);
      },
    },
    {
      name: "allium_conflux_sets",
      help: "Sets of linked circuits that are open.",
      type: "gauge",
      read: () => conflux.sets().length,
    },
    {
      name: "allium_conflux_legs",
      help: "Circuits that are linked into sets.",
      type: "gauge",
      read: () => conflux.sets().reduce((sum, { legs }) => sum + legs.length, 0),
    },
    {
      name: "allium_conflux_waiting_bytes",
      help: "Bytes of cells that wait for those of other legs.",
      type: "gauge",
      read: () => conflux.sets().reduce((sum, { receiver }) => sum + receiver.queue.bytes, 0),
    },
    {
      name: "allium_exit_streams",
      help: "Streams that are open or being opened, look-ups among them.",
      type: "gauge",
      read: () => exit.counts().streams,
    },
    {
      name: "allium_exit_streams_refused_total",
      help: "Streams and look-ups that met a bound of the exit, by which.",
      type: "counter",
      read: () => byLabel("bound", Object.entries(exit.counts().bounded)),
    },
    {
      name: "allium_exit_lookups",
      help: "Streams and look-ups that wait for a name.",
      type: "gauge",
      read: () => exit.counts().lookups,
    },
    {
      name: "allium_exit_connecting",
      help: "Attempts to connect to destinations that are under way.",
      type: "gauge",
      read: () => exit.counts().connecting,
    },
    {
      name: "allium_exit_lingering",
      help: "Connections to destinations that outlive their streams for a moment.",
      type: "gauge",
      read: () => exit.counts().lingering,
    },
    {
      name: "allium_exit_dns_cached_names",
      help: "Names whose answers are kept.",
      type: "gauge",
      read: () => exit.counts().cachedNames,
    },
    {
      name: "allium_exit_dns_refused_total",
      help: "Names that were not asked for, since too many questions to name servers were under way.",
      type: "counter",
      read: () => exit.counts().refusedQuestions,
    },
    {
      name: "allium_consensus_valid_until_timestamp_seconds",
      help: "When the newest consensus ends.",
      type: "gauge",
      read: () => timestamp(view.current().consensus?.lifetime.validUntil),
    },
    {
      name: "allium_microdescriptors_missing",
      help: "Microdescriptors of the consensus that are not there yet.",
      type: "gauge",
      read: () => view.current().missingMicrodescriptors,
    },
    {
      name: "allium_descriptor_published_timestamp_seconds",
      help: "When the descriptor that was published last was made.",
      type: "gauge",
      read: () => timestamp(directory.publication()?.at),
    },
  ];
};

/** What a directory cache has served. */
export const directoryMetrics = (server: DirectoryServer["Service"]): ReadonlyArray<Metric> => [
  {
    name: "allium_directory_answers_total",
    help: "Answers to requests for directory documents, by status.",
    type: "counter",
    read: () =>
      byLabel(
        "status",
        Array.from(server.counts().answers, ([status, count]) => [String(status), count]),
      ),
  },
  {
    name: "allium_directory_diffs_total",
    help: "Answers that were a diff to the consensus.",
    type: "counter",
    read: () => server.counts().diffs,
  },
  {
    name: "allium_directory_bytes_total",
    help: "Bytes of directory documents that were sent, as packed.",
    type: "counter",
    read: () => server.counts().bytes,
  },
  {
    name: "allium_directory_streams",
    help: "Requests for directory documents that are being answered.",
    type: "gauge",
    read: () => server.active(),
  },
];

/** What becomes of the bandwidth limits. */
export const bandwidthMetrics = (bandwidth: BandwidthLimiter): ReadonlyArray<Metric> => [
  {
    name: "tor_relay_load_global_rate_limit_reached_total",
    help: "Total number of global connection bucket limit reached",
    type: "counter",
    read: () => byLabel("side", Object.entries(bandwidth.waits())),
  },
];

const timestamp = (millis: number | undefined): ReadonlyArray<MetricSample> =>
  millis === undefined ? [] : [{ value: Math.floor(millis / 1000) }];
