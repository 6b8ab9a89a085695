import { request } from "node:http";
import { isIPv6, type Socket } from "node:net";
import { withTimeout } from "./wait.ts";

/** Which port takes HTTP CONNECT, and what is said to it besides. */
export interface HttpProxy {
  readonly port: number;
  /** Header fields, such as `Proxy-Authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** How long the answer may take. @default 60_000 */
  readonly timeoutMs?: number;
}

/** The proxy opened no tunnel. */
export class HttpConnectError extends Error {
  readonly _tag = "HttpConnectError";
  readonly status: number;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>;

  constructor(status: number, headers: HttpConnectError["headers"], target: string) {
    super(`CONNECT ${target}: ${status}`);
    this.status = status;
    this.headers = headers;
  }
}

/**
 * Opens a connection to `host` through a proxy of HTTP (RFC 9110, section 9.3.6). What came behind the answer is still in the socket.
 *
 * @throws HttpConnectError, the socket's error when the proxy hangs up, WaitTimeoutError
 */
export const httpConnect = async (proxy: HttpProxy, host: string, port: number): Promise<Socket> => {
  const target = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
  const asking = request({
    host: "127.0.0.1",
    port: proxy.port,
    method: "CONNECT",
    path: target,
    headers: proxy.headers ?? {},
    agent: false,
  });
  const answer = new Promise<Socket>((resolve, reject) => {
    asking.once("error", reject);
    asking.once("connect", (response, socket, head) => {
      // An error between two listeners must not end the process; the next read reports it.
      socket.on("error", () => {});
      if (response.statusCode === 200) {
        socket.setNoDelay(true);
        if (head.length > 0) socket.unshift(head);
        resolve(socket as Socket);
        return;
      }
      socket.destroy();
      reject(new HttpConnectError(response.statusCode ?? 0, response.headers, target));
    });
  });
  asking.end();
  try {
    return await withTimeout(answer, proxy.timeoutMs ?? 60_000, `answer to CONNECT ${target}`);
  } catch (error) {
    asking.destroy();
    throw error;
  }
};
