import type { ReportedTunnels } from "./status-report.ts";

type Tunnel = ReportedTunnels["tunnels"][number];
type Leg = Tunnel["legs"][number];

const age = (millis: number): string => {
  const seconds = Math.max(0, Math.floor(millis / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
};

const pathOf = ({ hops }: Leg): string =>
  hops.length === 0
    ? "-"
    : hops.map(({ nickname, address }) => (nickname === "" ? address : `${nickname} (${address})`)).join(" → ");

const orDash = (value: number | undefined, unit = ""): string =>
  value === undefined ? "-" : `${Math.round(value)}${unit}`;

const HEAD = ["TUNNEL", "FOR", "STATE", "AGE", "STREAMS", "LEG", "RTT", "WINDOW", "PATH"];

/** The lines of a tunnel: one for each of its legs. */
const rowsOf = (tunnel: Tunnel, now: number): ReadonlyArray<ReadonlyArray<string>> => {
  const own = [
    `${tunnel.id}`,
    tunnel.isolated ? `${tunnel.purpose}, isolated` : tunnel.purpose,
    tunnel.state,
    age(now - tunnel.createdAt),
    `${tunnel.streams}`,
  ];
  const legs =
    tunnel.legs.length === 0 ? [["-", "-", "-", "-"]] : tunnel.legs.map((leg, index) => legCells(leg, index));
  return legs.map((leg, index) => [...(index === 0 ? own : own.map(() => "")), ...leg]);
};

const legCells = (leg: Leg, index: number): ReadonlyArray<string> => [
  `${index + 1}`,
  orDash(leg.rttMillis, " ms"),
  orDash(leg.window),
  pathOf(leg),
];

/** The tunnels of a client as a table for people: a line for each leg, the guard first in each path. */
export const circuitsTable = ({ tunnels, now, bootstrap }: ReportedTunnels): string => {
  const state = bootstrap.phase === "ready" ? [] : [`${Math.floor(bootstrap.progress * 100)} %: ${bootstrap.waitsFor}`];
  if (tunnels.length === 0) return [...state, "no circuits"].join("\n");
  const rows = [HEAD, ...tunnels.flatMap((tunnel) => rowsOf(tunnel, now))];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return [...state, ...lines].join("\n");
};
