import { createServer, type Server } from "node:net";
import { PortsExhaustedError } from "./errors.ts";

/** The lowest port handed out, and the end of the range: below the kernel's range of ports for outgoing connections. */
export const LOWEST_PORT = 21_000;
const END_PORT = 32_000;
const BLOCK = 50;
const BLOCKS = (END_PORT - LOWEST_PORT) / BLOCK;

const listen = (port: number): Promise<Server | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    // Exclusively even under `cluster`, and on every address, so that a listener on any address is seen.
    server.listen({ port, host: "0.0.0.0", exclusive: true }, () => resolve(server));
  });

const close = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

/**
 * Free TCP ports that no other run on this machine is given at the same time. The range is cut into blocks; a pool owns
 * a block as long as it listens on the block's first port, a lock that the kernel lifts when the process dies.
 */
export class PortPool implements AsyncDisposable {
  private readonly locks: Array<Server> = [];
  private next = 0;
  private end = 0;

  /** @throws PortsExhaustedError when every block is taken */
  async take(): Promise<number> {
    for (;;) {
      while (this.next < this.end) {
        const port = this.next++;
        const probe = await listen(port);
        if (probe !== undefined) {
          await close(probe);
          return port;
        }
      }
      await this.claimBlock();
    }
  }

  private async claimBlock(): Promise<void> {
    // Where to begin is drawn from the process id, so that runs started together seldom meet at the same block.
    const first = (process.pid * 7) % BLOCKS;
    for (let tries = 0; tries < BLOCKS; tries++) {
      const base = LOWEST_PORT + ((first + tries) % BLOCKS) * BLOCK;
      const lock = await listen(base);
      if (lock !== undefined) {
        lock.unref();
        this.locks.push(lock);
        this.next = base + 1;
        this.end = base + BLOCK;
        return;
      }
    }
    throw new PortsExhaustedError(`no free block of ports from ${LOWEST_PORT} to ${END_PORT}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.locks.splice(0).map(close));
  }
}
