import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import type { TunnelInfo } from "@allium/client";
import {
  type AlliumClient,
  type Dial,
  httpConnect,
  type Origin,
  pause,
  type SocksProxy,
  socksConnect,
} from "../../network/index.ts";

/** What a running client tells of itself, as `allium-client circuits --json` prints it. */
export interface ClientReport {
  readonly tunnels: ReadonlyArray<TunnelInfo>;
  readonly proxy: { readonly streams: number };
}

/** Asks a running client where `circuits` does: a process for each question would be too slow to see what comes and goes. */
export const clientReport = async (client: Pick<AlliumClient, "dataDirectory">): Promise<ClientReport> => {
  const asked = get({ socketPath: join(client.dataDirectory, "status.sock"), path: "/status", agent: false });
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  return (await json(answer)) as ClientReport;
};

/** The tunnels that lead out and have streams: also such as were built to be measured, and found useful then. */
export const tunnelsInUse = async (client: AlliumClient): Promise<ReadonlyArray<TunnelInfo>> =>
  (await clientReport(client)).tunnels.filter(({ purpose, streams }) => purpose !== "directory" && streams > 0);

/** The nicknames of a tunnel's relays, the guard first. */
export const pathOf = ({ legs: [leg] }: TunnelInfo): ReadonlyArray<string> =>
  (leg?.hops ?? []).map(({ nickname }) => nickname);

/** Does `work`, and looks meanwhile which paths have streams. */
export const watchingPaths = async <A>(
  client: AlliumClient,
  work: Promise<A>,
): Promise<{ readonly result: A; readonly paths: ReadonlyArray<ReadonlyArray<string>> }> => {
  const paths = new Map<string, ReadonlyArray<string>>();
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  const watched = client.whileRunning(work).finally(over);
  const watch = async () => {
    while (!isOver) {
      for (const tunnel of await tunnelsInUse(client)) {
        const path = pathOf(tunnel);
        paths.set(path.join(), path);
      }
      await pause(50);
    }
  };
  const [result] = await Promise.all([watched, watch()]);
  return { result, paths: [...paths.values()] };
};

/** As what a proxy is asked: five ways that applications have to reach the origin. */
export const dialEveryWay = (client: AlliumClient, origin: Origin): Dial => {
  const basic = (name: string) => `Basic ${Buffer.from(`tor-iso:${name}`).toString("base64")}`;
  const socks = (isolation?: string): SocksProxy => client.socks(isolation);
  const { host, port } = origin;
  const ways: ReadonlyArray<Dial> = [
    () => socksConnect(socks(), host, port),
    () => socksConnect(socks(), "origin.test", port),
    (index) => socksConnect(socks(`circuit${index % 4}`), "origin.test", port),
    () => httpConnect({ port: client.socksPort }, "origin.test", port),
    (index) =>
      httpConnect(
        { port: client.socksPort, headers: { "Proxy-Authorization": basic(`circuit${index % 3}`) } },
        host,
        port,
      ),
  ];
  return (index) => ways[index % ways.length]!(index);
};
