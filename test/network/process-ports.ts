import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Of a line of /proc/net/tcp: the local port in hex, and the inode of the socket. */
const ROW = /^ *\d+: [0-9A-F]+:([0-9A-F]{4})(?: +\S+){7} +(\d+)/gm;

const linkOf = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    // It was closed meanwhile.
    return "";
  }
};

/** The local TCP ports of a process's sockets, those of IPv6 among them, as the system has them (proc(5)). */
export const localPorts = (pid: number): ReadonlySet<number> => {
  const fds = `/proc/${pid}/fd`;
  const own = new Set(readdirSync(fds).map((fd) => /^socket:\[(\d+)\]$/.exec(linkOf(`${fds}/${fd}`))?.[1]));
  const rows = ["tcp", "tcp6"].flatMap((name) => [...readFileSync(`/proc/${pid}/net/${name}`, "utf8").matchAll(ROW)]);
  return new Set(rows.filter(([, , inode]) => own.has(inode)).map(([, port = ""]) => Number.parseInt(port, 16)));
};
