import { connect } from "node:net";
import { ChannelCommand } from "@allium/cell";
import type { Arena, HostileCase, HostileSubject } from "../case.ts";
import { versionsCell } from "../handshake.ts";
import { LinkPeer } from "../link-peer.ts";

/** Longer than Allium waits; `tor` does for minutes. */
const PATIENCE_MS = 45_000;

const CLOSES = "closes the channel";

/** TLS, then something, and nothing more. */
const silentAfter =
  (begin: (peer: LinkPeer) => Promise<void>) =>
  async (arena: Arena): Promise<string> => {
    const peer = await LinkPeer.connect(arena.target.port);
    try {
      await begin(peer);
      return (await peer.closes(PATIENCE_MS)) ? CLOSES : "waits";
    } finally {
      peer.destroy();
    }
  };

/** TCP, then some bytes, and nothing more. */
const tcpWith =
  (bytes: Buffer) =>
  async (arena: Arena): Promise<string> => {
    const socket = connect(arena.target.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(bytes);
    socket.resume();
    const closed = new Promise<string>((resolve) => socket.once("close", () => resolve(CLOSES)));
    const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
    const before = performance.now();
    await closed;
    clearTimeout(timer);
    return performance.now() - before < PATIENCE_MS - 1_000 ? CLOSES : "waits";
  };

const cases: ReadonlyArray<HostileCase> = [
  { what: "a connection on which nothing is ever sent", rule: "open", answer: CLOSES, play: tcpWith(Buffer.alloc(0)) },
  {
    what: "a ClientHello that is never finished",
    rule: "open",
    answer: CLOSES,
    play: tcpWith(Buffer.from("1603010200010001fc0303", "hex")),
  },
  { what: "TLS, and nothing in it", rule: "open", answer: CLOSES, play: silentAfter(async () => {}) },
  {
    what: "TLS, and half of a VERSIONS cell",
    rule: "open",
    answer: CLOSES,
    play: silentAfter(async (peer) => peer.send(versionsCell([4, 5]).subarray(0, 6))),
  },
  {
    what: "VERSIONS, and nothing after it",
    rule: "open",
    answer: CLOSES,
    play: silentAfter(async (peer) => {
      peer.send(versionsCell([4, 5]));
      await peer.take(ChannelCommand.NETINFO);
    }),
  },
];

/** What never comes. */
export const withheld: HostileSubject = {
  title: "What is withheld",
  about:
    "A handshake that is begun and not finished. Allium gives up after 20 s without TLS and after 30 s without the link handshake ([timers.md](timers.md)), `tor` after minutes.",
  cases,
};
