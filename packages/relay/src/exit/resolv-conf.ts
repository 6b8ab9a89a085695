import { parseIp } from "@allium/cell";
import { formatEndpoint } from "@allium/channel";

const DNS_PORT = 53;

const parsePort = (text: string | undefined): number | undefined => {
  if (text === undefined) return DNS_PORT;
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
};

/** An address, or one with a port as `tor` reads it too: `192.0.2.1:5353` or `[2001:db8::1]:5353`. */
const parseNameServer = (text: string): string | undefined => {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::([0-9]+))?$/.exec(text);
  const host = parseIp(match?.[1] ?? match?.[2] ?? text);
  const port = parsePort(match?.[3]);
  return host === undefined || port === undefined ? undefined : formatEndpoint({ host: host.address, port });
};

/**
 * The name servers of a text in the format of resolv.conf(5), each as `address:port`, in its order. Lines that name none are
 * passed over.
 */
export const nameServersOf = (resolvConf: string): ReadonlyArray<string> =>
  resolvConf.split("\n").flatMap((line) => {
    const [keyword, address] = line.trim().split(/\s+/);
    return (keyword === "nameserver" && address !== undefined && parseNameServer(address)) || [];
  });
