import type { Socket } from "node:net";

/** The other end closed, or the connection broke, before everything was read. */
export class SocketEndedError extends Error {
  readonly _tag = "SocketEndedError";
  /** How many bytes of what was asked for had come. */
  readonly received: number;
  /** The socket's own error code, such as ECONNRESET; undefined for an orderly end. */
  readonly code: string | undefined;

  constructor(received: number, code: string | undefined) {
    super(`connection ended after ${received} B (${code ?? "orderly"})`);
    this.received = received;
    this.code = code;
  }
}

/**
 * Reads exact amounts from a socket and leaves the rest in it, so that the socket can be handed on afterwards. It reads
 * no more than it is asked for: a reader that stops here stops the peer.
 */
export class SocketReader {
  private readonly socket: Socket;
  private failure: NodeJS.ErrnoException | undefined;
  private ended = false;
  private wake: (() => void) | undefined;
  private readonly listeners: ReadonlyArray<readonly [string, (error: NodeJS.ErrnoException) => void]>;

  constructor(socket: Socket) {
    this.socket = socket;
    this.listeners = [
      ["readable", () => this.wake?.()],
      [
        "error",
        (error) => {
          this.failure ??= error;
          this.finish();
        },
      ],
      ["end", () => this.finish()],
      ["close", () => this.finish()],
    ];
    for (const [name, listener] of this.listeners) socket.on(name, listener);
    if (socket.destroyed || socket.readableEnded) this.ended = true;
  }

  /** Lets go of the socket. */
  release(): void {
    for (const [name, listener] of this.listeners) this.socket.off(name, listener);
  }

  /** Whatever has come, at most `limit` bytes; null at the end. @throws SocketEndedError when the connection broke */
  async some(limit: number): Promise<Buffer | null> {
    for (;;) {
      const available = Math.min(this.socket.readableLength, limit);
      // Without a size when nothing is there: that is what makes the stream read on.
      const chunk = (available === 0 ? this.socket.read(0) : this.socket.read(available)) as Buffer | null;
      if (chunk !== null) return chunk;
      if (this.socket.readableLength > 0) continue;
      if (this.failure !== undefined) throw new SocketEndedError(0, this.failure.code);
      if (this.ended) return null;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.wake = undefined;
    }
  }

  /** Exactly `length` bytes. @throws SocketEndedError */
  async exactly(length: number): Promise<Buffer> {
    const parts: Array<Buffer> = [];
    let received = 0;
    while (received < length) {
      const chunk = await this.some(length - received);
      if (chunk === null) throw new SocketEndedError(received, undefined);
      parts.push(chunk);
      received += chunk.length;
    }
    return Buffer.concat(parts);
  }

  /** One line without its line feed, at most `limit` bytes of it. @throws SocketEndedError */
  async line(limit = 1024): Promise<string> {
    let line = "";
    while (line.length < limit) {
      const byte = await this.exactly(1);
      if (byte[0] === 0x0a) return line;
      line += String.fromCharCode(byte[0]!);
    }
    throw new SocketEndedError(limit, "line too long");
  }

  private finish(): void {
    this.ended = true;
    this.wake?.();
  }
}

/** Writes and waits until the socket takes more. @throws SocketEndedError when the connection breaks first */
export const writeAll = async (socket: Socket, bytes: Uint8Array | string): Promise<void> => {
  if (socket.destroyed || socket.writableEnded) throw new SocketEndedError(0, "EPIPE");
  if (socket.write(bytes)) return;
  await new Promise<void>((resolve, reject) => {
    const done = (error?: NodeJS.ErrnoException): void => {
      socket.off("drain", onDrain);
      socket.off("close", onClose);
      socket.off("error", done);
      if (error === undefined) resolve();
      else reject(new SocketEndedError(0, error.code));
    };
    const onDrain = (): void => done();
    const onClose = (): void => done(Object.assign(new Error("closed"), { code: "EPIPE" }));
    socket.on("drain", onDrain);
    socket.on("close", onClose);
    socket.on("error", done);
  });
};
