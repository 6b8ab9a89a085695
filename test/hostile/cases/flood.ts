import { connect, type Socket } from "node:net";
import { ChannelCommand, HandshakeType, RelayCommand } from "@allium/cell";
import type { Arena, HostileCase, HostileSubject } from "../case.ts";
import { create2Body, createFirst, freshCircId, HostileCircuit, ntorRequest } from "../circuit.ts";
import { circuitCase } from "../circuit-case.ts";
import { randomBytes } from "../identity.ts";
import { isServed, onChannel, openAsClient } from "../stage.ts";

/** Asks for many circuits at once; returns how many were answered, and with which reasons others were refused. */
const flood = (count: number, command: number, body: (arena: Arena) => Buffer) =>
  onChannel(async ({ arena, peer, neighbour }) => {
    const asked = Array.from({ length: count }, () => new HostileCircuit(peer, freshCircId()));
    for (const { circId } of asked) peer.sendCell(circId, command, body(arena));
    const allSettled = (): true | undefined =>
      asked.every(({ created, destroyed }) => created ?? destroyed) || peer.closed ? true : undefined;
    let settled = await peer.until(allSettled, 3_000);
    // `tor` may keep DESTROYs until the channel has something else to send.
    for (let round = 0; round < 30 && settled === undefined; round++) {
      await isServed(neighbour);
      settled = await peer.until(allSettled, 1_000);
    }
    const reasons = new Set(asked.flatMap(({ destroyed }) => destroyed ?? []));
    reasons.delete(RESOURCELIMIT);
    if (settled === undefined) return "some are never answered";
    return reasons.size === 0 ? "all are answered or refused" : `refused for ${[...reasons].join(", ")}`;
  });

const RESOURCELIMIT = 5;

/** Whether somebody else can still connect, and get a circuit. */
const newcomerIsServed = async (arena: Arena): Promise<boolean> => {
  const peer = await openAsClient(arena);
  try {
    return await isServed(await createFirst(peer));
  } finally {
    peer.destroy();
  }
};

/** Opens many connections, does something with each of them, and sees whether a newcomer is served beside them. */
const crowd =
  (count: number, each: (socket: Socket) => void) =>
  async (arena: Arena): Promise<string> => {
    const sockets = await Promise.all(
      Array.from(
        { length: count },
        () =>
          new Promise<Socket>((resolve, reject) => {
            const socket = connect(arena.target.port, "127.0.0.1", () => resolve(socket));
            socket.on("error", reject);
          }),
      ),
    );
    for (const socket of sockets) {
      socket.removeAllListeners("error");
      socket.on("error", () => {});
      each(socket);
    }
    try {
      return (await newcomerIsServed(arena)) ? "a newcomer is served" : "a newcomer is not served";
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  };

const cases: ReadonlyArray<HostileCase> = [
  {
    what: "a thousand CREATE_FASTs at once",
    rule: "open",
    answer: "all are answered or refused",
    play: flood(1_000, ChannelCommand.CREATE_FAST, () => randomBytes(20)),
  },
  {
    what: "five hundred ntor handshakes at once",
    rule: "open",
    answer: "all are answered or refused",
    play: flood(500, ChannelCommand.CREATE2, ({ target }) => create2Body(HandshakeType.NTOR, ntorRequest(target))),
  },
  {
    what: "five hundred TAP handshakes at once",
    rule: "open",
    answer: "refused for 1",
    play: flood(500, ChannelCommand.CREATE, () => randomBytes(186)),
  },
  {
    what: "forty connections that never begin TLS",
    rule: "open",
    answer: "a newcomer is served",
    play: crowd(40, () => {}),
  },
  {
    what: "forty connections that stop in the middle of their ClientHello",
    rule: "open",
    answer: "a newcomer is served",
    play: crowd(40, (socket) => socket.write(Buffer.from("160301020001000 1fc0303".replace(" ", ""), "hex"))),
  },
  {
    what: "forty connections that are no TLS at all",
    rule: "open",
    answer: "a newcomer is served",
    play: crowd(40, (socket) => socket.write("GET / HTTP/1.0\r\n\r\n")),
  },
  circuitCase("two hundred streams at once, each refused", "open", "END EXITPOLICY", async ({ circuit }) => {
    for (let streamId = 1; streamId <= 200; streamId++) circuit.begin(streamId, "127.0.0.66:80");
    await circuit.receives(RelayCommand.END, 200);
  }),
];

/** Too much of what is allowed. */
export const floods: HostileSubject = {
  title: "Floods",
  about:
    "More of something than anybody needs, but nothing that is wrong in itself. Whoever floods is answered or refused, and others are served beside it. The bounds are in [buffers.md](buffers.md).",
  cases,
};
