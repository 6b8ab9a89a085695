import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import * as net from "node:net";

const fixture = (name: string) => readFileSync(new URL(`../fixtures/${name}`, import.meta.url), "utf8");

/** A certificate for `secure.tld.invalid`, and its key. It is its own authority. */
export const CERTIFICATE = fixture("test-only.cert.pem");

const KEY = fixture("test-only.key.pem");

/** A server on this computer, at a port that was free. */
export interface TestServer extends AsyncDisposable {
  readonly port: number;
  /** Connections that it has. */
  readonly connections: () => number;
}

/** A server that listens. */
export const started = async (server: net.Server): Promise<TestServer> => {
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket: net.Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    connections: () => sockets.size,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

export const tcpServer = (onSocket: (socket: net.Socket) => void, options: net.ServerOpts = {}): Promise<TestServer> =>
  started(net.createServer(options, onSocket));

export const httpServer = (onRequest: http.RequestListener): Promise<TestServer> =>
  started(http.createServer(onRequest));

export const httpsServer = (onRequest: http.RequestListener): Promise<TestServer> =>
  started(https.createServer({ key: KEY, cert: CERTIFICATE }, onRequest));
