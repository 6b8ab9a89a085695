import { type Connection, MemoryNetwork, Transport } from "@allium/channel";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { makeProxyServer, type ProxyServerConfig } from "../../../src/proxy-server/index.ts";
import { TorClient } from "../../../src/tor-client.ts";
import { StandIn } from "./stand-in.ts";

/** Where the proxy listens, and where applications are. */
export const PROXY = { host: "127.0.0.1", port: 9150 };
export const OTHER_PORT = { host: "127.0.0.1", port: 9151 };

/** Lets happen what needs no time. */
export const settle = TestClock.adjust("1 millis");

/** All that a connection has to read. */
export const drain = (connection: Connection): Buffer => {
  const chunks: Array<Buffer> = [];
  for (let bytes = connection.read(); bytes !== undefined; bytes = connection.read()) chunks.push(bytes);
  return Buffer.concat(chunks);
};

/** A proxy on a network in memory, in front of a stand-in. */
export const startProxy = (config: Partial<ProxyServerConfig> = {}) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.make();
    const client = new StandIn();
    const server = yield* makeProxyServer({ listeners: [{ listen: PROXY }], ...config }).pipe(
      Effect.provide(network.host(PROXY.host)),
      Effect.provideService(TorClient, TorClient.of(client.service)),
    );
    const connect = (to = PROXY, from = PROXY.host, readBufferBytes?: number) =>
      Effect.gen(function* () {
        const transport = yield* Transport;
        const connection = yield* transport.connect(to, {
          tls: false,
          ...(readBufferBytes === undefined ? {} : { readBufferBytes }),
        });
        yield* settle;
        return connection;
      }).pipe(Effect.provide(network.host(from)));
    /** Says something, and gives what is answered at once. */
    const say = (connection: Connection, bytes: Buffer) =>
      Effect.gen(function* () {
        connection.write(bytes);
        yield* settle;
        return drain(connection);
      });
    return { network, client, server, connect, say };
  });

const portBytes = (port: number): Buffer => Buffer.of(port >> 8, port & 0xff);

/** Messages of SOCKS5: no authentication; a user name and password; a request for a name or an IPv4 address. */
export const socks5 = {
  hello: Buffer.of(5, 1, 0),
  helloWithPassword: Buffer.of(5, 1, 2),
  password: (user: string, password: string) =>
    Buffer.concat([Buffer.of(1, user.length), Buffer.from(user), Buffer.of(password.length), Buffer.from(password)]),
  request: (name: string, port: number, command = 1) =>
    Buffer.concat([Buffer.of(5, command, 0, 3, name.length), Buffer.from(name), portBytes(port)]),
  address: (bytes: ReadonlyArray<number>, port: number, command = 1) =>
    Buffer.concat([Buffer.of(5, command, 0, 1, ...bytes), portBytes(port)]),
  succeeded: Buffer.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0),
};

/** A request of SOCKS4a. */
export const socks4a = (name: string, port: number, user = ""): Buffer =>
  Buffer.concat([Buffer.of(4, 1), portBytes(port), Buffer.of(0, 0, 0, 1), Buffer.from(`${user}\0${name}\0`)]);

/** A request of HTTP CONNECT. */
export const httpConnect = (authority: string, fields = ""): Buffer =>
  Buffer.from(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${fields}\r\n`);
