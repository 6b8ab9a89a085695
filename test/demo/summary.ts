import { readFileSync } from "node:fs";
import { type AlliumRelay, formatBytes, formatTable, processUsage, TorNode } from "../network/index.ts";

/** What one process had carried and used at some moment. */
export interface PartReading {
  readonly name: string;
  readonly fingerprint: string | undefined;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** Bytes that a process has read and written by system calls: for Allium's relay nearly all of them are sockets'. */
const systemCallBytes = (pid: number): readonly [number, number] => {
  const io = readFileSync(`/proc/${pid}/io`, "latin1");
  const count = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(io)?.[1] ?? 0);
  return [count("rchar"), count("wchar")];
};

/** Reads every part once. */
export const readParts = async (parts: ReadonlyArray<TorNode | AlliumRelay>): Promise<ReadonlyArray<PartReading>> =>
  await Promise.all(
    parts.map(async (part) => {
      const [bytesRead, bytesWritten] =
        part instanceof TorNode
          ? [Number(await part.control.getInfo("traffic/read")), Number(await part.control.getInfo("traffic/written"))]
          : systemCallBytes(part.pid);
      const usage = processUsage(part.pid);
      return {
        name: part.nickname,
        fingerprint: part instanceof TorNode && part.role !== "client" ? part.fingerprint : undefined,
        bytesRead,
        bytesWritten,
        cpuSeconds: usage?.cpuSeconds ?? 0,
        residentBytes: usage?.residentBytes ?? 0,
      };
    }),
  );

/** The paths of the client's built circuits, by circuit id. */
const builtPaths = async (
  client: TorNode,
): Promise<ReadonlyMap<string, ReadonlyArray<{ fingerprint: string; nickname: string }>>> => {
  const lines = (await client.control.getInfo("circuit-status")).split("\n");
  return new Map(
    lines
      .map((line) => line.split(" "))
      .filter(([, status]) => status === "BUILT")
      .map(([circuitId = "", , path = ""]) => [
        circuitId,
        path.split(",").map((hop) => ({ fingerprint: hop.slice(1, 41), nickname: hop.slice(42) })),
      ]),
  );
};

/** The relays of a circuit in order, for people. */
export const circuitPath = async (client: TorNode, circuitId: string): Promise<string> =>
  ["client", ...((await builtPaths(client)).get(circuitId) ?? []).map(({ nickname }) => nickname), "origin"].join(
    " → ",
  );

/** How many of the client's built circuits lead through each relay, by fingerprint. */
export const circuitCounts = async (client: TorNode): Promise<ReadonlyMap<string, number>> => {
  const counts = new Map<string, number>();
  for (const hops of (await builtPaths(client)).values()) {
    for (const { fingerprint } of hops) counts.set(fingerprint, (counts.get(fingerprint) ?? 0) + 1);
  }
  return counts;
};

/** What flowed where between two readings, as a table. `exitFingerprint` is that of a part that does not know its own. */
export const summarise = (
  before: ReadonlyArray<PartReading>,
  after: ReadonlyArray<PartReading>,
  circuits: ReadonlyMap<string, number>,
  exitFingerprint: string,
): string =>
  formatTable(
    ["process", "read", "written", "client's circuits", "CPU s", "memory"],
    after.map((reading, index) => {
      const start = before[index]!;
      const isClient = reading.name.startsWith("client");
      const through = circuits.get(reading.fingerprint ?? exitFingerprint) ?? 0;
      return [
        reading.name,
        formatBytes(reading.bytesRead - start.bytesRead),
        formatBytes(reading.bytesWritten - start.bytesWritten),
        isClient ? "" : String(through),
        (reading.cpuSeconds - start.cpuSeconds).toFixed(2),
        formatBytes(reading.residentBytes),
      ];
    }),
  );
