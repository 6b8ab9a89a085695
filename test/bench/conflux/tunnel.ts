import type { Socket } from "node:net";
import { eventually, formatRequest, pause, SocketReader, socksConnect, writeAll } from "../../network/index.ts";
import type { ConfluxBench } from "./network.ts";
import type { PairCase } from "./pairs.ts";

/** How often another tunnel is asked for: a client may have taken what it had, for want of time to link another. */
const ATTEMPTS = 10;

/**
 * Does work on one tunnel of a client that has so many legs, and checks that it has them: streams of the isolation that is given are on it.
 *
 * @param name of the tunnel, as nobody else calls one
 */
export const onTunnel = async <A>(
  { origin }: Pick<ConfluxBench, "origin">,
  { client, legs }: Pick<PairCase, "client" | "legs">,
  name: string,
  work: (isolation: string) => Promise<A>,
): Promise<A> => {
  let last: ReadonlyArray<number> = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const isolation = `${name}, ${attempt}`;
    // Stays open, so that it is seen, and that the tunnel has a stream all the time.
    const socket = await socksConnect(client.socks(isolation), origin.host, origin.port);
    try {
      await echo(socket);
      // Streams that were before take a moment to end.
      await eventually("a tunnel alone", async () => {
        last = await client.legsInUse();
        return last.length === 1;
      });
      if (last[0] === legs) return await work(isolation);
    } finally {
      socket.destroy();
    }
    // Clients link a set a second at most.
    await pause(1_000);
  }
  throw new Error(`${client.name}: a tunnel of ${last.join()} legs in place of ${legs}`);
};

const echo = async (socket: Socket): Promise<void> => {
  const reader = new SocketReader(socket);
  await writeAll(socket, `${formatRequest({ mode: "echo" })}!`);
  await reader.exactly(1);
  reader.release();
};
