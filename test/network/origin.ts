import { createHash } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { ManagedProcess } from "./managed-process.ts";
import { type OriginConnection, type OriginMode, parseRequest } from "./origin-protocol.ts";
import { CHUNK, transferData } from "./seeded-data.ts";
import { SocketEndedError, SocketReader, writeAll } from "./socket-reader.ts";
import { eventually, pause } from "./wait.ts";

/** Where the transfers of a test end: the server of `origin-protocol.ts`, in this process or in a child. */
export interface Origin extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Its IPv6 address, on the same port; undefined where the machine has no IPv6. */
  readonly host6: string | undefined;
  /** The process whose CPU time it uses. */
  readonly pid: number;
  /** Every connection so far, oldest first. */
  connections(): Promise<ReadonlyArray<OriginConnection>>;
}

interface MutableConnection {
  id: number;
  mode: OriginMode | undefined;
  remote: string;
  bytesIn: number;
  bytesOut: number;
  open: boolean;
  end: string | undefined;
}

/** An origin in this process. */
export class LocalOrigin implements Origin {
  readonly host = "127.0.0.1";
  readonly port: number;
  readonly host6: string | undefined;
  readonly pid = process.pid;
  private readonly servers: ReadonlyArray<Server>;
  private readonly sockets: Set<Socket>;
  private readonly seen: ReadonlyArray<MutableConnection>;

  private constructor(
    port: number,
    host6: string | undefined,
    servers: ReadonlyArray<Server>,
    sockets: Set<Socket>,
    seen: ReadonlyArray<MutableConnection>,
  ) {
    this.port = port;
    this.host6 = host6;
    this.servers = servers;
    this.sockets = sockets;
    this.seen = seen;
  }

  /** Listens on `port` of 127.0.0.1, and of ::1 if there is IPv6. */
  static async start(port: number): Promise<LocalOrigin> {
    const sockets = new Set<Socket>();
    const seen: Array<MutableConnection> = [];
    const accept = (socket: Socket): void => {
      const connection: MutableConnection = {
        id: seen.length,
        mode: undefined,
        remote: `${socket.remoteAddress}:${socket.remotePort}`,
        bytesIn: 0,
        bytesOut: 0,
        open: true,
        end: undefined,
      };
      seen.push(connection);
      sockets.add(socket);
      socket.on("error", (error: NodeJS.ErrnoException) => {
        connection.end ??= error.code ?? error.message;
      });
      socket.on("close", () => {
        connection.open = false;
        connection.end ??= "closed";
        sockets.delete(socket);
      });
      serve(socket, connection).catch((error: unknown) => {
        const code = error instanceof SocketEndedError ? error.code : (error as Error).message;
        connection.end ??= code ?? "closed";
        socket.destroy();
      });
    };
    const server4 = await listenOn(port, "127.0.0.1", accept);
    const server6 = await listenOn(port, "::1", accept).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRNOTAVAIL" || error.code === "EAFNOSUPPORT") return undefined;
      throw error;
    });
    const servers = server6 === undefined ? [server4] : [server4, server6];
    return new LocalOrigin(port, server6 === undefined ? undefined : "::1", servers, sockets, seen);
  }

  async connections(): Promise<ReadonlyArray<OriginConnection>> {
    return this.seen.map((connection) => ({ ...connection }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await Promise.all(this.servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

/** An origin in a child process, so that its CPU time is told from the test's. */
export class ChildOrigin implements Origin {
  readonly host = "127.0.0.1";
  readonly port: number;
  readonly host6: string | undefined;
  readonly pid: number;
  private readonly child: ManagedProcess;

  private constructor(child: ManagedProcess, port: number, host6: string | undefined) {
    this.child = child;
    this.pid = child.pid;
    this.port = port;
    this.host6 = host6;
  }

  static async start(port: number, logFile: string): Promise<ChildOrigin> {
    const child = await ManagedProcess.start({
      name: "origin",
      command: process.execPath,
      args: [fileURLToPath(new URL("origin-main.ts", import.meta.url)), String(port)],
      logFile,
      messages: true,
    });
    const { host6 } = await child.whileRunning(child.ask<{ host6: string | null }>("ready"));
    return new ChildOrigin(child, port, host6 ?? undefined);
  }

  async connections(): Promise<ReadonlyArray<OriginConnection>> {
    return await this.child.ask<ReadonlyArray<OriginConnection>>("connections");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child.stop();
  }
}

/** Waits until the origin has a connection that `wanted` accepts, and gives it. @throws WaitTimeoutError */
export const waitForConnection = async (
  origin: Origin,
  wanted: (connection: OriginConnection) => boolean,
  timeoutMs = 30_000,
): Promise<OriginConnection> =>
  await eventually("a connection at the origin", async () => (await origin.connections()).find(wanted), {
    timeoutMs,
    everyMs: 20,
  });

const listenOn = (port: number, host: string, accept: (socket: Socket) => void): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true, pauseOnConnect: false }, accept);
    server.once("error", reject);
    server.listen({ port, host, backlog: 1024 }, () => resolve(server));
  });

const serve = async (socket: Socket, connection: MutableConnection): Promise<void> => {
  const reader = new SocketReader(socket);
  const request = parseRequest(await reader.line());
  connection.mode = request.mode;

  const send = async (rate?: number): Promise<string> => {
    const data = transferData(request.down, request.seed, request.verify);
    for (let chunk = data.next(pieceFor(rate)); chunk !== null; chunk = data.next(pieceFor(rate))) {
      await writeAll(socket, chunk);
      connection.bytesOut += chunk.length;
      if (rate !== undefined) await pause((chunk.length / rate) * 1000);
    }
    return data.sha256();
  };
  const receive = async (rate?: number): Promise<string> => {
    const hash = createHash("sha256");
    for (let left = request.up; left > 0; ) {
      const chunk = await reader.some(Math.min(left, pieceFor(rate)));
      if (chunk === null) throw new SocketEndedError(request.up - left, undefined);
      left -= chunk.length;
      connection.bytesIn += chunk.length;
      if (request.verify) hash.update(chunk);
      if (rate !== undefined) await pause((chunk.length / rate) * 1000);
    }
    return request.verify ? hash.digest("hex") : "-";
  };
  const done = (lastWords = ""): void => {
    connection.end = "done";
    socket.end(lastWords);
    // What the client still sends is of no interest, but it must be read for the close to be an orderly one.
    reader.release();
    socket.resume();
  };

  switch (request.mode) {
    case "transfer": {
      const [sent, received] = await Promise.all([send(), receive()]);
      return done(`${sent} ${received}\n`);
    }
    case "slow": {
      const [sent, received] = await Promise.all([send(request.rate), receive(request.rate)]);
      return done(`${sent} ${received}\n`);
    }
    case "early-close":
      await receive();
      await send();
      return done();
    case "reset":
      await send();
      connection.end = "done";
      socket.resetAndDestroy();
      return;
    case "whoami":
      return done(`${connection.remote}\n`);
    case "stall":
      reader.release();
      socket.pause();
      return;
    case "echo":
      for (let chunk = await reader.some(CHUNK); chunk !== null; chunk = await reader.some(CHUNK)) {
        connection.bytesIn += chunk.length;
        await writeAll(socket, chunk);
        connection.bytesOut += chunk.length;
      }
      return done();
  }
};

/** A slow direction moves a twentieth of a second's worth at a time. */
const pieceFor = (rate: number | undefined): number =>
  rate === undefined ? CHUNK : Math.max(1, Math.min(CHUNK, Math.floor(rate / 20)));
