import type { RelayCircuits } from "@allium/circuit";
import type { Metric } from "@allium/kernel";
import { byLabel } from "../metrics/by-label.ts";
import type { Defences } from "./defences.ts";

/** What `tor` calls that which gives memory back. */
const subsystems: Readonly<Record<string, string>> = {
  circuits: "cell",
  lingering: "cell",
  channels: "cell",
  names: "dns",
  clients: "geoip",
};

/** What the defences tell of themselves: by `tor`'s names where the two count the same, else as `allium_…`. */
export const defenceMetrics = (defences: Defences, circuits: RelayCircuits["Service"]): ReadonlyArray<Metric> => {
  const { quota, counts } = defences;
  return [
    {
      name: "tor_relay_dos_total",
      help: "Denial of Service defenses related counters",
      type: "counter",
      read: () => {
        const { dos, overruns } = counts();
        return byLabel("type", [
          ["circuit_rejected", dos.circuitsRejected],
          ["circuit_killed_max_cell", overruns.near + overruns.far],
          ["circuit_killed_max_cell_outq", overruns.near],
          ["marked_address", dos.markedAddresses],
          ["marked_address_maxq", dos.markedAddressesMaxQueue],
          ["conn_rejected", dos.connectionsRejected],
          ["concurrent_conn_rejected", dos.concurrentConnectionsRejected],
          ["stream_rejected", dos.streamsRejected],
        ]);
      },
    },
    {
      name: "tor_relay_load_oom_bytes_total",
      help: "Total number of bytes the OOM has freed by subsystem",
      type: "counter",
      read: () => {
        const sums = new Map(Object.values(subsystems).map((name) => [name, 0]));
        for (const { kind, reclaimedBytes } of quota.sums()) {
          const name = subsystems[kind.name];
          if (name !== undefined) sums.set(name, (sums.get(name) ?? 0) + reclaimedBytes);
        }
        return byLabel("subsys", sums);
      },
    },
    {
      name: "tor_relay_load_onionskins_total",
      help: "Total number of onionskins handled",
      type: "counter",
      read: () =>
        Object.entries(circuits.counters.dropped)
          .filter(([type]) => type !== "fast")
          .map(([type, value]) => ({ labels: { type, action: "dropped" }, value })),
    },
    {
      name: "allium_connections_refused_total",
      help: "Connections that met a bound, by which.",
      type: "counter",
      read: () => byLabel("bound", counts().connections),
    },
    {
      name: "allium_connections_incoming",
      help: "Incoming connections that are open, or in their handshakes.",
      type: "gauge",
      read: () => counts().incoming,
    },
    {
      name: "allium_connections_opening",
      help: "Connections to other relays that are being opened.",
      type: "gauge",
      read: () => counts().opening,
    },
    {
      name: "allium_handshakes_queued",
      help: "CREATE cells that wait for their handshake.",
      type: "gauge",
      read: () => circuits.counters.queued,
    },
    {
      name: "allium_memory_bytes",
      help: "Bytes that wait, by what they wait in.",
      type: "gauge",
      read: () =>
        byLabel(
          "kind",
          quota.sums().map(({ kind, bytes }) => [kind.name, bytes]),
        ),
    },
    {
      name: "allium_memory_limit_bytes",
      help: "Bytes that may wait.",
      type: "gauge",
      read: () => quota.limit,
    },
    {
      name: "allium_memory_peak_bytes",
      help: "The most bytes that have waited at once.",
      type: "gauge",
      read: () => quota.peak,
    },
    {
      name: "allium_memory_shortages_total",
      help: "How often more bytes waited than may.",
      type: "counter",
      read: () => counts().shortages,
    },
    {
      name: "allium_circuits_ended_for_memory_total",
      help: "Circuits that were ended since too many bytes waited in the relay, and theirs had waited longest.",
      type: "counter",
      read: () => counts().endedForMemory,
    },
    {
      name: "allium_clients_remembered",
      help: "Addresses of clients that the defences remember.",
      type: "gauge",
      read: () => counts().clients,
    },
  ];
};
