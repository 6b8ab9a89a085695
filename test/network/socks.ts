import { connect, isIP, type Socket } from "node:net";
import { SocketReader, writeAll } from "./socket-reader.ts";
import { withTimeout } from "./wait.ts";

/** The reply codes of RFC 1928 section 6, and those that `tor` uses with them. */
export const SOCKS_REPLIES: Readonly<Record<number, string>> = {
  0: "succeeded",
  1: "general failure",
  2: "not allowed by ruleset",
  3: "network unreachable",
  4: "host unreachable",
  5: "connection refused",
  6: "TTL expired",
  7: "command not supported",
  8: "address type not supported",
};

/** The proxy answered with an error. */
export class SocksError extends Error {
  readonly _tag = "SocksError";
  readonly code: number;

  constructor(code: number, target: string) {
    super(`SOCKS: ${target}: ${SOCKS_REPLIES[code] ?? "unknown reply"} (${code})`);
    this.code = code;
  }
}

/** Which SOCKS port, and with which credentials: `tor` keeps streams of different credentials on different circuits. */
export interface SocksProxy {
  readonly port: number;
  readonly isolation?: { readonly user: string; readonly password: string };
  /** How long the whole exchange may take. @default 60_000 */
  readonly timeoutMs?: number;
  /** Told the local port of the connection before the request is sent: `tor` names it in SOURCE_ADDR of STREAM events. */
  readonly onConnection?: (localPort: number) => void;
}

const CONNECT = 0x01;
const RESOLVE = 0xf0;
const RESOLVE_PTR = 0xf1;

const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;

const ipv6Bytes = (address: string): Buffer => {
  const [head = "", tail = ""] = address.split("::");
  const groups = (part: string): Array<number> =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const left = groups(head);
  const right = address.includes("::") ? groups(tail) : [];
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
};

const addressBytes = (host: string): Buffer => {
  switch (isIP(host)) {
    case 4:
      return Buffer.from([IPV4, ...host.split(".").map(Number)]);
    case 6:
      return Buffer.concat([Buffer.from([IPV6]), ipv6Bytes(host)]);
    default:
      return Buffer.concat([Buffer.from([NAME, Buffer.byteLength(host)]), Buffer.from(host)]);
  }
};

const readAddress = async (reader: SocketReader): Promise<string> => {
  const type = (await reader.exactly(1))[0];
  if (type === IPV4) return (await reader.exactly(4)).join(".");
  if (type === IPV6) {
    const bytes = await reader.exactly(16);
    const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
    return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
  }
  const length = (await reader.exactly(1))[0]!;
  return (await reader.exactly(length)).toString("latin1");
};

const exchange = async (
  socket: Socket,
  proxy: SocksProxy,
  command: number,
  host: string,
  port: number,
): Promise<string> => {
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  proxy.onConnection?.(socket.localPort!);
  const reader = new SocketReader(socket);
  try {
    const method = proxy.isolation === undefined ? 0 : 2;
    await writeAll(socket, Buffer.from([5, 1, method]));
    const chosen = (await reader.exactly(2))[1];
    if (chosen !== method) throw new SocksError(1, `method ${chosen}`);
    if (proxy.isolation !== undefined) {
      const user = Buffer.from(proxy.isolation.user);
      const password = Buffer.from(proxy.isolation.password);
      await writeAll(
        socket,
        Buffer.concat([Buffer.from([1, user.length]), user, Buffer.from([password.length]), password]),
      );
      const status = (await reader.exactly(2))[1]!;
      if (status !== 0) throw new SocksError(1, "authentication");
    }
    await writeAll(
      socket,
      Buffer.concat([Buffer.from([5, command, 0]), addressBytes(host), Buffer.from([port >> 8, port & 0xff])]),
    );
    const code = (await reader.exactly(3))[1]!;
    if (code !== 0) throw new SocksError(code, `${host}:${port}`);
    const address = await readAddress(reader);
    await reader.exactly(2);
    return address;
  } finally {
    reader.release();
  }
};

const request = async (
  proxy: SocksProxy,
  command: number,
  host: string,
  port: number,
): Promise<readonly [Socket, string]> => {
  const socket = connect({ port: proxy.port, host: "127.0.0.1", noDelay: true });
  // An error between two listeners must not end the process; the next read reports it.
  socket.on("error", () => {});
  try {
    const answer = exchange(socket, proxy, command, host, port);
    return [socket, await withTimeout(answer, proxy.timeoutMs ?? 60_000, `SOCKS reply for ${host}:${port}`)];
  } catch (error) {
    socket.destroy();
    throw error;
  }
};

/**
 * Opens a connection to `host` (an IPv4 or IPv6 address, or a name that the exit resolves) through the proxy. The socket
 * is paused; what came after the reply is still in it.
 *
 * @throws SocksError, SocketEndedError when the proxy hangs up, WaitTimeoutError
 */
export const socksConnect = async (proxy: SocksProxy, host: string, port: number): Promise<Socket> =>
  (await request(proxy, CONNECT, host, port))[0];

/** Asks an exit for the address of a name (`tor`'s extension, socks-extensions.txt). */
export const socksResolve = async (proxy: SocksProxy, name: string): Promise<string> => {
  const [socket, address] = await request(proxy, RESOLVE, name, 0);
  socket.destroy();
  return address;
};

/** Asks an exit for the name of an address (`tor`'s extension). */
export const socksResolvePtr = async (proxy: SocksProxy, address: string): Promise<string> => {
  const [socket, name] = await request(proxy, RESOLVE_PTR, address, 0);
  socket.destroy();
  return name;
};
