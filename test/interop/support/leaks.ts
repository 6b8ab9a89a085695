import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * What leaves a process other than by connections to relays, found in ways that know nothing of each other:
 *
 * | way | sees | cannot tell |
 * | --- | --- | --- |
 * | packets of the network namespace (`tcpdump`) | all that leaves anybody in it | who of them has sent it |
 * | system calls of the process (`strace`) | whom it connects to, which datagrams it sends, which files it reads | |
 * | the owners of connections at a destination (`/proc`) | who connects to it | |
 */

/** What may be. Ports of 127.0.0.1. */
export interface Allowed {
  /** Where relays listen: all that the client may connect to. */
  readonly orPorts: ReadonlyArray<number>;
  /** Where the client listens. */
  readonly clientPorts: ReadonlyArray<number>;
  /** Where others listen, for daemons and for the test itself: directories, control ports, destinations. */
  readonly otherPorts: ReadonlyArray<number>;
  /** Where exits ask for names, over UDP. */
  readonly namePort: number;
}

/** What `tcpdump` is to show: all but the rest of connections over IPv4 whose beginning is shown. */
export const PACKET_FILTER = "ip6 or not tcp or (tcp[tcpflags] & (tcp-syn|tcp-ack)) == tcp-syn";

/** `lo    In  IP 127.0.0.1.40000 > 127.0.0.1.9001: Flags [S], seq ...` */
const PACKET = /^\S+\s+(?:In|Out)\s+IP (\d+\.\d+\.\d+\.\d+)\.(\d+) > (\d+\.\d+\.\d+\.\d+)\.(\d+): (.*)$/;

/** The packets among what `tcpdump` has written. */
export const packetsOf = (lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines
    .slice(lines.findIndex((line) => line.includes("listening on")) + 1)
    .filter((line) => !/^\d+ packets? /.test(line));

/** The lines of `tcpdump -i any -nn -t` that should not be there. */
export const strayPackets = (lines: ReadonlyArray<string>, allowed: Allowed): ReadonlyArray<string> => {
  const { orPorts, clientPorts, otherPorts, namePort } = allowed;
  const listeners = new Set([...orPorts, ...clientPorts, ...otherPorts]);
  return lines.filter((line) => {
    const [, from, fromPort, to, toPort, rest = ""] = PACKET.exec(line) ?? [];
    if (from !== "127.0.0.1" || to !== "127.0.0.1") return true;
    if (rest.startsWith("Flags [S]")) return !listeners.has(Number(toPort));
    return Number(toPort) !== namePort && Number(fromPort) !== namePort;
  });
};

/**
 * What `strace` is to follow: all that has to do with sockets, and files that are opened. The platform has no rings (io_uring) for
 * sockets.
 */
export const TRACED_CALLS = "%network,openat,open";

/**
 * Files that are read when a name is looked up by the system. Others, resolv.conf among them, are read by the platform as soon as it
 * listens, whether it looks up anything or not.
 */
const NAME_FILES = /"\/etc\/(?:hosts|host\.conf|gai\.conf)"|libnss_/;

/**
 * The lines of `strace -f` that should not be there.
 *
 * @param unix how paths of sockets begin that are the client's own
 */
export const strayCalls = (
  lines: ReadonlyArray<string>,
  { orPorts, clientPorts }: Pick<Allowed, "orPorts" | "clientPorts">,
  unix: string,
): ReadonlyArray<string> => {
  const relays = new Set(orPorts);
  const own = new Set(clientPorts);
  return lines.filter((line) => {
    const [, call = "", rest = ""] = /^\d+\s+(\w+)\((.*)$/.exec(line) ?? [];
    const [, port] =
      /sa_family=AF_INET, sin_port=htons\((\d+)\), sin_addr=inet_addr\("127\.0\.0\.1"\)/.exec(rest) ?? [];
    const path = /sa_family=AF_UNIX, sun_path="([^"]*)"/.exec(rest)?.[1];
    switch (call) {
      case "socket":
        return !/^AF_INET, SOCK_STREAM|^AF_INET6, SOCK_STREAM|^AF_UNIX, SOCK_STREAM/.test(rest);
      case "connect":
        return path === undefined ? !relays.has(Number(port)) : !path.startsWith(unix);
      case "bind":
        return path === undefined ? !own.has(Number(port)) : !path.startsWith(unix);
      case "sendto":
      case "sendmsg":
      case "sendmmsg":
        // To somebody who is named here, not by a connection.
        return /sa_family=/.test(rest);
      case "open":
      case "openat":
        return NAME_FILES.test(rest);
      default:
        return false;
    }
  });
};

/**
 * The name of the daemon whose connection leads from one port of this computer to another.
 *
 * @returns "somebody else" if it is none of these, also if it is closed already
 */
export const ownerOf = (
  fromPort: number,
  toPort: number,
  daemons: ReadonlyArray<{ readonly nickname: string; readonly pid: number; readonly running: boolean }>,
): string => {
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, "0");
  const connection = new RegExp(`^\\s*\\d+: \\w+:${hex(fromPort)} \\w+:${hex(toPort)} `);
  const line = readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .find((text) => connection.test(text));
  const inode = line?.trim().split(/\s+/)[9];
  const owner = daemons.find(
    ({ pid, running }) =>
      running && readdirSync(`/proc/${pid}/fd`).some((fd) => linkOf(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`),
  );
  return owner?.nickname ?? "somebody else";
};

/** Nothing if it is closed by now. */
const linkOf = (path: string): string | undefined => {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
};
